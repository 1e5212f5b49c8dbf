#include "call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HANG_POLL_MILLISECONDS = 20 };

static char devices[MAX_GPUS][1 + MAX_SLOTS]; /* the address is the handle; nothing is stored */
static _Atomic uint64_t calls_of_gpu[MAX_GPUS];

/* ---- devices ---- */

nvmlDevice_t handle_of(struct place at)
{
    return (nvmlDevice_t)&devices[at.gpu][at.slot == WHOLE_GPU ? 0 : at.slot + 1];
}

int place_of(nvmlDevice_t device, struct place *at)
{
    uintptr_t offset = (uintptr_t)device - (uintptr_t)devices;
    if (!device || offset >= sizeof devices)
        return 0;
    int column = (int)(offset % (1 + MAX_SLOTS));
    *at = (struct place){(int)(offset / (1 + MAX_SLOTS)), column ? column - 1 : WHOLE_GPU};
    return 1;
}

int is_there(const struct script *script, int gpu)
{
    struct place at = {gpu, WHOLE_GPU};
    return gpu < script_integer(script, (struct place){NO_GPU, WHOLE_GPU}, "count", 0) && !script_integer(script, at, "absent", 0);
}

int gpu_count(const struct script *script)
{
    int count = 0;
    for (int gpu = 0; gpu < MAX_GPUS; gpu++)
        count += is_there(script, gpu);
    return count;
}

int gpu_at_index(const struct script *script, unsigned int index)
{
    for (int gpu = 0; gpu < MAX_GPUS; gpu++)
        if (is_there(script, gpu) && index-- == 0)
            return gpu;
    return -1;
}

int has_mig(const struct script *script, int gpu)
{
    return (int)script_integer(script, (struct place){gpu, WHOLE_GPU}, "mig", 0);
}

nvmlReturn_t refuse_mig(const struct call *call)
{
    return has_mig(call->script, call->at.gpu) ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

/* A partitioned GPU refuses all that is asked of its links. */
nvmlReturn_t check_link(const struct call *call, unsigned int link)
{
    if (link >= script_integer(call->script, call->at, "nvlink.count", 0))
        return NVML_ERROR_INVALID_ARGUMENT;
    return refuse_mig(call);
}

int has_instance(const struct script *script, struct place at)
{
    return has_mig(script, at.gpu) && script_integer(script, at, "gi", -1) >= 0;
}

/* ---- what is scripted for a call ---- */

/* The value of "KIND SYMBOL" or "KIND *", where it applies to this call: `... after N` lets N calls pass. */
static const char *rule(const struct call *call, const char *kind)
{
    const struct symbol *symbol = call->symbol;
    int gpu = call->at.gpu;
    const char *names[] = {symbol->name, "*"};
    const uint64_t calls[] = {atomic_load(gpu >= 0 ? &symbol->calls_of_gpu[gpu] : &symbol->calls),
                              gpu >= 0 ? atomic_load(&calls_of_gpu[gpu]) : atomic_load(&symbol->calls)};
    for (int i = 0; i < 2; i++) {
        char key[KEY_BYTES];
        snprintf(key, sizeof key, "%s %s", kind, names[i]);
        const char *value = script_value(call->script, call->at, key, NO_SCOPE);
        const char *after = value ? strstr(value, "after ") : NULL;
        if (value && calls[i] > (after ? strtoull(after + 6, NULL, 10) : 0))
            return value;
    }
    return NULL;
}

nvmlReturn_t scripted_error(const struct call *call)
{
    const char *error = rule(call, "error");
    return error ? (nvmlReturn_t)strtol(error, NULL, 10) : NVML_SUCCESS;
}

/* Ends when the script no longer says so, or after as many seconds as it says. */
static void hang_as_scripted(struct call *call)
{
    double began = monotonic_seconds();
    const char *value;
    while ((value = rule(call, "hang")) != NULL) {
        char *end;
        double seconds = strtod(value, &end);
        if (end != value && monotonic_seconds() - began >= seconds)
            return;
        sleep_milliseconds(HANG_POLL_MILLISECONDS);
        call->script = script_now();
    }
}

nvmlReturn_t scripted_result(struct call *call, int gpu)
{
    call->at = (struct place){gpu, WHOLE_GPU};
    record_call_of_gpu(call->symbol, gpu);
    atomic_fetch_add(&calls_of_gpu[gpu], 1);
    hang_as_scripted(call);
    return scripted_error(call);
}

nvmlReturn_t begin_uninitialized(struct call *call, struct symbol *symbol)
{
    *call = (struct call){script_now(), {NO_GPU, WHOLE_GPU}, symbol};
    record_call(symbol);
    hang_as_scripted(call);
    return scripted_error(call);
}

nvmlReturn_t begin(struct call *call, struct symbol *symbol)
{
    nvmlReturn_t code = begin_uninitialized(call, symbol);
    return code == NVML_SUCCESS && !is_initialized() ? NVML_ERROR_UNINITIALIZED : code;
}

static nvmlReturn_t check_device(const struct call *call, enum takes takes)
{
    if (!is_there(call->script, call->at.gpu))
        return NVML_ERROR_GPU_IS_LOST;
    if (call->at.slot == WHOLE_GPU)
        return NVML_SUCCESS;
    if (!has_instance(call->script, call->at))
        return NVML_ERROR_INVALID_ARGUMENT;
    return takes == MIG_TOO ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t begin_for_device(struct call *call, struct symbol *symbol, nvmlDevice_t device, enum takes takes)
{
    *call = (struct call){script_now(), {NO_GPU, WHOLE_GPU}, symbol};
    int is_device = place_of(device, &call->at);
    record_call(symbol);
    if (!is_initialized())
        return NVML_ERROR_UNINITIALIZED;
    if (!is_device)
        return NVML_ERROR_INVALID_ARGUMENT;
    record_call_of_gpu(symbol, call->at.gpu);
    atomic_fetch_add(&calls_of_gpu[call->at.gpu], 1);
    hang_as_scripted(call);
    nvmlReturn_t code = scripted_error(call);
    return code == NVML_SUCCESS ? check_device(call, takes) : code;
}

/* ---- giving values ---- */

#define GIVES(function, type)                                                                                          \
    nvmlReturn_t function(const struct call *call, const char *key, int scope, type *value)                            \
    {                                                                                                                  \
        struct number number;                                                                                          \
        if (!value)                                                                                                    \
            return NVML_ERROR_INVALID_ARGUMENT;                                                                        \
        nvmlReturn_t code = script_number(call->script, call->at, key, scope, &number);                                \
        if (code == NVML_SUCCESS)                                                                                      \
            *value = (type)number.integer;                                                                             \
        return code;                                                                                                   \
    }

GIVES(give_uint, unsigned int)
GIVES(give_int, int)
GIVES(give_ull, unsigned long long)

static size_t expand(const char *template, struct place at, char *text, size_t size)
{
    size_t length = 0;
    for (; *template && length + 4 < size; template++) {
        if (template[0] == '{' && template[1] && template[2] == '}') {
            const char *format = template[1] == 'n' ? "%03d" : template[1] == 'b' ? "%02X" : "%d";
            int number = template[1] == 'n' ? at.gpu : template[1] == 'b' ? 0x18 + 4 * at.gpu : at.slot;
            length += (size_t)snprintf(text + length, size - length, format, number);
            template += 2;
        } else {
            text[length++] = *template;
        }
    }
    text[length] = '\0';
    return length;
}

nvmlReturn_t give_text(const struct call *call, const char *key, int scope, char *text, unsigned int size)
{
    char expanded[512];
    const char *value = script_value(call->script, call->at, key, scope);
    if (!text)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (!value)
        return NVML_ERROR_NOT_SUPPORTED;
    if (strncmp(value, "error ", 6) == 0)
        return (nvmlReturn_t)strtol(value + 6, NULL, 10);
    size_t length = expand(value, call->at, expanded, sizeof expanded);
    if (length + 1 > size)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    memcpy(text, expanded, length + 1);
    return NVML_SUCCESS;
}

unsigned int newest_version(const struct call *call, unsigned int known)
{
    char key[KEY_BYTES];
    snprintf(key, sizeof key, "newest %s", call->symbol->name);
    return (unsigned int)script_integer(call->script, call->at, key, known);
}

nvmlReturn_t check_version(const struct call *call, unsigned int got, unsigned int expected)
{
    int is_known = got == expected && expected >> 24 <= newest_version(call, expected >> 24);
    return is_known ? NVML_SUCCESS : NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
}
