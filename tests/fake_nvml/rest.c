/* What is seldom read, what such a GPU refuses, and the sizes of all structs for the test that compares them. */

#include <string.h>

#include "call.h"

enum { LICENSE_EXPIRY_NOT_AVAILABLE = 0 };

EXPORT nvmlReturn_t nvmlDeviceGetGridLicensableFeatures_v4(nvmlDevice_t device, nvmlGridLicensableFeatures_v4_t *features)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (!features)
        return NVML_ERROR_INVALID_ARGUMENT;
    memset(features, 0, sizeof *features);
    code = give_int(&call, "license.supported", NO_SCOPE, &features->isGridLicenseSupported);
    if (code != NVML_SUCCESS || !features->isGridLicenseSupported)
        return code;
    nvmlGridLicensableFeature_v4_t *feature = features->gridLicensableFeatures;
    features->licensableFeaturesCount = 1;
    feature->licenseExpiry.status = LICENSE_EXPIRY_NOT_AVAILABLE;
    code = give_text(&call, "license.info", NO_SCOPE, feature->licenseInfo, sizeof feature->licenseInfo);
    if (code == NVML_SUCCESS)
        code = give_text(&call, "license.product", NO_SCOPE, feature->productName, sizeof feature->productName);
    if (code == NVML_SUCCESS)
        code = give_uint(&call, "license.feature", NO_SCOPE, &feature->featureCode);
    if (code == NVML_SUCCESS)
        code = give_uint(&call, "license.state", NO_SCOPE, &feature->featureState);
    return code == NVML_SUCCESS ? give_uint(&call, "license.enabled", NO_SCOPE, &feature->featureEnabled) : code;
}

EXPORT nvmlReturn_t nvmlDeviceGetConfComputeMemSizeInfo(nvmlDevice_t device, nvmlConfComputeMemSizeInfo_t *size)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (!size)
        return NVML_ERROR_INVALID_ARGUMENT;
    code = give_ull(&call, "memory.total", NO_SCOPE, &size->unprotectedMemSizeKib);
    size->unprotectedMemSizeKib >>= 10;
    size->protectedMemSizeKib = 0;
    return code;
}

#define GIVES_VERSIONED(function, key)                                                                                 \
    EXPORT nvmlReturn_t function(nvmlDevice_t device, nvmlUintOfVersion_t *value)                                      \
    {                                                                                                                  \
        DEVICE_CALL(device, WHOLE_GPU_ONLY);                                                                           \
        if (!value)                                                                                                    \
            return NVML_ERROR_INVALID_ARGUMENT;                                                                        \
        code = check_version(&call, value->version, STRUCT_VERSION(*value, 1));                                        \
        return code == NVML_SUCCESS ? give_uint(&call, key, NO_SCOPE, &value->value) : code;                           \
    }

GIVES_VERSIONED(nvmlDeviceGetAddressingMode, "addressing_mode")
GIVES_VERSIONED(nvmlDeviceGetCapabilities, "capabilities")
GIVES_VERSIONED(nvmlDeviceGetUnrepairableMemoryFlag_v1, "unrepairable")

EXPORT nvmlReturn_t nvmlDeviceGetPdi(nvmlDevice_t device, nvmlPdi_v1_t *pdi)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (!pdi)
        return NVML_ERROR_INVALID_ARGUMENT;
    code = check_version(&call, pdi->version, STRUCT_VERSION(*pdi, 1));
    return code == NVML_SUCCESS ? give_ull(&call, "pdi", NO_SCOPE, &pdi->value) : code;
}

EXPORT nvmlReturn_t nvmlDeviceGetEncoderStats(nvmlDevice_t device, unsigned int *sessions, unsigned int *frames,
                                              unsigned int *latency)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (!sessions || !frames || !latency)
        return NVML_ERROR_INVALID_ARGUMENT;
    *sessions = *frames = *latency = 0;
    return NVML_SUCCESS;
}

/* The caller's other arguments are not looked at. */
#define REFUSES(function)                                                                                              \
    EXPORT nvmlReturn_t function(nvmlDevice_t device)                                                                  \
    {                                                                                                                  \
        DEVICE_CALL(device, WHOLE_GPU_ONLY);                                                                           \
        return NVML_ERROR_NOT_SUPPORTED;                                                                               \
    }

REFUSES(nvmlDeviceGetAccountingPids)
REFUSES(nvmlDeviceGetAccountingStats)
REFUSES(nvmlDeviceGetAutoBoostedClocksEnabled)
REFUSES(nvmlDeviceGetBridgeChipInfo)
REFUSES(nvmlDeviceGetDriverModel)
REFUSES(nvmlDeviceGetEncoderSessions)
REFUSES(nvmlDeviceGetGpuOperationMode)
REFUSES(nvmlDeviceGetHostVgpuMode)
REFUSES(nvmlDeviceGetNvLinkUtilizationCounter)
REFUSES(nvmlDeviceGetSamples)

/* ---- sizes ---- */

#define ROW(type) {#type, sizeof(type)}

static const struct {
    const char *name;
    size_t size;
} SIZES[] = {
    ROW(nvmlPciInfo_t),
    ROW(nvmlPciInfoExt_v1_t),
    ROW(nvmlMemory_t),
    ROW(nvmlMemory_v2_t),
    ROW(nvmlBAR1Memory_t),
    ROW(nvmlUtilization_t),
    ROW(nvmlTemperature_v1_t),
    ROW(nvmlMarginTemperature_v1_t),
    ROW(nvmlViolationTime_t),
    ROW(nvmlValue_t),
    ROW(nvmlFieldValue_t),
    ROW(nvmlProcessInfo_v2_t),
    ROW(nvmlProcessDetail_v1_t),
    ROW(nvmlProcessDetailList_v1_t),
    ROW(nvmlProcessUtilizationSample_t),
    ROW(nvmlProcessUtilizationInfo_v1_t),
    ROW(nvmlProcessesUtilizationInfo_v1_t),
    ROW(nvmlEccSramErrorStatus_v1_t),
    ROW(nvmlEccErrorCounts_t),
    ROW(nvmlRowRemapperHistogramValues_t),
    ROW(nvmlRemappedRowsInfo_v2_t),
    ROW(nvmlRepairStatus_v1_t),
    ROW(nvmlDeviceAttributes_t),
    ROW(nvmlConfComputeSystemState_t),
    ROW(nvmlSystemConfComputeSettings_v1_t),
    ROW(nvmlConfComputeMemSizeInfo_t),
    ROW(nvmlGpuFabricInfo_t),
    ROW(nvmlGpuFabricInfo_v2_t),
    ROW(nvmlGpuFabricInfo_v3_t),
    ROW(nvmlGridLicenseExpiry_t),
    ROW(nvmlGridLicensableFeature_v4_t),
    ROW(nvmlGridLicensableFeatures_v4_t),
    ROW(nvmlEventData_t),
    ROW(nvmlGpmMetric_t),
    ROW(nvmlGpmMetricsGet_t),
    ROW(nvmlGpmSupport_t),
    ROW(nvmlSystemDriverBranchInfo_v1_t),
    ROW(nvmlFanSpeedInfo_v1_t),
    ROW(nvmlPdi_v1_t),
    ROW(nvmlPlatformInfo_v2_t),
    ROW(nvmlUUID_v1_t),
};

/* Bytes of the struct; 0: no such struct here. */
EXPORT size_t fake_sizeof(const char *name)
{
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++)
        if (strcmp(SIZES[i].name, name) == 0)
            return SIZES[i].size;
    return 0;
}

/* The name of the nth struct; NULL after the last. */
EXPORT const char *fake_struct(unsigned int nth)
{
    return nth < sizeof SIZES / sizeof *SIZES ? SIZES[nth].name : NULL;
}
