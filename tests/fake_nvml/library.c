/* Init, shutdown, error texts and what is asked of the system. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call.h"

static pthread_mutex_t initializing = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int initialized;
static int held = -1;

int is_initialized(void)
{
    return atomic_load(&initialized) > 0;
}

/* Opens the stand-in for a device node, as the driver's library keeps /dev/nvidiactl open. */
static nvmlReturn_t hold(const struct call *call)
{
    const char *path = script_value(call->script, call->at, "hold", NO_SCOPE);
    if (!path || !*path)
        return NVML_SUCCESS;
    held = open(path, O_RDONLY | O_CLOEXEC);
    if (held >= 0)
        return NVML_SUCCESS;
    return errno == EACCES ? NVML_ERROR_NO_PERMISSION : NVML_ERROR_DRIVER_NOT_LOADED;
}

/* The three symbols are one call to the script: nvmlInit_v2. */
static nvmlReturn_t initialize(struct symbol *asked)
{
    static struct symbol init = {.name = "nvmlInit_v2"};
    struct call call;
    if (strcmp(asked->name, init.name) != 0)
        record_call(asked);
    nvmlReturn_t code = begin_uninitialized(&call, &init);
    if (code != NVML_SUCCESS)
        return code;
    pthread_mutex_lock(&initializing);
    if (!is_initialized())
        code = hold(&call);
    if (code == NVML_SUCCESS)
        atomic_fetch_add(&initialized, 1);
    pthread_mutex_unlock(&initializing);
    return code;
}

EXPORT nvmlReturn_t nvmlInit(void)
{
    static struct symbol symbol = {.name = __func__};
    return initialize(&symbol);
}

EXPORT nvmlReturn_t nvmlInit_v2(void)
{
    static struct symbol symbol = {.name = __func__};
    return initialize(&symbol);
}

EXPORT nvmlReturn_t nvmlInitWithFlags(unsigned int flags)
{
    static struct symbol symbol = {.name = __func__};
    (void)flags;
    return initialize(&symbol);
}

EXPORT nvmlReturn_t nvmlShutdown(void)
{
    SYSTEM_CALL();
    pthread_mutex_lock(&initializing);
    if (atomic_fetch_sub(&initialized, 1) == 1 && held >= 0) {
        close(held);
        held = -1;
    }
    pthread_mutex_unlock(&initializing);
    return NVML_SUCCESS;
}

EXPORT const char *nvmlErrorString(nvmlReturn_t result)
{
    static const char *const texts[] = {
        "Success", "Uninitialized", "Invalid Argument", "Not Supported", "Insufficient Permissions", "Already Initialized",
        "Not Found", "Insufficient Size", "Insufficient External Power", "Driver Not Loaded", "Timeout",
        "Interrupt Request Issue", "NVML Shared Library Not Found", "Function Not Found", "Corrupted infoROM", "GPU is lost",
        "GPU requires restart", "The operating system has blocked the request.",
        "RM has detected an NVML/RM version mismatch.", "GPU is currently in use", "Insufficient Memory", "No data",
        "Operation not allowed on vGPU", "Insufficient Resources", "Frequency Not Supported", "Argument Version Mismatch",
        "Deprecated", "Not Ready", "GPU Not Found", "Invalid State", "Reset Type Not Supported",
    };
    int is_known = result >= 0 && result < (nvmlReturn_t)(sizeof texts / sizeof *texts);
    return is_known ? texts[result] : "Unknown Error";
}

EXPORT nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
    SYSTEM_CALL();
    return give_text(&call, "driver", NO_SCOPE, version, length);
}

EXPORT nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length)
{
    static struct symbol symbol = {.name = __func__};
    struct call call;
    nvmlReturn_t code = begin_uninitialized(&call, &symbol);
    return code == NVML_SUCCESS ? give_text(&call, "nvml", NO_SCOPE, version, length) : code;
}

EXPORT nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version)
{
    static struct symbol symbol = {.name = __func__};
    struct call call;
    nvmlReturn_t code = begin_uninitialized(&call, &symbol);
    return code == NVML_SUCCESS ? give_int(&call, "cuda", NO_SCOPE, version) : code;
}

EXPORT nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    static struct symbol symbol = {.name = __func__};
    struct call call;
    nvmlReturn_t code = begin_uninitialized(&call, &symbol);
    return code == NVML_SUCCESS ? give_int(&call, "cuda", NO_SCOPE, version) : code;
}

EXPORT nvmlReturn_t nvmlSystemGetDriverBranch(nvmlSystemDriverBranchInfo_v1_t *info, unsigned int length)
{
    SYSTEM_CALL();
    if (!info)
        return NVML_ERROR_INVALID_ARGUMENT;
    code = check_version(&call, info->version, STRUCT_VERSION(*info, 1));
    return code == NVML_SUCCESS ? give_text(&call, "branch", NO_SCOPE, info->branch, length) : code;
}

EXPORT nvmlReturn_t nvmlSystemGetProcessName(unsigned int pid, char *name, unsigned int length)
{
    SYSTEM_CALL();
    (void)pid;
    return give_text(&call, "process.name", NO_SCOPE, name, length);
}

EXPORT nvmlReturn_t nvmlSystemGetConfComputeState(nvmlConfComputeSystemState_t *state)
{
    SYSTEM_CALL();
    if (!state)
        return NVML_ERROR_INVALID_ARGUMENT;
    state->environment = state->devToolsMode = 0;
    return give_uint(&call, "cc.feature", NO_SCOPE, &state->ccFeature);
}

EXPORT nvmlReturn_t nvmlSystemGetConfComputeSettings(nvmlSystemConfComputeSettings_v1_t *settings)
{
    SYSTEM_CALL();
    if (!settings)
        return NVML_ERROR_INVALID_ARGUMENT;
    code = check_version(&call, settings->version, STRUCT_VERSION(*settings, 1));
    if (code != NVML_SUCCESS)
        return code;
    settings->environment = settings->devToolsMode = 0;
    code = give_uint(&call, "cc.multi_gpu", NO_SCOPE, &settings->multiGpuMode);
    return code == NVML_SUCCESS ? give_uint(&call, "cc.feature", NO_SCOPE, &settings->ccFeature) : code;
}

EXPORT nvmlReturn_t nvmlSystemGetConfComputeGpusReadyState(unsigned int *is_ready)
{
    SYSTEM_CALL();
    return give_uint(&call, "cc.ready", NO_SCOPE, is_ready);
}
