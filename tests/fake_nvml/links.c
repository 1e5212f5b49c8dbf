/* NVLink, the fabric, and how two GPUs are joined. */

#include <stdio.h>
#include <string.h>

#include "call.h"

enum { TOPOLOGY_INTERNAL = 0, TOPOLOGY_NODE = 40, TOPOLOGY_SYSTEM = 50, P2P_NVLINK = 2, P2P_INDEXES = 5, CAPABILITIES = 6 };

#define GIVES_LINK(function, key)                                                                                      \
    EXPORT nvmlReturn_t function(nvmlDevice_t device, unsigned int link, unsigned int *value)                          \
    {                                                                                                                  \
        DEVICE_CALL(device, WHOLE_GPU_ONLY);                                                                           \
        code = check_link(&call, link);                                                                                \
        return code == NVML_SUCCESS ? give_uint(&call, key, (int)link, value) : code;                                  \
    }

GIVES_LINK(nvmlDeviceGetNvLinkState, "nvlink.state")
GIVES_LINK(nvmlDeviceGetNvLinkVersion, "nvlink.version")
GIVES_LINK(nvmlDeviceGetNvLinkRemoteDeviceType, "nvlink.remote.type")

EXPORT nvmlReturn_t nvmlDeviceGetNvLinkCapability(nvmlDevice_t device, unsigned int link, unsigned int capability,
                                                  unsigned int *value)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    code = capability < CAPABILITIES ? check_link(&call, link) : NVML_ERROR_INVALID_ARGUMENT;
    return code == NVML_SUCCESS ? give_uint(&call, "nvlink.capability", (int)link, value) : code;
}

EXPORT nvmlReturn_t nvmlDeviceGetNvLinkErrorCounter(nvmlDevice_t device, unsigned int link, unsigned int counter,
                                                    unsigned long long *value)
{
    static const char *const keys[] = {"nvlink.errors.replay", "nvlink.errors.recovery", "nvlink.errors.crc",
                                       "nvlink.errors.crc_data", "nvlink.errors.ecc"};
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    code = counter < sizeof keys / sizeof *keys ? check_link(&call, link) : NVML_ERROR_INVALID_ARGUMENT;
    return code == NVML_SUCCESS ? give_ull(&call, keys[counter], (int)link, value) : code;
}

/* ---- the fabric ---- */

static nvmlReturn_t read_fabric(const struct call *call, nvmlGpuFabricInfo_v3_t *info)
{
    char cluster[64];
    unsigned int summary = 0;
    const struct {
        const char *key;
        unsigned int *into;
    } rows[] = {
        {"fabric.status", &info->status},      {"fabric.clique", &info->cliqueId}, {"fabric.state", &info->state},
        {"fabric.health", &info->healthMask}, {"fabric.summary", &summary},
    };
    nvmlReturn_t code = give_text(call, "fabric.cluster", NO_SCOPE, cluster, sizeof cluster);
    for (size_t i = 0; code == NVML_SUCCESS && i < sizeof rows / sizeof *rows; i++)
        code = give_uint(call, rows[i].key, NO_SCOPE, rows[i].into);
    info->healthSummary = (unsigned char)summary;
    const char *digits = cluster;
    for (int i = 0; code == NVML_SUCCESS && i < GPU_FABRIC_UUID_BYTES; i++, digits += 2) {
        digits += *digits == '-';
        if (sscanf(digits, "%2hhx", &info->clusterUuid[i]) != 1)
            refuse("a UUID was expected", cluster, 0);
    }
    return code;
}

/* The first version has no `version` in front. */
EXPORT nvmlReturn_t nvmlDeviceGetGpuFabricInfo(nvmlDevice_t device, nvmlGpuFabricInfo_t *info)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    nvmlGpuFabricInfo_v3_t now;
    if (!info)
        return NVML_ERROR_INVALID_ARGUMENT;
    code = read_fabric(&call, &now);
    if (code == NVML_SUCCESS)
        memcpy(info, &now.clusterUuid, sizeof *info);
    return code;
}

EXPORT nvmlReturn_t nvmlDeviceGetGpuFabricInfoV(nvmlDevice_t device, nvmlGpuFabricInfo_v3_t *info)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    nvmlGpuFabricInfo_v3_t now;
    if (!info)
        return NVML_ERROR_INVALID_ARGUMENT;
    int is_v3 = info->version == STRUCT_VERSION(nvmlGpuFabricInfo_v3_t, 3);
    code = check_version(&call, info->version,
                         is_v3 ? STRUCT_VERSION(nvmlGpuFabricInfo_v3_t, 3) : STRUCT_VERSION(nvmlGpuFabricInfo_v2_t, 2));
    if (code == NVML_SUCCESS)
        code = read_fabric(&call, &now);
    if (code != NVML_SUCCESS)
        return code;
    now.version = info->version;
    memcpy(info, &now, is_v3 ? sizeof(nvmlGpuFabricInfo_v3_t) : sizeof(nvmlGpuFabricInfo_v2_t));
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetC2cModeInfoV(nvmlDevice_t device, unsigned int *is_enabled)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    return give_uint(&call, "c2c.enabled", NO_SCOPE, is_enabled);
}

/* ---- two GPUs ---- */

/* As the cables of the machine lie: half of the GPUs at each processor. */
static unsigned int level_between(const struct call *call, int other)
{
    int64_t count = script_integer(call->script, call->at, "count", 1);
    if (other == call->at.gpu)
        return TOPOLOGY_INTERNAL;
    return (call->at.gpu * 2 >= count) == (other * 2 >= count) ? TOPOLOGY_NODE : TOPOLOGY_SYSTEM;
}

EXPORT nvmlReturn_t nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t device, nvmlDevice_t other, unsigned int *level)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    struct place at;
    if (!place_of(other, &at) || !is_there(call.script, at.gpu))
        return NVML_ERROR_INVALID_ARGUMENT;
    code = give_uint(&call, "topology", at.gpu, level);
    if (code == NVML_ERROR_NOT_SUPPORTED) {
        *level = level_between(&call, at.gpu);
        code = NVML_SUCCESS;
    }
    return code;
}

EXPORT nvmlReturn_t nvmlDeviceGetP2PStatus(nvmlDevice_t device, nvmlDevice_t other, unsigned int index, unsigned int *status)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    struct place at;
    if (!place_of(other, &at) || !is_there(call.script, at.gpu) || index >= P2P_INDEXES)
        return NVML_ERROR_INVALID_ARGUMENT;
    return give_uint(&call, index == P2P_NVLINK ? "p2p.nvlink" : "p2p", at.gpu, status);
}

EXPORT nvmlReturn_t nvmlDeviceOnSameBoard(nvmlDevice_t device, nvmlDevice_t other, int *is_same)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (!is_same)
        return NVML_ERROR_INVALID_ARGUMENT;
    *is_same = device == other;
    return NVML_SUCCESS;
}
