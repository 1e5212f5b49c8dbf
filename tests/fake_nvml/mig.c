/* Partitions: a MIG device is in slot M of GPU N where the script has `gpu N mig = 1` and `gpu N instance M gi = ID`. */

#include "call.h"

EXPORT nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *mode, unsigned int *pending)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    code = give_uint(&call, "mig", NO_SCOPE, mode);
    if (code != NVML_SUCCESS)
        return code;
    code = give_uint(&call, "mig.pending", NO_SCOPE, pending);
    if (code == NVML_ERROR_NOT_SUPPORTED) {
        *pending = *mode;
        code = NVML_SUCCESS;
    }
    return code;
}

GIVES_UINT(nvmlDeviceGetMaxMigDeviceCount, "mig.max")

EXPORT nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int slot, nvmlDevice_t *mig_device)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (!mig_device || slot >= MAX_SLOTS || slot >= script_integer(call.script, call.at, "mig.max", 0))
        return NVML_ERROR_INVALID_ARGUMENT;
    if (!has_mig(call.script, call.at.gpu))
        return NVML_ERROR_NOT_SUPPORTED;
    struct place at = {call.at.gpu, (int)slot};
    *mig_device = handle_of(at);
    return has_instance(call.script, at) ? NVML_SUCCESS : NVML_ERROR_NOT_FOUND;
}

EXPORT nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t mig_device, nvmlDevice_t *device)
{
    DEVICE_CALL(mig_device, MIG_TOO);
    if (!device || call.at.slot == WHOLE_GPU)
        return NVML_ERROR_INVALID_ARGUMENT;
    *device = handle_of((struct place){call.at.gpu, WHOLE_GPU});
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned int *is_mig)
{
    DEVICE_CALL(device, MIG_TOO);
    if (!is_mig)
        return NVML_ERROR_INVALID_ARGUMENT;
    *is_mig = call.at.slot != WHOLE_GPU;
    return NVML_SUCCESS;
}

#define OF_MIG_DEVICE(function, key)                                                                                   \
    EXPORT nvmlReturn_t function(nvmlDevice_t device, unsigned int *value)                                             \
    {                                                                                                                  \
        DEVICE_CALL(device, MIG_TOO);                                                                                  \
        return call.at.slot == WHOLE_GPU ? NVML_ERROR_NOT_SUPPORTED : give_uint(&call, key, NO_SCOPE, value);          \
    }

OF_MIG_DEVICE(nvmlDeviceGetGpuInstanceId, "gi")
OF_MIG_DEVICE(nvmlDeviceGetComputeInstanceId, "ci")

EXPORT nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t device, nvmlDeviceAttributes_t *attributes)
{
    DEVICE_CALL(device, MIG_TOO);
    if (!attributes)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (call.at.slot == WHOLE_GPU)
        return NVML_ERROR_NOT_SUPPORTED;
    const struct {
        const char *key;
        unsigned int *into;
    } rows[] = {
        {"multiprocessors", &attributes->multiprocessorCount}, {"copy_engines", &attributes->sharedCopyEngineCount},
        {"decoders", &attributes->sharedDecoderCount},         {"encoders", &attributes->sharedEncoderCount},
        {"jpegs", &attributes->sharedJpegCount},               {"ofas", &attributes->sharedOfaCount},
        {"slices", &attributes->gpuInstanceSliceCount},        {"compute.slices", &attributes->computeInstanceSliceCount},
    };
    for (size_t i = 0; code == NVML_SUCCESS && i < sizeof rows / sizeof *rows; i++)
        code = give_uint(&call, rows[i].key, NO_SCOPE, rows[i].into);
    if (code == NVML_SUCCESS)
        code = give_ull(&call, "memory.total", NO_SCOPE, &attributes->memorySizeMB);
    attributes->memorySizeMB >>= 20;
    return code;
}
