/* Who uses a device: lines `gpu N process PID = type=compute memory=BYTES gi= ci= sm= mem= enc= dec= jpg= ofa=`. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"

#define NOT_AVAILABLE UINT64_MAX
#define NO_INSTANCE UINT32_MAX

enum { MAX_PROCESSES = 512 };

struct process {
    unsigned int pid, gpu_instance, compute_instance;
    unsigned long long memory, protected_memory;
    const char *value;
};

struct process_list {
    size_t count;
    struct process rows[MAX_PROCESSES];
};

static unsigned long long word_number(const char *value, const char *name, unsigned long long otherwise)
{
    const char *word = word_of(value, name);
    return !word || strncmp(word, "na", 2) == 0 ? otherwise : strtoull(word, NULL, 0);
}

static int is_of_type(const char *value, const char *type)
{
    const char *word = word_of(value, "type");
    return strncmp(word ? word : "compute", type, strlen(type)) == 0;
}

static struct process process_of(const struct entry *entry)
{
    return (struct process){
        .pid = (unsigned int)strtoul(entry->key + strlen("process "), NULL, 10),
        .gpu_instance = (unsigned int)word_number(entry->value, "gi", NO_INSTANCE),
        .compute_instance = (unsigned int)word_number(entry->value, "ci", NO_INSTANCE),
        .memory = word_number(entry->value, "memory", NOT_AVAILABLE),
        .protected_memory = word_number(entry->value, "protected", 0),
        .value = entry->value,
    };
}

/* All of the whole GPU; those of the instance for a MIG device. `type` "" is all. */
static void list_processes(const struct call *call, const char *type, struct process_list *list)
{
    unsigned int gi = (unsigned int)script_integer(call->script, call->at, "gi", NO_INSTANCE);
    unsigned int ci = (unsigned int)script_integer(call->script, call->at, "ci", NO_INSTANCE);
    list->count = 0;
    for (size_t i = 0; i < call->script->count && list->count < MAX_PROCESSES; i++) {
        const struct entry *entry = &call->script->entries[i];
        if ((entry->at.gpu != call->at.gpu && entry->at.gpu != ANY) || strncmp(entry->key, "process ", 8) != 0)
            continue;
        struct process process = process_of(entry);
        int is_here = call->at.slot == WHOLE_GPU || (process.gpu_instance == gi && process.compute_instance == ci);
        if (is_here && is_of_type(entry->value, type))
            list->rows[list->count++] = process;
    }
}

/* Whether the caller's array is large enough; the count is filled in either way. */
static nvmlReturn_t fit(size_t count, unsigned int *room, const void *array)
{
    unsigned int given = *room;
    *room = (unsigned int)count;
    if (count > given)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    return count && !array ? NVML_ERROR_INVALID_ARGUMENT : NVML_SUCCESS;
}

/* ---- lists of running processes: rows begin alike, so a row of any layout is the start of the longest ---- */

static int has_long_rows(const struct call *call)
{
    unsigned int major = 0, minor = 0;
    sscanf(script_value(call->script, call->at, "driver", NO_SCOPE), "%u.%u", &major, &minor);
    return major == 535 && minor >= 43 && minor < 98;
}

static nvmlReturn_t running(const struct call *call, const char *type, unsigned int *count, void *infos, size_t row_bytes)
{
    struct process_list list;
    if (!count)
        return NVML_ERROR_INVALID_ARGUMENT;
    list_processes(call, type, &list);
    nvmlReturn_t code = fit(list.count, count, infos);
    for (size_t i = 0; code == NVML_SUCCESS && i < list.count; i++) {
        const struct process *process = &list.rows[i];
        nvmlProcessDetail_v1_t row = {process->pid, process->memory, process->gpu_instance, process->compute_instance,
                                      process->protected_memory};
        memcpy((char *)infos + i * row_bytes, &row, row_bytes);
    }
    return code;
}

#define RUNNING(function, type, row_bytes)                                                                             \
    EXPORT nvmlReturn_t function(nvmlDevice_t device, unsigned int *count, void *infos)                                \
    {                                                                                                                  \
        DEVICE_CALL(device, MIG_TOO);                                                                                  \
        return running(&call, type, count, infos, row_bytes);                                                          \
    }

#define NEWEST_ROW (has_long_rows(&call) ? sizeof(nvmlProcessDetail_v1_t) : sizeof(nvmlProcessInfo_v2_t))

RUNNING(nvmlDeviceGetComputeRunningProcesses, "compute", sizeof(nvmlProcessInfo_v1_t))
RUNNING(nvmlDeviceGetComputeRunningProcesses_v2, "compute", sizeof(nvmlProcessInfo_v2_t))
RUNNING(nvmlDeviceGetComputeRunningProcesses_v3, "compute", NEWEST_ROW)
RUNNING(nvmlDeviceGetGraphicsRunningProcesses, "graphics", sizeof(nvmlProcessInfo_v1_t))
RUNNING(nvmlDeviceGetGraphicsRunningProcesses_v2, "graphics", sizeof(nvmlProcessInfo_v2_t))
RUNNING(nvmlDeviceGetGraphicsRunningProcesses_v3, "graphics", NEWEST_ROW)
RUNNING(nvmlDeviceGetMPSComputeRunningProcesses, "mps", sizeof(nvmlProcessInfo_v1_t))
RUNNING(nvmlDeviceGetMPSComputeRunningProcesses_v2, "mps", sizeof(nvmlProcessInfo_v2_t))
RUNNING(nvmlDeviceGetMPSComputeRunningProcesses_v3, "mps", NEWEST_ROW)

EXPORT nvmlReturn_t nvmlDeviceGetRunningProcessDetailList(nvmlDevice_t device, nvmlProcessDetailList_v1_t *list)
{
    static const char *const types[] = {"compute", "graphics", "mps", ""};
    DEVICE_CALL(device, MIG_TOO);
    if (!list || list->mode >= sizeof types / sizeof *types)
        return NVML_ERROR_INVALID_ARGUMENT;
    code = check_version(&call, list->version, STRUCT_VERSION(*list, 1));
    if (code != NVML_SUCCESS)
        return code;
    return running(&call, types[list->mode], &list->numProcArrayEntries, list->procArray, sizeof *list->procArray);
}

/* ---- what processes use: only those that say so ---- */

/* Keeps the processes with a sample; refused where the GPU is partitioned, NOT_FOUND where nobody has any. */
static nvmlReturn_t list_samples(const struct call *call, struct process_list *list)
{
    static const char *const engines[] = {"sm", "mem", "enc", "dec", "jpg", "ofa"};
    size_t kept = 0;
    if (has_mig(call->script, call->at.gpu))
        return NVML_ERROR_NOT_SUPPORTED;
    list_processes(call, "", list);
    for (size_t i = 0; i < list->count; i++) {
        int is_sampled = 0;
        for (size_t engine = 0; engine < sizeof engines / sizeof *engines; engine++)
            is_sampled |= word_of(list->rows[i].value, engines[engine]) != NULL;
        if (is_sampled)
            list->rows[kept++] = list->rows[i];
    }
    list->count = kept;
    return kept ? NVML_SUCCESS : NVML_ERROR_NOT_FOUND;
}

static unsigned int percent(const struct process *process, const char *engine)
{
    return (unsigned int)word_number(process->value, engine, 0);
}

EXPORT nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t device, nvmlProcessUtilizationSample_t *samples,
                                                    unsigned int *count, unsigned long long last_seen)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    struct process_list list;
    if (!count)
        return NVML_ERROR_INVALID_ARGUMENT;
    unsigned long long now = unix_microseconds();
    code = last_seen >= now ? NVML_ERROR_NOT_FOUND : list_samples(&call, &list);
    if (code == NVML_SUCCESS)
        code = samples ? fit(list.count, count, samples) : (*count = (unsigned int)list.count, NVML_ERROR_INSUFFICIENT_SIZE);
    for (size_t i = 0; code == NVML_SUCCESS && i < list.count; i++) {
        const struct process *process = &list.rows[i];
        samples[i] = (nvmlProcessUtilizationSample_t){process->pid, now, percent(process, "sm"), percent(process, "mem"),
                                                      percent(process, "enc"), percent(process, "dec")};
    }
    return code;
}

static void fill_utilization(nvmlProcessesUtilizationInfo_v1_t *info, const struct process_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct process *process = &list->rows[i];
        info->procUtilArray[i] = (nvmlProcessUtilizationInfo_v1_t){
            unix_microseconds(),     process->pid,           percent(process, "sm"),  percent(process, "mem"),
            percent(process, "enc"), percent(process, "dec"), percent(process, "jpg"), percent(process, "ofa")};
    }
}

EXPORT nvmlReturn_t nvmlDeviceGetProcessesUtilizationInfo(nvmlDevice_t device, nvmlProcessesUtilizationInfo_v1_t *info)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    struct process_list list;
    if (!info)
        return NVML_ERROR_INVALID_ARGUMENT;
    code = check_version(&call, info->version, STRUCT_VERSION(*info, 1));
    if (code == NVML_SUCCESS)
        code = info->lastSeenTimeStamp >= unix_microseconds() ? NVML_ERROR_NOT_FOUND : list_samples(&call, &list);
    if (code == NVML_SUCCESS && !info->procUtilArray) {
        info->processSamplesCount = (unsigned int)list.count;
        return NVML_ERROR_INSUFFICIENT_SIZE;
    }
    if (code == NVML_SUCCESS)
        code = fit(list.count, &info->processSamplesCount, info->procUtilArray);
    if (code == NVML_SUCCESS)
        fill_utilization(info, &list);
    return code;
}
