#define _GNU_SOURCE
#include "script.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "nvml_abi.h"

enum { MAX_SCRIPT_BYTES = 4 * 1024 * 1024 };

#define CURVE_PERIOD_SECONDS 60.0

static const char *const FREE_KEYS[] = {"error ", "hang ", "newest ", "field ", "fieldtype ", "gpm ", "process ", "event "};

static struct script machine, moving_machine;
static _Atomic(struct script *) newest;
static struct stat newest_stat;
static double loaded_at;
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;

/* Of the environment, or a file beside the library: a process that starts another one often cleans the environment. */
const char *told_path(const char *variable, const char *file)
{
    static _Thread_local char beside[PATH_MAX];
    const char *path = getenv(variable);
    Dl_info library;
    if (path || !dladdr(told_path, &library))
        return path;
    const char *slash = strrchr(library.dli_fname, '/');
    if (!slash)
        return NULL;
    snprintf(beside, sizeof beside, "%.*s/%s", (int)(slash - library.dli_fname), library.dli_fname, file);
    return access(beside, F_OK) == 0 ? beside : NULL;
}

_Noreturn void refuse(const char *what, const char *text, int line)
{
    fprintf(stderr, "fake_nvml: %s line %d: %s: %s\n", told_path("FAKE_NVML", "fake_nvml"), line, what, text);
    abort();
}

double monotonic_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

uint64_t unix_microseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void sleep_milliseconds(unsigned int milliseconds)
{
    struct timespec span = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
    nanosleep(&span, NULL);
}

/* ---- reading ---- */

static int by_key_and_place(const struct entry *left, const struct entry *right)
{
    int order = strcmp(left->key, right->key);
    if (order == 0)
        order = left->at.gpu - right->at.gpu;
    return order ? order : left->at.slot - right->at.slot;
}

static int newest_first(const void *left, const void *right)
{
    const struct entry *const *l = left, *const *r = right;
    int order = by_key_and_place(*l, *r);
    return order ? order : (*r)->line - (*l)->line;
}

static char *trimmed(char *text)
{
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length && strchr(" \t\r", text[length - 1]))
        text[--length] = '\0';
    return text;
}

/* `N` or `*` after the word `name`; moves `rest` past it. */
static int place_word(char **rest, const char *name, int otherwise, int limit, int line)
{
    size_t length = strlen(name);
    if (strncmp(*rest, name, length) != 0 || (*rest)[length] != ' ')
        return otherwise;
    char *word = trimmed(*rest + length), *end;
    long number = ANY;
    if (*word == '*')
        end = word + 1;
    else
        number = strtol(word, &end, 10);
    if (end == word || number >= limit || (*end != ' ' && *end != '\0'))
        refuse("a number below the limit or * was expected", *rest, line);
    *rest = trimmed(end);
    return (int)number;
}

static void one_blank_between_words(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++)
        if (*from != ' ' || (to != text && to[-1] != ' '))
            *to++ = *from;
    *to = '\0';
}

static struct entry entry_of(char *line_text, int line)
{
    char *value = strstr(line_text, " =");
    if (value) {
        *value = '\0';
        value = trimmed(value + 2);
    }
    struct entry entry = {.value = value ? value : "", .line = line};
    char *rest = trimmed(line_text);
    entry.at.gpu = place_word(&rest, "gpu", NO_GPU, MAX_GPUS, line);
    entry.at.slot = place_word(&rest, "instance", WHOLE_GPU, MAX_SLOTS, line);
    one_blank_between_words(rest);
    entry.key = rest;
    return entry;
}

static void sort(struct script *script)
{
    script->sorted = calloc(script->count + 1, sizeof *script->sorted);
    for (size_t i = 0; i < script->count; i++)
        script->sorted[i] = &script->entries[i];
    qsort(script->sorted, script->count, sizeof *script->sorted, newest_first);
}

/* The text is kept: entries point into it. */
static void parse(char *text, struct script *script)
{
    size_t lines = 1;
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    script->entries = calloc(lines, sizeof *script->entries);
    script->count = 0;
    char *rest = text;
    for (int line = 1; rest; line++) {
        char *line_text = trimmed(strsep(&rest, "\n"));
        if (*line_text && *line_text != '#')
            script->entries[script->count++] = entry_of(line_text, line);
    }
    sort(script);
}

static const struct entry *find(const struct script *script, struct place at, const char *key)
{
    struct entry wanted = {.at = at, .key = key};
    size_t low = 0, high = script->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (by_key_and_place(script->sorted[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == script->count || by_key_and_place(script->sorted[low], &wanted) != 0)
        return NULL;
    return script->sorted[low];
}

static int is_known(const char *key)
{
    char name[KEY_BYTES];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(key, ":"), key);
    for (size_t i = 0; i < sizeof FREE_KEYS / sizeof *FREE_KEYS; i++)
        if (strncmp(key, FREE_KEYS[i], strlen(FREE_KEYS[i])) == 0)
            return 1;
    return find(&machine, (struct place){ANY, WHOLE_GPU}, name) || find(&machine, (struct place){ANY, ANY}, name) ||
           find(&machine, (struct place){NO_GPU, WHOLE_GPU}, name);
}

static char *file_text(const char *path, struct stat *now)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 || fstat(descriptor, now) != 0 || now->st_size > MAX_SCRIPT_BYTES)
        refuse("the script cannot be read", strerror(errno), 0);
    char *text = calloc(1, (size_t)now->st_size + 1);
    ssize_t got = read(descriptor, text, (size_t)now->st_size);
    if (got != now->st_size)
        refuse("the script was cut while it was read: replace it, do not rewrite it", path, 0);
    close(descriptor);
    return text;
}

static struct script *script_at(const char *path)
{
    struct script *script = calloc(1, sizeof *script);
    parse(path ? file_text(path, &newest_stat) : calloc(1, 1), script);
    for (size_t i = 0; i < script->count; i++)
        if (!is_known(script->entries[i].key))
            refuse("no such key", script->entries[i].key, script->entries[i].line);
    return script;
}

static int is_same_file(const struct stat *left, const struct stat *right)
{
    return left->st_ino == right->st_ino && left->st_dev == right->st_dev && left->st_size == right->st_size &&
           left->st_mtim.tv_sec == right->st_mtim.tv_sec && left->st_mtim.tv_nsec == right->st_mtim.tv_nsec;
}

static void load_machine(void)
{
    loaded_at = monotonic_seconds();
    parse(strdup(MACHINE), &machine);
    parse(strdup(MOVING_MACHINE), &moving_machine);
}

const struct script *script_now(void)
{
    const char *path = told_path("FAKE_NVML", "fake_nvml");
    struct stat now = {0};
    pthread_mutex_lock(&loading);
    struct script *script = atomic_load(&newest);
    if (!script) {
        load_machine();
        script = script_at(path);
    } else if (path && stat(path, &now) == 0 && !is_same_file(&now, &newest_stat)) {
        script = script_at(path);
    }
    atomic_store(&newest, script);
    pthread_mutex_unlock(&loading);
    return script;
}

/* ---- asking ---- */

static const char *value_here(const struct script *script, struct place at, const char *key, int scope)
{
    const struct entry *entry = NULL;
    if (scope != NO_SCOPE) {
        char scoped[KEY_BYTES];
        snprintf(scoped, sizeof scoped, "%s:%d", key, scope);
        entry = find(script, at, scoped);
    }
    if (!entry)
        entry = find(script, at, key);
    return entry ? entry->value : NULL;
}

static const char *value_at(const struct script *script, const struct place *places, size_t count, const char *key, int scope)
{
    const char *value = NULL;
    for (size_t i = 0; !value && i < count; i++)
        value = value_here(script, places[i], key, scope);
    return value;
}

static int moves(const struct script *script, struct place at)
{
    const struct place places[] = {{at.gpu, WHOLE_GPU}, {ANY, WHOLE_GPU}, {NO_GPU, WHOLE_GPU}};
    const char *load = value_at(script, places, 3, "load", NO_SCOPE);
    return load && strcmp(load, "curve") == 0;
}

static const char *value_of(const struct script *script, struct place at, const struct place *places, const char *key, int scope)
{
    const char *value = value_at(script, places, 3, key, scope);
    if (!value && moves(script, at))
        value = value_at(&moving_machine, places, 3, key, scope);
    return value ? value : value_at(&machine, places, 3, key, scope);
}

const char *script_value(const struct script *script, struct place at, const char *key, int scope)
{
    const struct place of_instance[] = {at, {at.gpu, ANY}, {ANY, ANY}};
    const struct place of_gpu[] = {{at.gpu, WHOLE_GPU}, {ANY, WHOLE_GPU}, {NO_GPU, WHOLE_GPU}};
    const char *value = at.slot == WHOLE_GPU ? NULL : value_of(script, at, of_instance, key, scope);
    return value ? value : value_of(script, at, of_gpu, key, scope);
}

double script_elapsed(const struct script *script)
{
    const char *clock = value_here(script, (struct place){NO_GPU, WHOLE_GPU}, "clock", NO_SCOPE);
    double elapsed = monotonic_seconds() - (clock ? strtod(clock, NULL) : loaded_at);
    return elapsed > 0 ? elapsed : 0;
}

/* 0 to 1. Each GPU's curve is a little behind that of the GPU before. */
static double load_of(const struct script *script, struct place at)
{
    const char *load = script_value(script, at, "load", NO_SCOPE);
    if (strcmp(load, "curve") != 0)
        return strtod(load, NULL);
    double turns = script_elapsed(script) / CURVE_PERIOD_SECONDS - at.gpu / 16.0;
    return 0.5 - 0.5 * cos(2 * M_PI * turns);
}

static struct number number_of(double real)
{
    return (struct number){real < 0 ? (uint64_t)(int64_t)llround(real) : (uint64_t)real, real};
}

static const char *read_number(const char *text, struct number *number)
{
    char *end;
    errno = 0;
    number->integer = *text == '-' ? (uint64_t)strtoll(text, &end, 0) : strtoull(text, &end, 0);
    number->real = *text == '-' ? (double)(int64_t)number->integer : (double)number->integer;
    if (*end == '.' && end[1] != '.')
        *number = number_of(strtod(text, &end));
    return end == text || errno ? NULL : end + strspn(end, " ");
}

int script_evaluate(const struct script *script, struct place at, const char *value, struct number *number)
{
    struct number other;
    if (strncmp(value, "error ", 6) == 0)
        return (int)strtol(value + 6, NULL, 10);
    if (strcmp(value, "na") == 0) {
        *number = (struct number){UINT64_MAX, (double)UINT64_MAX};
        return NVML_SUCCESS;
    }
    const char *rest = read_number(value, number);
    if (rest && *rest == '\0')
        return NVML_SUCCESS;
    if (rest && strncmp(rest, "..", 2) == 0 && read_number(rest + 2 + strspn(rest + 2, " "), &other)) {
        *number = number_of(number->real + (other.real - number->real) * load_of(script, at));
        return NVML_SUCCESS;
    }
    if (rest && *rest == '+' && (rest = read_number(rest + 1 + strspn(rest + 1, " "), &other)) && strcmp(rest, "/s") == 0) {
        double grown = other.real * script_elapsed(script);
        *number = (struct number){number->integer + (uint64_t)grown, number->real + grown};
        return NVML_SUCCESS;
    }
    refuse("a number was expected", value, 0);
}

int script_number(const struct script *script, struct place at, const char *key, int scope, struct number *number)
{
    const char *value = script_value(script, at, key, scope);
    return value ? script_evaluate(script, at, value, number) : NVML_ERROR_NOT_SUPPORTED;
}

int64_t script_integer(const struct script *script, struct place at, const char *key, int64_t otherwise)
{
    struct number number;
    return script_number(script, at, key, NO_SCOPE, &number) == NVML_SUCCESS ? (int64_t)number.integer : otherwise;
}

const char *word_of(const char *value, const char *name)
{
    size_t length = strlen(name);
    for (const char *word = value; *word; word += strspn(word, " ")) {
        if (strncmp(word, name, length) == 0 && word[length] == '=')
            return word + length + 1;
        word += strcspn(word, " ");
    }
    return NULL;
}
