/* ECC errors, retired pages, remapped rows: what a GPU says of its memory's health. */

#include <string.h>

#include "call.h"

enum { ERROR_TYPES = 2, COUNTER_TYPES = 2, LOCATIONS = 8, RETIREMENT_CAUSES = 2, PAGE_BYTES = 65536 };

GIVES_TWO(nvmlDeviceGetEccMode, "ecc.mode", "ecc.mode.pending")
GIVES_UINT(nvmlDeviceGetDefaultEccMode, "ecc.mode.default")
GIVES_UINT(nvmlDeviceGetRetiredPagesPendingStatus, "retired.pending")

EXPORT nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, unsigned int error, unsigned int counter,
                                                unsigned long long *count)
{
    static const char *const keys[ERROR_TYPES][COUNTER_TYPES] = {
        {"ecc.corrected.volatile", "ecc.corrected.aggregate"},
        {"ecc.uncorrected.volatile", "ecc.uncorrected.aggregate"},
    };
    DEVICE_CALL(device, MIG_TOO);
    if (error >= ERROR_TYPES || counter >= COUNTER_TYPES)
        return NVML_ERROR_INVALID_ARGUMENT;
    return give_ull(&call, keys[error][counter], NO_SCOPE, count);
}

static nvmlReturn_t errors_at(const struct call *call, unsigned int error, unsigned int counter, unsigned int location,
                              unsigned long long *count)
{
    static const char *const keys[ERROR_TYPES][COUNTER_TYPES] = {
        {"ecc.corrected.volatile.at", "ecc.corrected.aggregate.at"},
        {"ecc.uncorrected.volatile.at", "ecc.uncorrected.aggregate.at"},
    };
    if (error >= ERROR_TYPES || counter >= COUNTER_TYPES || location >= LOCATIONS)
        return NVML_ERROR_INVALID_ARGUMENT;
    return give_ull(call, keys[error][counter], (int)location, count);
}

EXPORT nvmlReturn_t nvmlDeviceGetMemoryErrorCounter(nvmlDevice_t device, unsigned int error, unsigned int counter,
                                                    unsigned int location, unsigned long long *count)
{
    DEVICE_CALL(device, MIG_TOO);
    return errors_at(&call, error, counter, location, count);
}

EXPORT nvmlReturn_t nvmlDeviceGetDetailedEccErrors(nvmlDevice_t device, unsigned int error, unsigned int counter,
                                                   nvmlEccErrorCounts_t *counts)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (!counts)
        return NVML_ERROR_INVALID_ARGUMENT;
    memset(counts, 0, sizeof *counts);
    return errors_at(&call, error, counter, 2, &counts->deviceMemory);
}

EXPORT nvmlReturn_t nvmlDeviceGetSramEccErrorStatus(nvmlDevice_t device, nvmlEccSramErrorStatus_v1_t *status)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (!status)
        return NVML_ERROR_INVALID_ARGUMENT;
    const struct {
        const char *key;
        unsigned long long *into;
    } rows[] = {
        {"sram.aggregate.parity", &status->aggregateUncParity},  {"sram.aggregate.secded", &status->aggregateUncSecDed},
        {"sram.aggregate.corrected", &status->aggregateCor},     {"sram.volatile.parity", &status->volatileUncParity},
        {"sram.volatile.secded", &status->volatileUncSecDed},    {"sram.volatile.corrected", &status->volatileCor},
        {"sram.bucket.l2", &status->aggregateUncBucketL2},       {"sram.bucket.sm", &status->aggregateUncBucketSm},
        {"sram.bucket.pcie", &status->aggregateUncBucketPcie},   {"sram.bucket.mcu", &status->aggregateUncBucketMcu},
        {"sram.bucket.other", &status->aggregateUncBucketOther},
    };
    code = check_version(&call, status->version, STRUCT_VERSION(*status, 1));
    for (size_t i = 0; code == NVML_SUCCESS && i < sizeof rows / sizeof *rows; i++)
        code = give_ull(&call, rows[i].key, NO_SCOPE, rows[i].into);
    return code == NVML_SUCCESS ? give_uint(&call, "sram.threshold_exceeded", NO_SCOPE, &status->bThresholdExceeded) : code;
}

/* ---- retired pages (before Ampere): as many as the script says, at made-up addresses ---- */

static nvmlReturn_t give_pages(const struct call *call, unsigned int cause, unsigned int *count, unsigned long long *addresses,
                               unsigned long long *times)
{
    unsigned int pages = 0, room = count ? *count : 0;
    if (!count || cause >= RETIREMENT_CAUSES)
        return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t code = give_uint(call, "retired", (int)cause, &pages);
    if (code != NVML_SUCCESS)
        return code;
    *count = pages;
    if (pages > room)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    for (unsigned int page = 0; addresses && page < pages; page++)
        addresses[page] = (unsigned long long)(page + 1) * PAGE_BYTES;
    for (unsigned int page = 0; times && page < pages; page++)
        times[page] = 1700000000 + page;
    return NVML_SUCCESS;
}

EXPORT nvmlReturn_t nvmlDeviceGetRetiredPages(nvmlDevice_t device, unsigned int cause, unsigned int *count,
                                              unsigned long long *addresses)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    return give_pages(&call, cause, count, addresses, NULL);
}

EXPORT nvmlReturn_t nvmlDeviceGetRetiredPages_v2(nvmlDevice_t device, unsigned int cause, unsigned int *count,
                                                 unsigned long long *addresses, unsigned long long *times)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    return give_pages(&call, cause, count, addresses, times);
}

/* ---- remapped rows (Ampere and later); a partitioned GPU refuses ---- */

struct uint_row {
    const char *key;
    unsigned int *into;
};

static nvmlReturn_t give_rows(const struct call *call, const struct uint_row *rows, size_t count)
{
    nvmlReturn_t code = refuse_mig(call);
    for (size_t i = 0; code == NVML_SUCCESS && i < count; i++)
        code = give_uint(call, rows[i].key, NO_SCOPE, rows[i].into);
    return code;
}

EXPORT nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int *corrected, unsigned int *uncorrected,
                                              unsigned int *is_pending, unsigned int *has_failed)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    const struct uint_row rows[] = {
        {"remapped.corrected", corrected},
        {"remapped.uncorrected", uncorrected},
        {"remapped.pending", is_pending},
        {"remapped.failure", has_failed},
    };
    return give_rows(&call, rows, sizeof rows / sizeof *rows);
}

EXPORT nvmlReturn_t nvmlDeviceGetRemappedRows_v2(nvmlDevice_t device, nvmlRemappedRowsInfo_v2_t *info)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (!info)
        return NVML_ERROR_INVALID_ARGUMENT;
    const struct uint_row rows[] = {
        {"remapped.corrected", &info->corrActiveRemaps},
        {"remapped.corrected.inactive", &info->corrInactiveRemaps},
        {"remapped.uncorrected", &info->uncActiveRemaps},
        {"remapped.uncorrected.inactive", &info->uncInactiveRemaps},
        {"remapped.pending", &info->bPending},
        {"remapped.failure", &info->bFailureOccurred},
    };
    return give_rows(&call, rows, sizeof rows / sizeof *rows);
}

EXPORT nvmlReturn_t nvmlDeviceGetRowRemapperHistogram(nvmlDevice_t device, nvmlRowRemapperHistogramValues_t *banks)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (!banks)
        return NVML_ERROR_INVALID_ARGUMENT;
    const struct uint_row rows[] = {
        {"remap.banks.max", &banks->max}, {"remap.banks.high", &banks->high}, {"remap.banks.partial", &banks->partial},
        {"remap.banks.low", &banks->low}, {"remap.banks.none", &banks->none},
    };
    return give_rows(&call, rows, sizeof rows / sizeof *rows);
}

EXPORT nvmlReturn_t nvmlDeviceGetRepairStatus(nvmlDevice_t device, nvmlRepairStatus_v1_t *status)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (!status)
        return NVML_ERROR_INVALID_ARGUMENT;
    code = check_version(&call, status->version, STRUCT_VERSION(*status, 1));
    if (code == NVML_SUCCESS)
        code = give_uint(&call, "repair.channel", NO_SCOPE, &status->bChannelRepairPending);
    return code == NVML_SUCCESS ? give_uint(&call, "repair.tpc", NO_SCOPE, &status->bTpcRepairPending) : code;
}
