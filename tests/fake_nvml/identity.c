/* What a device is: handles, names, PCI address, affinity, MIG. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"

enum { CPUS_PER_NODE = 56, UUID_BUFFER = 96 };

EXPORT nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count)
{
    SYSTEM_CALL();
    if (!count)
        return NVML_ERROR_INVALID_ARGUMENT;
    *count = (unsigned int)gpu_count(call.script);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
    SYSTEM_CALL();
    int gpu = gpu_at_index(call.script, index);
    if (!device || gpu < 0)
        return NVML_ERROR_INVALID_ARGUMENT;
    *device = handle_of((struct place){gpu, WHOLE_GPU});
    return scripted_result(&call, gpu);
}

/* The first device whose text of `key` is `wanted`, MIG devices too. */
static nvmlReturn_t find_device(struct call *call, const char *key, const char *wanted, int slots, nvmlDevice_t *device)
{
    char text[UUID_BUFFER];
    if (!wanted || !device)
        return NVML_ERROR_INVALID_ARGUMENT;
    for (int gpu = 0; gpu < MAX_GPUS; gpu++) {
        for (int slot = -1; slot < slots && is_there(call->script, gpu); slot++) {
            call->at = (struct place){gpu, slot < 0 ? WHOLE_GPU : slot};
            if (slot >= 0 && !has_instance(call->script, call->at))
                continue;
            if (give_text(call, key, NO_SCOPE, text, sizeof text) != NVML_SUCCESS || strcasecmp(text, wanted) != 0)
                continue;
            *device = handle_of(call->at);
            return scripted_result(call, gpu);
        }
    }
    return NVML_ERROR_NOT_FOUND;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
    SYSTEM_CALL();
    return find_device(&call, "uuid", uuid, MAX_SLOTS, device);
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByUUIDV(const nvmlUUID_v1_t *uuid, nvmlDevice_t *device)
{
    SYSTEM_CALL();
    if (!uuid || uuid->type != 1)
        return NVML_ERROR_INVALID_ARGUMENT;
    code = check_version(&call, uuid->version, STRUCT_VERSION(*uuid, 1));
    return code == NVML_SUCCESS ? find_device(&call, "uuid", uuid->value.str, MAX_SLOTS, device) : code;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleBySerial(const char *serial, nvmlDevice_t *device)
{
    SYSTEM_CALL();
    return find_device(&call, "serial", serial, 0, device);
}

/* ---- PCI ---- */

static int parse_pci(const char *text, unsigned int *domain, unsigned int *bus, unsigned int *device)
{
    return sscanf(text, "%x:%x:%x", domain, bus, device) == 3;
}

/* From a text such as 00000000:18:00.0 in the value of `key`. */
static nvmlReturn_t give_pci(const struct call *call, const char *key, int scope, nvmlPciInfo_t *info)
{
    char text[DEVICE_PCI_BUS_ID_BUFFER];
    if (!info)
        return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t code = give_text(call, key, scope, text, sizeof text);
    if (code != NVML_SUCCESS)
        return code;
    memset(info, 0, sizeof *info);
    if (!parse_pci(text, &info->domain, &info->bus, &info->device))
        refuse("a PCI address was expected", text, 0);
    snprintf(info->busId, sizeof info->busId, "%08X:%02X:%02X.0", info->domain, info->bus, info->device);
    snprintf(info->busIdLegacy, sizeof info->busIdLegacy, "%04X:%02X:%02X.0", info->domain & 0xFFFF, info->bus & 0xFF,
             info->device & 0xFF);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *address, nvmlDevice_t *device)
{
    SYSTEM_CALL();
    nvmlPciInfo_t wanted, pci;
    if (!address || !device || !parse_pci(address, &wanted.domain, &wanted.bus, &wanted.device))
        return NVML_ERROR_INVALID_ARGUMENT;
    for (int gpu = 0; gpu < MAX_GPUS; gpu++) {
        call.at = (struct place){gpu, WHOLE_GPU};
        if (!is_there(call.script, gpu) || give_pci(&call, "pci.address", NO_SCOPE, &pci) != NVML_SUCCESS)
            continue;
        if (pci.domain == wanted.domain && pci.bus == wanted.bus && pci.device == wanted.device) {
            *device = handle_of(call.at);
            return scripted_result(&call, gpu);
        }
    }
    return NVML_ERROR_NOT_FOUND;
}

EXPORT nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *info)
{
    DEVICE_CALL(device, MIG_TOO);
    code = give_pci(&call, "pci.address", NO_SCOPE, info);
    if (code == NVML_SUCCESS)
        code = give_uint(&call, "pci.device", NO_SCOPE, &info->pciDeviceId);
    return code == NVML_SUCCESS ? give_uint(&call, "pci.subsystem", NO_SCOPE, &info->pciSubSystemId) : code;
}

EXPORT nvmlReturn_t nvmlDeviceGetPciInfoExt(nvmlDevice_t device, nvmlPciInfoExt_v1_t *info)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    nvmlPciInfo_t pci;
    if (!info)
        return NVML_ERROR_INVALID_ARGUMENT;
    code = check_version(&call, info->version, STRUCT_VERSION(*info, 1));
    if (code == NVML_SUCCESS)
        code = give_pci(&call, "pci.address", NO_SCOPE, &pci);
    if (code != NVML_SUCCESS)
        return code;
    info->domain = pci.domain;
    info->bus = pci.bus;
    info->device = pci.device;
    info->baseClass = 3;
    info->subClass = 2;
    memcpy(info->busId, pci.busId, sizeof info->busId);
    code = give_uint(&call, "pci.device", NO_SCOPE, &info->pciDeviceId);
    return code == NVML_SUCCESS ? give_uint(&call, "pci.subsystem", NO_SCOPE, &info->pciSubSystemId) : code;
}

EXPORT nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo_v2(nvmlDevice_t device, unsigned int link, nvmlPciInfo_t *info)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    code = check_link(&call, link);
    return code == NVML_SUCCESS ? give_pci(&call, "nvlink.remote.pci", (int)link, info) : code;
}

/* ---- texts ---- */

#define GIVES_TEXT(function, key, takes)                                                                               \
    EXPORT nvmlReturn_t function(nvmlDevice_t device, char *text, unsigned int length)                                 \
    {                                                                                                                  \
        DEVICE_CALL(device, takes);                                                                                    \
        return give_text(&call, key, NO_SCOPE, text, length);                                                          \
    }

GIVES_TEXT(nvmlDeviceGetUUID, "uuid", MIG_TOO)
GIVES_TEXT(nvmlDeviceGetSerial, "serial", WHOLE_GPU_ONLY)
GIVES_TEXT(nvmlDeviceGetBoardPartNumber, "board.part", WHOLE_GPU_ONLY)
GIVES_TEXT(nvmlDeviceGetVbiosVersion, "vbios", WHOLE_GPU_ONLY)
GIVES_TEXT(nvmlDeviceGetInforomImageVersion, "inforom.image", WHOLE_GPU_ONLY)

EXPORT nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length)
{
    DEVICE_CALL(device, MIG_TOO);
    code = give_text(&call, "name", NO_SCOPE, name, length);
    if (code != NVML_SUCCESS || call.at.slot == WHOLE_GPU)
        return code;
    size_t used = strlen(name);
    if (used + sizeof " MIG " > length)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(name + used, " MIG ");
    used = strlen(name);
    return give_text(&call, "profile", NO_SCOPE, name + used, length - (unsigned int)used);
}

EXPORT nvmlReturn_t nvmlDeviceGetInforomVersion(nvmlDevice_t device, unsigned int object, char *version, unsigned int length)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    return give_text(&call, "inforom", (int)object, version, length);
}

EXPORT nvmlReturn_t nvmlDeviceGetGspFirmwareVersion(nvmlDevice_t device, char *version)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    return give_text(&call, "gsp.version", NO_SCOPE, version, GSP_FIRMWARE_VERSION_BUFFER);
}

EXPORT nvmlReturn_t nvmlDeviceGetPlatformInfo(nvmlDevice_t device, nvmlPlatformInfo_v2_t *info)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    return info ? give_text(&call, "platform", NO_SCOPE, info->chassisSerialNumber, sizeof info->chassisSerialNumber)
                : NVML_ERROR_INVALID_ARGUMENT;
}

/* ---- numbers that follow from the GPU's place unless the script says ---- */

static nvmlReturn_t give_or(const struct call *call, const char *key, unsigned int otherwise, unsigned int *value)
{
    nvmlReturn_t code = give_uint(call, key, NO_SCOPE, value);
    if (code != NVML_ERROR_NOT_SUPPORTED)
        return code;
    *value = otherwise;
    return NVML_SUCCESS;
}

static unsigned int numa_node(const struct call *call)
{
    unsigned int node = 0;
    give_or(call, "numa.node", call->at.gpu * 2 >= script_integer(call->script, call->at, "count", 1), &node);
    return node;
}

EXPORT nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned int *minor)
{
    DEVICE_CALL(device, MIG_TOO);
    return give_or(&call, "minor", (unsigned int)call.at.gpu, minor);
}

EXPORT nvmlReturn_t nvmlDeviceGetBoardId(nvmlDevice_t device, unsigned int *id)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    return give_or(&call, "board.id", (unsigned int)(0x18 + 4 * call.at.gpu) << 8, id);
}

EXPORT nvmlReturn_t nvmlDeviceGetModuleId(nvmlDevice_t device, unsigned int *id)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    return give_or(&call, "module.id", (unsigned int)call.at.gpu + 1, id);
}

EXPORT nvmlReturn_t nvmlDeviceGetNumaNodeId(nvmlDevice_t device, int *node)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (!node)
        return NVML_ERROR_INVALID_ARGUMENT;
    *node = (int)numa_node(&call);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *index)
{
    DEVICE_CALL(device, MIG_TOO);
    if (!index)
        return NVML_ERROR_INVALID_ARGUMENT;
    *index = call.at.slot == WHOLE_GPU ? 0 : (unsigned int)call.at.slot;
    for (int gpu = 0; call.at.slot == WHOLE_GPU && gpu < call.at.gpu; gpu++)
        *index += (unsigned int)is_there(call.script, gpu);
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor)
{
    DEVICE_CALL(device, MIG_TOO);
    code = give_int(&call, "capability.major", NO_SCOPE, major);
    return code == NVML_SUCCESS ? give_int(&call, "capability.minor", NO_SCOPE, minor) : code;
}

/* "0-3,8" -> bits; the kernel's list of CPUs. */
static void set_cpus(const char *list, unsigned int words, unsigned long *set)
{
    unsigned int bits = 8 * (unsigned int)sizeof *set;
    memset(set, 0, words * sizeof *set);
    while (*list) {
        char *end;
        unsigned long first = strtoul(list, &end, 10), last = *end == '-' ? strtoul(end + 1, &end, 10) : first;
        for (unsigned long cpu = first; cpu <= last && cpu < (unsigned long)words * bits; cpu++)
            set[cpu / bits] |= 1UL << cpu % bits;
        list = *end == ',' ? end + 1 : "";
    }
}

static nvmlReturn_t give_cpus(const struct call *call, unsigned int words, unsigned long *set)
{
    char list[256];
    if (!set || !words)
        return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t code = give_text(call, "cpu.affinity", NO_SCOPE, list, sizeof list);
    if (code == NVML_ERROR_NOT_SUPPORTED) {
        unsigned int first = numa_node(call) * CPUS_PER_NODE, other = first + 2 * CPUS_PER_NODE;
        snprintf(list, sizeof list, "%u-%u,%u-%u", first, first + CPUS_PER_NODE - 1, other, other + CPUS_PER_NODE - 1);
        code = NVML_SUCCESS;
    }
    if (code == NVML_SUCCESS)
        set_cpus(list, words, set);
    return code;
}

EXPORT nvmlReturn_t nvmlDeviceGetCpuAffinity(nvmlDevice_t device, unsigned int words, unsigned long *set)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    return give_cpus(&call, words, set);
}

EXPORT nvmlReturn_t nvmlDeviceGetCpuAffinityWithinScope(nvmlDevice_t device, unsigned int words, unsigned long *set,
                                                        unsigned int scope)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    return scope > 1 ? NVML_ERROR_INVALID_ARGUMENT : give_cpus(&call, words, set);
}

/* The NUMA nodes whose memory is near: one. */
EXPORT nvmlReturn_t nvmlDeviceGetMemoryAffinity(nvmlDevice_t device, unsigned int words, unsigned long *set, unsigned int scope)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (!set || !words || scope > 1)
        return NVML_ERROR_INVALID_ARGUMENT;
    memset(set, 0, words * sizeof *set);
    set[0] = 1UL << numa_node(&call) % (8 * sizeof *set);
    return NVML_SUCCESS;
}
