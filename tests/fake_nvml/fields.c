/* nvmlDeviceGetFieldValues: many values in one call, each with a type and a return code of its own. */

#include <stdio.h>
#include <string.h>

#include "call.h"

/* What a field id reads, and as what. CALLERS_SCOPE: the caller's scope says of which link, all ones of all. */
struct field {
    unsigned int id;
    nvmlValueType_t type;
    const char *key;
    int scope;
};

enum { CALLERS_SCOPE = -2 };

static const struct field FIELDS[] = {
    {1, VALUE_UINT, "ecc.mode", NO_SCOPE},
    {2, VALUE_UINT, "ecc.mode.pending", NO_SCOPE},
    {3, VALUE_ULL, "ecc.corrected.volatile", NO_SCOPE},
    {4, VALUE_ULL, "ecc.uncorrected.volatile", NO_SCOPE},
    {5, VALUE_ULL, "ecc.corrected.aggregate", NO_SCOPE},
    {6, VALUE_ULL, "ecc.uncorrected.aggregate", NO_SCOPE},
    {11, VALUE_ULL, "ecc.corrected.volatile.at", 2},
    {12, VALUE_ULL, "ecc.uncorrected.volatile.at", 2},
    {22, VALUE_ULL, "ecc.corrected.aggregate.at", 2},
    {23, VALUE_ULL, "ecc.uncorrected.aggregate.at", 2},
    {29, VALUE_ULL, "retired", 0},
    {30, VALUE_ULL, "retired", 1},
    {31, VALUE_ULL, "retired.pending", NO_SCOPE},
    {74, VALUE_ULL, "violation", 0},
    {75, VALUE_ULL, "violation", 1},
    {76, VALUE_ULL, "violation", 2},
    {77, VALUE_ULL, "violation", 3},
    {78, VALUE_ULL, "violation", 4},
    {79, VALUE_ULL, "violation", 5},
    {80, VALUE_ULL, "violation", 10},
    {81, VALUE_ULL, "violation", 11},
    {82, VALUE_UINT, "temperature.memory", NO_SCOPE},
    {83, VALUE_ULL, "energy", NO_SCOPE},
    {90, VALUE_UINT, "nvlink.speed", NO_SCOPE},
    {91, VALUE_UINT, "nvlink.count", NO_SCOPE},
    {94, VALUE_UINT, "pcie.replays", NO_SCOPE},
    {95, VALUE_UINT, "pcie.replay_rollovers", NO_SCOPE},
    {138, VALUE_ULL, "nvlink.tx", CALLERS_SCOPE},
    {139, VALUE_ULL, "nvlink.rx", CALLERS_SCOPE},
    {140, VALUE_ULL, "nvlink.raw_tx", CALLERS_SCOPE},
    {141, VALUE_ULL, "nvlink.raw_rx", CALLERS_SCOPE},
    {142, VALUE_UINT, "remapped.corrected", NO_SCOPE},
    {143, VALUE_UINT, "remapped.uncorrected", NO_SCOPE},
    {144, VALUE_UINT, "remapped.pending", NO_SCOPE},
    {145, VALUE_UINT, "remapped.failure", NO_SCOPE},
    {146, VALUE_UINT, "nvlink.remote.link", CALLERS_SCOPE},
    {147, VALUE_UINT, "nvlink.switch_links", NO_SCOPE},
    {161, VALUE_ULL, "nvlink.errors.replay", CALLERS_SCOPE},
    {162, VALUE_ULL, "nvlink.errors.recovery", CALLERS_SCOPE},
    {163, VALUE_ULL, "nvlink.errors.crc", CALLERS_SCOPE},
    {164, VALUE_UINT, "nvlink.speed", CALLERS_SCOPE},
    {165, VALUE_UINT, "nvlink.state", CALLERS_SCOPE},
    {166, VALUE_UINT, "nvlink.version", CALLERS_SCOPE},
    {167, VALUE_UINT, "nvlink.power_state", CALLERS_SCOPE},
    {170, VALUE_UINT, "c2c.links", NO_SCOPE},
    {173, VALUE_ULL, "pcie.errors", 173},
    {174, VALUE_ULL, "pcie.errors", 174},
    {175, VALUE_ULL, "pcie.errors", 175},
    {176, VALUE_ULL, "pcie.errors", 176},
    {177, VALUE_ULL, "pcie.errors", 177},
    {178, VALUE_ULL, "pcie.errors", 178},
    {179, VALUE_ULL, "pcie.errors", 179},
    {180, VALUE_ULL, "pcie.errors", 180},
    {181, VALUE_ULL, "pcie.errors", 181},
    {182, VALUE_ULL, "pcie.errors", 182},
    {183, VALUE_ULL, "pcie.errors", 183},
    {185, VALUE_UINT, "power.average", NO_SCOPE},
    {186, VALUE_UINT, "power.instant", NO_SCOPE},
    {187, VALUE_UINT, "power.min", NO_SCOPE},
    {188, VALUE_UINT, "power.max", NO_SCOPE},
    {189, VALUE_UINT, "power.default", NO_SCOPE},
    {190, VALUE_UINT, "power.limit", NO_SCOPE},
    {191, VALUE_ULL, "energy", NO_SCOPE},
    {192, VALUE_UINT, "power.limit", NO_SCOPE},
    {193, VALUE_INT, "tlimit.shutdown", NO_SCOPE},
    {194, VALUE_INT, "tlimit.slowdown", NO_SCOPE},
    {195, VALUE_INT, "tlimit.memory_max", NO_SCOPE},
    {196, VALUE_INT, "tlimit.gpu_max", NO_SCOPE},
    {197, VALUE_ULL, "pcie.tx", NO_SCOPE},
    {198, VALUE_ULL, "pcie.rx", NO_SCOPE},
    {226, VALUE_UINT, "reset_status", NO_SCOPE},
    {230, VALUE_UINT, "recovery", NO_SCOPE},
};

static const struct field *find_field(unsigned int id)
{
    for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++)
        if (FIELDS[i].id == id)
            return &FIELDS[i];
    return NULL;
}

static void store(nvmlFieldValue_t *into, const struct number *number)
{
    switch (into->valueType) {
    case VALUE_DOUBLE: into->value.dVal = number->real; break;
    case VALUE_UINT: into->value.uiVal = (unsigned int)number->integer; break;
    case VALUE_ULONG: into->value.ulVal = (unsigned long)number->integer; break;
    case VALUE_SLL: into->value.sllVal = (signed long long)number->integer; break;
    case VALUE_INT: into->value.siVal = (int)number->integer; break;
    case VALUE_USHORT: into->value.usVal = (unsigned short)number->integer; break;
    default: into->value.ullVal = number->integer;
    }
}

/* The script's word on this field id, else what the field stands for. */
static nvmlReturn_t read_field(const struct call *call, const struct field *field, const nvmlFieldValue_t *wanted,
                               struct number *number)
{
    char key[KEY_BYTES];
    snprintf(key, sizeof key, "field %u", wanted->fieldId);
    const char *value = script_value(call->script, call->at, key, (int)wanted->scopeId);
    if (value)
        return script_evaluate(call->script, call->at, value, number);
    if (wanted->fieldId > script_integer(call->script, call->at, "field.newest", 0))
        return NVML_ERROR_INVALID_ARGUMENT;
    if (!field)
        return NVML_ERROR_NOT_SUPPORTED;
    int is_of_link = field->scope == CALLERS_SCOPE;
    nvmlReturn_t code = NVML_SUCCESS;
    if (is_of_link && wanted->scopeId != UINT32_MAX)
        code = check_link(call, wanted->scopeId);
    if (strncmp(field->key, "nvlink.", 7) == 0 || strncmp(field->key, "remapped.", 9) == 0)
        code = code == NVML_SUCCESS ? refuse_mig(call) : code;
    if (code != NVML_SUCCESS)
        return code;
    return script_number(call->script, call->at, field->key, is_of_link ? (int)wanted->scopeId : field->scope, number);
}

static void fill(const struct call *call, nvmlFieldValue_t *value)
{
    char key[KEY_BYTES];
    struct number number;
    const struct field *field = find_field(value->fieldId);
    snprintf(key, sizeof key, "fieldtype %u", value->fieldId);
    value->timestamp = (int64_t)unix_microseconds();
    value->latencyUsec = 1;
    value->nvmlReturn = (unsigned int)read_field(call, field, value, &number);
    if (value->nvmlReturn != NVML_SUCCESS)
        return;
    value->valueType = (unsigned int)script_integer(call->script, call->at, key, field ? field->type : VALUE_ULL);
    store(value, &number);
}

EXPORT nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *values)
{
    DEVICE_CALL(device, WHOLE_GPU_ONLY);
    if (count <= 0 || !values)
        return NVML_ERROR_INVALID_ARGUMENT;
    for (int i = 0; i < count; i++)
        fill(&call, &values[i]);
    return NVML_SUCCESS;
}
