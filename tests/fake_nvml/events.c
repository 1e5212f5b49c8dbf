/* Events: lines `event SEQUENCE = gpu=N type=T data=D [gi=G] [ci=C] [count=K] [at=SECONDS]`. Each set gets each event
   once, in the order of the sequence; one that is not due yet holds up those behind it. What was delivered to any set is
   not delivered to a set created later, nor, with FAKE_NVML_CALLS, to another process. */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"

enum { MAX_SETS = 64, POLL_MILLISECONDS = 10 };

#define NO_INSTANCE UINT32_MAX

struct fake_event_set {
    _Atomic int is_used;
    _Atomic uint64_t types[MAX_GPUS];
    _Atomic uint64_t seen; /* sequence in the high half, repetition in the low one */
};

struct event {
    uint64_t sequence, count, type, data;
    int gpu;
    unsigned int gpu_instance, compute_instance;
    double at;
};

static struct fake_event_set sets[MAX_SETS];
static pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER;

static _Atomic uint64_t *delivered(void)
{
    static _Atomic uint64_t here;
    static _Atomic uint64_t *_Atomic shared;
    if (!atomic_load(&shared)) {
        _Atomic uint64_t *counter = shared_counter("events");
        atomic_store(&shared, counter ? counter : &here);
    }
    return atomic_load(&shared);
}

static int is_set(nvmlEventSet_t set)
{
    uintptr_t offset = (uintptr_t)set - (uintptr_t)sets;
    return set && offset < sizeof sets && offset % sizeof *sets == 0 && atomic_load(&set->is_used);
}

EXPORT nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set)
{
    SYSTEM_CALL();
    if (!set)
        return NVML_ERROR_INVALID_ARGUMENT;
    pthread_mutex_lock(&changing);
    int free = 0;
    while (free < MAX_SETS && sets[free].is_used)
        free++;
    if (free < MAX_SETS) {
        memset(sets[free].types, 0, sizeof sets[free].types);
        atomic_store(&sets[free].seen, atomic_load(delivered()));
        atomic_store(&sets[free].is_used, 1);
        *set = &sets[free];
    }
    pthread_mutex_unlock(&changing);
    return free < MAX_SETS ? NVML_SUCCESS : NVML_ERROR_INSUFFICIENT_RESOURCES;
}

EXPORT nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set)
{
    SYSTEM_CALL();
    if (!is_set(set))
        return NVML_ERROR_INVALID_ARGUMENT;
    atomic_store(&set->is_used, 0);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long *types)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    return give_ull(&call, "events.supported", NO_SCOPE, types);
}

EXPORT nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    unsigned long long supported = 0;
    if (!is_set(set))
        return NVML_ERROR_INVALID_ARGUMENT;
    code = give_ull(&call, "events.supported", NO_SCOPE, &supported);
    if (code == NVML_SUCCESS && types & ~supported)
        code = NVML_ERROR_NOT_SUPPORTED;
    if (code == NVML_SUCCESS)
        atomic_fetch_or(&set->types[call.at.gpu], types);
    return code;
}

/* ---- waiting ---- */

static uint64_t word_number(const char *value, const char *name, uint64_t otherwise)
{
    const char *word = word_of(value, name);
    return word ? strtoull(word, NULL, 0) : otherwise;
}

static struct event event_of(const struct entry *entry)
{
    const char *at = word_of(entry->value, "at");
    return (struct event){
        .sequence = strtoull(entry->key + strlen("event "), NULL, 10),
        .count = word_number(entry->value, "count", 1),
        .type = word_number(entry->value, "type", 8),
        .data = word_number(entry->value, "data", 0),
        .gpu = (int)word_number(entry->value, "gpu", 0),
        .gpu_instance = (unsigned int)word_number(entry->value, "gi", NO_INSTANCE),
        .compute_instance = (unsigned int)word_number(entry->value, "ci", NO_INSTANCE),
        .at = at ? strtod(at, NULL) : 0,
    };
}

/* The first event of the script that is not all seen. */
static int find_next(const struct script *script, uint64_t seen, struct event *next)
{
    int found = 0;
    for (size_t i = 0; i < script->count; i++) {
        if (script->entries[i].at.gpu != NO_GPU || strncmp(script->entries[i].key, "event ", 6) != 0)
            continue;
        struct event event = event_of(&script->entries[i]);
        if ((event.sequence << 32 | event.count) > seen && (!found || event.sequence < next->sequence)) {
            *next = event;
            found = 1;
        }
    }
    return found;
}

static void mark_delivered(uint64_t position)
{
    _Atomic uint64_t *newest = delivered();
    uint64_t before = atomic_load(newest);
    while (before < position && !atomic_compare_exchange_weak(newest, &before, position))
        ;
}

/* Takes the next due event that the set is registered for; no other thread that waits gets this one. */
static int take_event(const struct script *script, nvmlEventSet_t set, struct event *event)
{
    for (;;) {
        uint64_t seen = atomic_load(&set->seen);
        if (!find_next(script, seen, event) || event->at > script_elapsed(script))
            return 0;
        int is_wanted = event->gpu < MAX_GPUS && (atomic_load(&set->types[event->gpu]) & event->type);
        uint64_t first = event->sequence << 32 | 1;
        uint64_t position = !is_wanted ? event->sequence << 32 | event->count : seen < first ? first : seen + 1;
        if (!atomic_compare_exchange_strong(&set->seen, &seen, position) || !is_wanted)
            continue;
        mark_delivered(position);
        return 1;
    }
}

static nvmlReturn_t wait_for_event(struct call *call, nvmlEventSet_t set, unsigned int timeout_milliseconds, struct event *event)
{
    double deadline = monotonic_seconds() + timeout_milliseconds / 1e3;
    for (;;) {
        nvmlReturn_t code = is_set(set) ? scripted_error(call) : NVML_ERROR_INVALID_ARGUMENT;
        if (code != NVML_SUCCESS || take_event(call->script, set, event))
            return code;
        if (monotonic_seconds() >= deadline)
            return NVML_ERROR_TIMEOUT;
        sleep_milliseconds(POLL_MILLISECONDS);
        call->script = script_now();
    }
}

EXPORT nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeout_milliseconds)
{
    SYSTEM_CALL();
    struct event event;
    if (!data)
        return NVML_ERROR_INVALID_ARGUMENT;
    code = wait_for_event(&call, set, timeout_milliseconds, &event);
    if (code == NVML_SUCCESS)
        *data = (nvmlEventData_t){handle_of((struct place){event.gpu, WHOLE_GPU}), event.type, event.data,
                                  event.gpu_instance, event.compute_instance};
    return code;
}

/* The first version has no instance ids, so its struct is shorter. */
EXPORT nvmlReturn_t nvmlEventSetWait(nvmlEventSet_t set, nvmlEventData_v1_t *data, unsigned int timeout_milliseconds)
{
    SYSTEM_CALL();
    struct event event;
    if (!data)
        return NVML_ERROR_INVALID_ARGUMENT;
    code = wait_for_event(&call, set, timeout_milliseconds, &event);
    if (code == NVML_SUCCESS)
        *data = (nvmlEventData_v1_t){handle_of((struct place){event.gpu, WHOLE_GPU}), event.type, event.data};
    return code;
}
