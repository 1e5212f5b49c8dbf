/* What every NVML function of the fake does first: it is counted, may hang or fail as scripted, and its handle is
   checked. Then it gives a value. */

#ifndef FAKE_NVML_CALL_H
#define FAKE_NVML_CALL_H

#include <stdatomic.h>

#include "nvml_abi.h"
#include "script.h"

#define EXPORT __attribute__((visibility("default")))

struct counted;

/* One exported function. */
struct symbol {
    const char *name;
    _Atomic uint64_t calls;
    _Atomic uint64_t calls_of_gpu[MAX_GPUS];
    _Atomic(struct counted *) counted;
};

struct call {
    const struct script *script;
    struct place at;
    struct symbol *symbol;
};

enum takes { WHOLE_GPU_ONLY, MIG_TOO };

/* For a function that is nothing else. */
#define GIVES_UINT(function, key)                                                                                      \
    EXPORT nvmlReturn_t function(nvmlDevice_t device, unsigned int *value)                                             \
    {                                                                                                                  \
        DEVICE_CALL(device, WHOLE_GPU_ONLY);                                                                           \
        return give_uint(&call, key, NO_SCOPE, value);                                                                 \
    }

#define GIVES_TWO(function, first_key, second_key)                                                                     \
    EXPORT nvmlReturn_t function(nvmlDevice_t device, unsigned int *first, unsigned int *second)                       \
    {                                                                                                                  \
        DEVICE_CALL(device, WHOLE_GPU_ONLY);                                                                           \
        code = give_uint(&call, first_key, NO_SCOPE, first);                                                           \
        return code == NVML_SUCCESS ? give_uint(&call, second_key, NO_SCOPE, second) : code;                           \
    }

nvmlReturn_t begin(struct call *call, struct symbol *symbol);
nvmlReturn_t begin_for_device(struct call *call, struct symbol *symbol, nvmlDevice_t device, enum takes takes);

/* A system call that is already counted, and that works before nvmlInit too, as far as hangs and errors go. */
nvmlReturn_t begin_uninitialized(struct call *call, struct symbol *symbol);

/* What is scripted for this GPU, in a call that did not get its handle. Counts the call as one of the GPU's. */
nvmlReturn_t scripted_result(struct call *call, int gpu);

/* The same, now, for a call that waits and looks again; it is not counted and does not hang. */
nvmlReturn_t scripted_error(const struct call *call);

/* The head of a function: declares `call`, and returns where the call ends here. */
#define SYSTEM_CALL()                                                                                                  \
    static struct symbol symbol = {.name = __func__};                                                                  \
    struct call call;                                                                                                  \
    nvmlReturn_t code = begin(&call, &symbol);                                                                         \
    if (code != NVML_SUCCESS)                                                                                          \
    return code

#define DEVICE_CALL(device, takes)                                                                                     \
    static struct symbol symbol = {.name = __func__};                                                                  \
    struct call call;                                                                                                  \
    nvmlReturn_t code = begin_for_device(&call, &symbol, device, takes);                                               \
    if (code != NVML_SUCCESS)                                                                                          \
    return code

/* Give the value of a key. NVML_ERROR_INVALID_ARGUMENT for a NULL. */
nvmlReturn_t give_uint(const struct call *call, const char *key, int scope, unsigned int *value);
nvmlReturn_t give_int(const struct call *call, const char *key, int scope, int *value);
nvmlReturn_t give_ull(const struct call *call, const char *key, int scope, unsigned long long *value);

/* {n} is the GPU's place in three digits, {b} its PCI bus in two hexadecimal ones, {s} the MIG device's slot. */
nvmlReturn_t give_text(const struct call *call, const char *key, int scope, char *text, unsigned int size);

/* Fails where the struct is of a version that this driver does not know: `newest CALL = N`, or newer than `known`. */
nvmlReturn_t check_version(const struct call *call, unsigned int got, unsigned int expected);
unsigned int newest_version(const struct call *call, unsigned int known);

/* ---- devices ---- */

nvmlDevice_t handle_of(struct place at);
int place_of(nvmlDevice_t device, struct place *at);
int gpu_count(const struct script *script);          /* as NVML lists them: without absent ones */
int gpu_at_index(const struct script *script, unsigned int index); /* -1: none */
int is_there(const struct script *script, int gpu);
int has_mig(const struct script *script, int gpu);
nvmlReturn_t refuse_mig(const struct call *call); /* NOT_SUPPORTED where the GPU is partitioned */
nvmlReturn_t check_link(const struct call *call, unsigned int link);
int has_instance(const struct script *script, struct place at);

/* ---- the library ---- */

int is_initialized(void);
_Atomic uint64_t *shared_counter(const char *name); /* NULL where nothing is recorded */
void record_call(struct symbol *symbol);
void record_call_of_gpu(struct symbol *symbol, int gpu);

#endif
