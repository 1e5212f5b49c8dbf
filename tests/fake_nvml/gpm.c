/* GPM: two samples make metrics. A metric is what the script says now: `gpu N [instance M] gpm ID = VALUE`. */

#include <pthread.h>
#include <stdio.h>

#include "call.h"

enum { MAX_SAMPLES = 1024, GPM_VERSION = 1 };

struct fake_gpm_sample {
    _Atomic int is_used;
    struct place at;
    double taken_at; /* 0: not filled yet */
};

static struct fake_gpm_sample samples[MAX_SAMPLES];
static pthread_mutex_t allocating = PTHREAD_MUTEX_INITIALIZER;

static int is_sample(nvmlGpmSample_t sample)
{
    uintptr_t offset = (uintptr_t)sample - (uintptr_t)samples;
    return sample && offset < sizeof samples && offset % sizeof *samples == 0 && atomic_load(&sample->is_used);
}

EXPORT nvmlReturn_t nvmlGpmQueryDeviceSupport(nvmlDevice_t device, nvmlGpmSupport_t *support)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (!support)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (support->version != GPM_VERSION)
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    return give_uint(&call, "gpm.supported", NO_SCOPE, &support->isSupportedDevice);
}

EXPORT nvmlReturn_t nvmlGpmSampleAlloc(nvmlGpmSample_t *sample)
{
    SYSTEM_CALL();
    if (!sample)
        return NVML_ERROR_INVALID_ARGUMENT;
    pthread_mutex_lock(&allocating);
    int free = 0;
    while (free < MAX_SAMPLES && samples[free].is_used)
        free++;
    if (free < MAX_SAMPLES) {
        samples[free].taken_at = 0;
        atomic_store(&samples[free].is_used, 1);
        *sample = &samples[free];
    }
    pthread_mutex_unlock(&allocating);
    return free < MAX_SAMPLES ? NVML_SUCCESS : NVML_ERROR_INSUFFICIENT_RESOURCES;
}

EXPORT nvmlReturn_t nvmlGpmSampleFree(nvmlGpmSample_t sample)
{
    SYSTEM_CALL();
    if (!is_sample(sample))
        return NVML_ERROR_INVALID_ARGUMENT;
    atomic_store(&sample->is_used, 0);
    return NVML_SUCCESS;
}

static nvmlReturn_t fill_sample(const struct call *call, nvmlGpmSample_t sample, struct place at)
{
    if (!is_sample(sample))
        return NVML_ERROR_INVALID_ARGUMENT;
    if (!script_integer(call->script, call->at, "gpm.supported", 0))
        return NVML_ERROR_NOT_SUPPORTED;
    sample->at = at;
    sample->taken_at = monotonic_seconds();
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlGpmSampleGet(nvmlDevice_t device, nvmlGpmSample_t sample)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    return fill_sample(&call, sample, call.at);
}

/* Of a GPU instance: its metrics are those of the first MIG device in it. */
EXPORT nvmlReturn_t nvmlGpmMigSampleGet(nvmlDevice_t device, unsigned int gpu_instance, nvmlGpmSample_t sample)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    for (int slot = 0; slot < MAX_SLOTS; slot++) {
        struct place at = {call.at.gpu, slot};
        if (has_instance(call.script, at) && script_integer(call.script, at, "gi", -1) == gpu_instance)
            return fill_sample(&call, sample, at);
    }
    return NVML_ERROR_INVALID_ARGUMENT;
}

static int are_a_pair(nvmlGpmSample_t first, nvmlGpmSample_t second)
{
    return is_sample(first) && is_sample(second) && first != second && first->taken_at > 0 &&
           first->taken_at < second->taken_at && first->at.gpu == second->at.gpu && first->at.slot == second->at.slot;
}

static void fill_metric(const struct call *call, struct place at, nvmlGpmMetric_t *metric)
{
    char key[KEY_BYTES];
    struct number number;
    snprintf(key, sizeof key, "gpm %u", metric->metricId);
    metric->nvmlReturn = (unsigned int)script_number(call->script, at, key, NO_SCOPE, &number);
    metric->metricInfo.shortName = metric->metricInfo.longName = "fake metric";
    metric->metricInfo.unit = "";
    if (metric->nvmlReturn == NVML_SUCCESS)
        metric->value = number.real;
}

EXPORT nvmlReturn_t nvmlGpmMetricsGet(nvmlGpmMetricsGet_t *get)
{
    SYSTEM_CALL();
    if (!get)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (get->version != GPM_VERSION)
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (get->numMetrics > GPM_METRIC_MAX || !are_a_pair(get->sample1, get->sample2))
        return NVML_ERROR_INVALID_ARGUMENT;
    struct place at = get->sample1->at;
    code = scripted_result(&call, at.gpu);
    for (unsigned int i = 0; code == NVML_SUCCESS && i < get->numMetrics; i++)
        fill_metric(&call, at, &get->metrics[i]);
    return code;
}
