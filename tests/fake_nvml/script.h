/* The script: a text file of `key = value` lines that says what the machine is, how it moves and how it fails. */

#ifndef FAKE_NVML_SCRIPT_H
#define FAKE_NVML_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

enum {
    MAX_GPUS = 32,
    MAX_SLOTS = 16, /* MIG devices of a GPU */
    ANY = -1,       /* `gpu *`, `instance *` */
    NO_GPU = -2,    /* a line about the machine */
    WHOLE_GPU = -2, /* not a MIG device */
    NO_SCOPE = -1,
    KEY_BYTES = 128,
};

/* Whose value is asked for. */
struct place {
    int gpu;
    int slot;
};

struct entry {
    struct place at;
    const char *key;
    const char *value;
    int line;
};

/* One reading of the file. `entries` in the file's order; `sorted` by key and place, the last of equals first. */
struct script {
    struct entry *entries;
    const struct entry **sorted;
    size_t count;
};

struct number {
    uint64_t integer;
    double real;
};

/* The newest script: the file is read again when it was replaced. Never fails: a script that is not understood ends
   the process with a message, for the test that wrote it is wrong. Readings are never freed, since other threads may
   still hold them. */
const struct script *script_now(void);

/* The value of a key. What is said of MIG devices goes before what is said of their GPU; else what is said of this one
   before what is said of `*`, the script before the machine as built in, and "key:scope" before "key". NULL: nobody
   says. */
const char *script_value(const struct script *script, struct place at, const char *key, int scope);

/* A number or NVML's return code: NVML_ERROR_NOT_SUPPORTED where nobody says, or what `error N` says. */
int script_number(const struct script *script, struct place at, const char *key, int scope, struct number *number);

/* The number in a value: `N`, `LOW .. HIGH` (moves with the load), `N + R/s` (a counter), `na` (all ones), `error N`. */
int script_evaluate(const struct script *script, struct place at, const char *value, struct number *number);

/* The number of a key that always has one, or `otherwise`. */
int64_t script_integer(const struct script *script, struct place at, const char *key, int64_t otherwise);

/* Seconds since the machine started: since `clock = CLOCK_MONOTONIC seconds`, else since the library was loaded. */
double script_elapsed(const struct script *script);

/* `word` is the value's word NAME= in "a=1 b=2"; NULL where it is not there. Ends at a blank. */
const char *word_of(const char *value, const char *name);

double monotonic_seconds(void);
uint64_t unix_microseconds(void);
void sleep_milliseconds(unsigned int milliseconds);
const char *told_path(const char *variable, const char *file);
_Noreturn void refuse(const char *what, const char *text, int line);

/* The machine as built in (machine.c), in the same language; `MOVING_MACHINE` comes first where `load = curve`. */
extern const char MACHINE[];
extern const char MOVING_MACHINE[];

#endif
