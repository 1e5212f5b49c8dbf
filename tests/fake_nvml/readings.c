/* What a device reads right now: one number a call, or a few. */

#include "call.h"

enum { PCIE_THROUGHPUT_MILLISECONDS = 20 };

#define GIVES_ULL(function, key)                                                                                       \
    EXPORT nvmlReturn_t function(nvmlDevice_t device, unsigned long long *value)                                       \
    {                                                                                                                  \
        DEVICE_CALL(device, WHOLE_GPU_ONLY);                                                                           \
        return give_ull(&call, key, NO_SCOPE, value);                                                                  \
    }

/* One of a row of keys, by a number that the caller gives. */
#define GIVES_ONE_OF(function, type, ...)                                                                              \
    EXPORT nvmlReturn_t function(nvmlDevice_t device, unsigned int which, type *value)                                 \
    {                                                                                                                  \
        static const char *const keys[] = {__VA_ARGS__};                                                               \
        DEVICE_CALL(device, WHOLE_GPU_ONLY);                                                                           \
        if (which >= sizeof keys / sizeof *keys)                                                                       \
            return NVML_ERROR_INVALID_ARGUMENT;                                                                        \
        return keys[which] ? give_uint(&call, keys[which], NO_SCOPE, value) : NVML_ERROR_NOT_SUPPORTED;                \
    }

GIVES_UINT(nvmlDeviceGetBrand, "brand")
GIVES_UINT(nvmlDeviceGetArchitecture, "architecture")
GIVES_UINT(nvmlDeviceGetMultiGpuBoard, "multi_gpu_board")
GIVES_UINT(nvmlDeviceGetNumGpuCores, "cores")
GIVES_UINT(nvmlDeviceGetMemoryBusWidth, "memory.bus_width")
GIVES_UINT(nvmlDeviceGetIrqNum, "irq")
GIVES_UINT(nvmlDeviceGetBusType, "bus_type")
GIVES_UINT(nvmlDeviceGetInforomConfigurationChecksum, "inforom.checksum")
GIVES_TWO(nvmlDeviceGetGspFirmwareMode, "gsp.enabled", "gsp.default")

GIVES_UINT(nvmlDeviceGetPersistenceMode, "persistence")
GIVES_UINT(nvmlDeviceGetComputeMode, "compute.mode")
GIVES_UINT(nvmlDeviceGetDisplayMode, "display.mode")
GIVES_UINT(nvmlDeviceGetDisplayActive, "display.active")
GIVES_UINT(nvmlDeviceGetVirtualizationMode, "virtualization")
GIVES_UINT(nvmlDeviceGetAccountingMode, "accounting.mode")
GIVES_UINT(nvmlDeviceGetAccountingBufferSize, "accounting.buffer")

GIVES_UINT(nvmlDeviceGetPowerUsage, "power.usage")
GIVES_UINT(nvmlDeviceGetPowerManagementMode, "power.mode")
GIVES_UINT(nvmlDeviceGetPowerManagementLimit, "power.limit")
GIVES_UINT(nvmlDeviceGetPowerManagementDefaultLimit, "power.default")
GIVES_UINT(nvmlDeviceGetEnforcedPowerLimit, "power.enforced")
GIVES_TWO(nvmlDeviceGetPowerManagementLimitConstraints, "power.min", "power.max")
GIVES_ULL(nvmlDeviceGetTotalEnergyConsumption, "energy")

GIVES_UINT(nvmlDeviceGetPerformanceState, "pstate")
GIVES_UINT(nvmlDeviceGetPowerState, "pstate")
GIVES_ULL(nvmlDeviceGetCurrentClocksEventReasons, "reasons")
GIVES_ULL(nvmlDeviceGetCurrentClocksThrottleReasons, "reasons")
GIVES_ULL(nvmlDeviceGetSupportedClocksEventReasons, "reasons.supported")
GIVES_ULL(nvmlDeviceGetSupportedClocksThrottleReasons, "reasons.supported")
GIVES_ONE_OF(nvmlDeviceGetClockInfo, unsigned int, "clock.graphics", "clock.sm", "clock.memory", "clock.video")
GIVES_ONE_OF(nvmlDeviceGetMaxClockInfo, unsigned int, "clock.max.graphics", "clock.max.sm", "clock.max.memory",
             "clock.max.video")
GIVES_ONE_OF(nvmlDeviceGetApplicationsClock, unsigned int, "clock.application.graphics", "clock.application.sm",
             "clock.application.memory", "clock.application.video")
GIVES_ONE_OF(nvmlDeviceGetDefaultApplicationsClock, unsigned int, "clock.application.graphics", "clock.application.sm",
             "clock.application.memory", "clock.application.video")
GIVES_ONE_OF(nvmlDeviceGetMaxCustomerBoostClock, unsigned int, "clock.boost", "clock.boost", "clock.max.memory", NULL)

GIVES_UINT(nvmlDeviceGetFanSpeed, "fan.speed")
GIVES_UINT(nvmlDeviceGetNumFans, "fans")

GIVES_UINT(nvmlDeviceGetCurrPcieLinkGeneration, "pcie.generation")
GIVES_UINT(nvmlDeviceGetMaxPcieLinkGeneration, "pcie.generation.max")
GIVES_UINT(nvmlDeviceGetGpuMaxPcieLinkGeneration, "pcie.generation.max")
GIVES_UINT(nvmlDeviceGetCurrPcieLinkWidth, "pcie.width")
GIVES_UINT(nvmlDeviceGetMaxPcieLinkWidth, "pcie.width.max")
GIVES_UINT(nvmlDeviceGetPcieSpeed, "pcie.speed")
GIVES_UINT(nvmlDeviceGetPcieLinkMaxSpeed, "pcie.generation.max")
GIVES_UINT(nvmlDeviceGetPcieReplayCounter, "pcie.replays")

GIVES_ONE_OF(nvmlDeviceGetTemperature, unsigned int, "temperature.gpu")
GIVES_ONE_OF(nvmlDeviceGetTemperatureThreshold, unsigned int, "temperature.shutdown", "temperature.slowdown",
             "temperature.memory_max", "temperature.gpu_max", NULL, NULL, NULL, NULL)

/* Blocks as the real one does: a monitor must not call it. */
EXPORT nvmlReturn_t nvmlDeviceGetPcieThroughput(nvmlDevice_t device, unsigned int counter, unsigned int *value)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    sleep_milliseconds(PCIE_THROUGHPUT_MILLISECONDS);
    return counter > 1 ? NVML_ERROR_INVALID_ARGUMENT : give_uint(&call, "pcie.throughput", NO_SCOPE, value);
}

EXPORT nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_v1_t *temperature)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (!temperature || temperature->sensorType != 0)
        return NVML_ERROR_INVALID_ARGUMENT;
    code = check_version(&call, temperature->version, STRUCT_VERSION(*temperature, 1));
    return code == NVML_SUCCESS ? give_int(&call, "temperature.gpu", NO_SCOPE, &temperature->temperature) : code;
}

EXPORT nvmlReturn_t nvmlDeviceGetMarginTemperature(nvmlDevice_t device, nvmlMarginTemperature_v1_t *margin)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (!margin)
        return NVML_ERROR_INVALID_ARGUMENT;
    code = check_version(&call, margin->version, STRUCT_VERSION(*margin, 1));
    return code == NVML_SUCCESS ? give_int(&call, "temperature.margin", NO_SCOPE, &margin->marginTemperature) : code;
}

EXPORT nvmlReturn_t nvmlDeviceGetClock(nvmlDevice_t device, unsigned int type, unsigned int id, unsigned int *value)
{
    static const char *const keys[4][4] = {
        {"clock.graphics", "clock.application.graphics", "clock.application.graphics", "clock.boost"},
        {"clock.sm", "clock.application.sm", "clock.application.sm", "clock.boost"},
        {"clock.memory", "clock.application.memory", "clock.application.memory", "clock.max.memory"},
        {"clock.video", "clock.application.video", "clock.application.video", "clock.max.video"},
    };
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    return type > 3 || id > 3 ? NVML_ERROR_INVALID_ARGUMENT : give_uint(&call, keys[type][id], NO_SCOPE, value);
}

EXPORT nvmlReturn_t nvmlDeviceGetViolationStatus(nvmlDevice_t device, unsigned int policy, nvmlViolationTime_t *time)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (!time || policy > 11)
        return NVML_ERROR_INVALID_ARGUMENT;
    time->referenceTime = unix_microseconds();
    return give_ull(&call, "violation", (int)policy, &time->violationTime);
}

EXPORT nvmlReturn_t nvmlDeviceGetFanSpeed_v2(nvmlDevice_t device, unsigned int fan, unsigned int *speed)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (fan >= script_integer(call.script, call.at, "fans", 0))
        return NVML_ERROR_INVALID_ARGUMENT;
    return give_uint(&call, "fan.speed", (int)fan, speed);
}

EXPORT nvmlReturn_t nvmlDeviceGetFanSpeedRPM(nvmlDevice_t device, nvmlFanSpeedInfo_v1_t *info)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (!info)
        return NVML_ERROR_INVALID_ARGUMENT;
    code = check_version(&call, info->version, STRUCT_VERSION(*info, 1));
    return code == NVML_SUCCESS ? give_uint(&call, "fan.rpm", (int)info->fan, &info->speed) : code;
}

/* ---- utilization: refused where the GPU is partitioned ---- */

EXPORT nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *rates)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (!rates)
        return NVML_ERROR_INVALID_ARGUMENT;
    code = refuse_mig(&call);
    if (code == NVML_SUCCESS)
        code = give_uint(&call, "utilization.gpu", NO_SCOPE, &rates->gpu);
    return code == NVML_SUCCESS ? give_uint(&call, "utilization.memory", NO_SCOPE, &rates->memory) : code;
}

#define GIVES_ENGINE(function, key)                                                                                    \
    EXPORT nvmlReturn_t function(nvmlDevice_t device, unsigned int *percent, unsigned int *period)                     \
    {                                                                                                                  \
        DEVICE_CALL(device, WHOLE_GPU_ONLY);                                                                           \
        code = refuse_mig(&call);                                                                                      \
        if (code == NVML_SUCCESS)                                                                                      \
            code = give_uint(&call, key, NO_SCOPE, percent);                                                           \
        return code == NVML_SUCCESS ? give_uint(&call, "utilization.period", NO_SCOPE, period) : code;                 \
    }

GIVES_ENGINE(nvmlDeviceGetEncoderUtilization, "utilization.encoder")
GIVES_ENGINE(nvmlDeviceGetDecoderUtilization, "utilization.decoder")
GIVES_ENGINE(nvmlDeviceGetJpgUtilization, "utilization.jpeg")
GIVES_ENGINE(nvmlDeviceGetOfaUtilization, "utilization.ofa")

/* ---- memory ---- */

static nvmlReturn_t read_memory(const struct call *call, nvmlMemory_v2_t *memory)
{
    nvmlReturn_t code = give_ull(call, "memory.total", NO_SCOPE, &memory->total);
    if (code == NVML_SUCCESS)
        code = give_ull(call, "memory.reserved", NO_SCOPE, &memory->reserved);
    if (code == NVML_SUCCESS)
        code = give_ull(call, "memory.used", NO_SCOPE, &memory->used);
    if (code == NVML_SUCCESS && give_ull(call, "memory.free", NO_SCOPE, &memory->free) != NVML_SUCCESS)
        memory->free = memory->total - memory->reserved - memory->used;
    return code;
}

EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
    DEVICE_CALL(device, MIG_TOO);
    if (!memory)
        return NVML_ERROR_INVALID_ARGUMENT;
    code = check_version(&call, memory->version, STRUCT_VERSION(*memory, 2));
    return code == NVML_SUCCESS ? read_memory(&call, memory) : code;
}

/* The first version counts what is reserved as used. */
EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    DEVICE_CALL(device, MIG_TOO);
    nvmlMemory_v2_t now;
    if (!memory)
        return NVML_ERROR_INVALID_ARGUMENT;
    code = read_memory(&call, &now);
    if (code == NVML_SUCCESS)
        *memory = (nvmlMemory_t){.total = now.total, .free = now.free, .used = now.used + now.reserved};
    return code;
}

EXPORT nvmlReturn_t nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t device, nvmlBAR1Memory_t *memory)
{
    DEVICE_CALL(device, MIG_TOO);
    if (!memory)
        return NVML_ERROR_INVALID_ARGUMENT;
    code = give_ull(&call, "bar1.total", NO_SCOPE, &memory->bar1Total);
    if (code == NVML_SUCCESS)
        code = give_ull(&call, "bar1.used", NO_SCOPE, &memory->bar1Used);
    if (code == NVML_SUCCESS && give_ull(&call, "bar1.free", NO_SCOPE, &memory->bar1Free) != NVML_SUCCESS)
        memory->bar1Free = memory->bar1Total - memory->bar1Used;
    return code;
}
