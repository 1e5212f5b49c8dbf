"""What a GPU is asked, and into which field of `GpuReading` the answer goes. Source: nvml.h, "Device Queries".

Units are NVML's: percent, bytes, degrees Celsius, milliwatts, megahertz. Left out on purpose:
nvmlDeviceGetPcieThroughput, which blocks for 20 ms; the counters among the field values tell the same.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

from nodescope.devices.nvidia.child._pynvml import pynvml
from nodescope.devices.nvidia.child.calls import Calls
from nodescope.devices.nvidia.child.errors import INSUFFICIENT_SIZE, SUCCESS
from nodescope.devices.nvidia.child.query import Choice, Query, Values, struct, uints, versioned

GRAPHICS, SM, MEMORY, VIDEO = range(4)
"""nvmlClockType_t."""

GPU_SENSOR: Final = 0
PSTATE_UNKNOWN: Final = 32
LINK_UNKNOWN: Final = 0
NONE_SET: Final = 0
"""A limit, a threshold or a greatest clock of 0 is none."""

FABRIC_COMPLETED: Final = 3
MULTIPLE_SINGLE_BIT, DOUBLE_BIT = range(2)
"""nvmlPageRetirementCause_t."""

VGPU_LICENSE: Final = 1
UNREPAIRABLE_MEMORY_V1: Final = 0x1000008


class UnrepairableMemory(ctypes.Structure):
    """nvmlUnrepairableMemoryStatus_v1_t, which nvidia-ml-py has from 13.590 on."""

    _fields_ = (("version", ctypes.c_uint), ("unrepairableMemory", ctypes.c_uint))


FAST: Final[tuple[Choice, ...]] = (
    (
        struct(
            "nvmlDeviceGetUtilizationRates",
            pynvml.c_nvmlUtilization_t,
            utilization_percent="gpu",
            memory_utilization_percent="memory",
        ),
    ),
    (uints("nvmlDeviceGetEncoderUtilization", "encoder_utilization_percent", outputs=2),),
    (uints("nvmlDeviceGetDecoderUtilization", "decoder_utilization_percent", outputs=2),),
    (uints("nvmlDeviceGetJpgUtilization", "jpeg_utilization_percent", outputs=2),),
    (uints("nvmlDeviceGetOfaUtilization", "ofa_utilization_percent", outputs=2),),
    (
        struct(
            "nvmlDeviceGetTemperatureV",
            versioned(pynvml.c_nvmlTemperature_v1_t, pynvml.nvmlTemperature_v1, sensorType=GPU_SENSOR),
            temperature_celsius="temperature",
        ),
        uints("nvmlDeviceGetTemperature", "temperature_celsius", inputs=(GPU_SENSOR,)),
    ),
    (
        struct(
            "nvmlDeviceGetMarginTemperature",
            versioned(pynvml.c_nvmlMarginTemperature_v1_t, pynvml.nvmlMarginTemperature_v1),
            temperature_margin_celsius="marginTemperature",
        ),
    ),
    (uints("nvmlDeviceGetPowerUsage", "power_milliwatts"),),
    (uints("nvmlDeviceGetClockInfo", "clock_graphics_megahertz", inputs=(GRAPHICS,)),),
    (uints("nvmlDeviceGetClockInfo", "clock_sm_megahertz", inputs=(SM,)),),
    (uints("nvmlDeviceGetClockInfo", "clock_memory_megahertz", inputs=(MEMORY,)),),
    (uints("nvmlDeviceGetClockInfo", "clock_video_megahertz", inputs=(VIDEO,)),),
    (
        Query("nvmlDeviceGetCurrentClocksEventReasons", (("throttle_reasons", 0, "value"),), (ctypes.c_ulonglong,)),
        Query("nvmlDeviceGetCurrentClocksThrottleReasons", (("throttle_reasons", 0, "value"),), (ctypes.c_ulonglong,)),
    ),
    (uints("nvmlDeviceGetPerformanceState", "performance_state", unknown=PSTATE_UNKNOWN),),
    (uints("nvmlDeviceGetCurrPcieLinkGeneration", "pcie_generation", unknown=LINK_UNKNOWN),),
    (uints("nvmlDeviceGetCurrPcieLinkWidth", "pcie_width_lanes", unknown=LINK_UNKNOWN),),
)
"""Each cycle."""

MEMORY_INFO: Final[tuple[Choice, ...]] = (
    (
        struct(
            "nvmlDeviceGetMemoryInfo_v2",
            versioned(pynvml.c_nvmlMemory_v2_t, pynvml.nvmlMemory_v2),
            memory_total_bytes="total",
            memory_used_bytes="used",
            memory_free_bytes="free",
            memory_reserved_bytes="reserved",
        ),
        struct(
            "nvmlDeviceGetMemoryInfo",
            pynvml.c_nvmlMemory_t,
            memory_total_bytes="total",
            memory_used_bytes="used",
            memory_free_bytes="free",
        ),
    ),
)
"""Each cycle, of a GPU and of each GPU instance."""

BAR1: Final[tuple[Choice, ...]] = (
    (
        struct(
            "nvmlDeviceGetBAR1MemoryInfo",
            pynvml.c_nvmlBAR1Memory_t,
            bar1_total_bytes="bar1Total",
            bar1_used_bytes="bar1Used",
            bar1_free_bytes="bar1Free",
        ),
    ),
)
"""Seldom, of a GPU and of each GPU instance."""

SLOW: Final[tuple[Choice, ...]] = (
    *BAR1,
    (uints("nvmlDeviceGetPowerManagementLimit", "power_limit_milliwatts", unknown=NONE_SET),),
    (uints("nvmlDeviceGetEnforcedPowerLimit", "power_limit_enforced_milliwatts", unknown=NONE_SET),),
    (uints("nvmlDeviceGetPowerManagementDefaultLimit", "power_limit_default_milliwatts", unknown=NONE_SET),),
    (
        uints(
            "nvmlDeviceGetPowerManagementLimitConstraints",
            "power_limit_min_milliwatts",
            "power_limit_max_milliwatts",
            unknown=NONE_SET,
        ),
    ),
    (uints("nvmlDeviceGetTemperatureThreshold", "temperature_shutdown_celsius", inputs=(0,), unknown=NONE_SET),),
    (uints("nvmlDeviceGetTemperatureThreshold", "temperature_slowdown_celsius", inputs=(1,), unknown=NONE_SET),),
    (
        uints(
            "nvmlDeviceGetTemperatureThreshold",
            "memory_temperature_max_operating_celsius",
            inputs=(2,),
            unknown=NONE_SET,
        ),
    ),
    (uints("nvmlDeviceGetTemperatureThreshold", "temperature_max_operating_celsius", inputs=(3,), unknown=NONE_SET),),
    (
        uints(
            "nvmlDeviceGetApplicationsClock",
            "clock_application_graphics_megahertz",
            inputs=(GRAPHICS,),
            unknown=NONE_SET,
        ),
    ),
    (
        uints(
            "nvmlDeviceGetApplicationsClock", "clock_application_memory_megahertz", inputs=(MEMORY,), unknown=NONE_SET
        ),
    ),
    (
        uints("nvmlDeviceGetFanSpeed_v2", "fan_speed_percent", inputs=(0,)),
        uints("nvmlDeviceGetFanSpeed", "fan_speed_percent"),
    ),
    (uints("nvmlDeviceGetEccMode", "ecc_mode", "ecc_mode_pending"),),
    (uints("nvmlDeviceGetPersistenceMode", "persistence_mode"),),
    (uints("nvmlDeviceGetComputeMode", "compute_mode"),),
    (uints("nvmlDeviceGetMigMode", "mig_mode", "mig_mode_pending"),),
    (uints("nvmlDeviceGetRetiredPagesPendingStatus", "retired_pages_pending"),),
    (
        uints(
            "nvmlDeviceGetRemappedRows",
            "remapped_rows_corrected",
            "remapped_rows_uncorrected",
            "remapped_rows_pending",
            "remapped_rows_failure",
        ),
    ),
    (
        struct(
            "nvmlDeviceGetRowRemapperHistogram",
            pynvml.c_nvmlRowRemapperHistogramValues,
            remap_banks_max="max",
            remap_banks_high="high",
            remap_banks_partial="partial",
            remap_banks_low="low",
            remap_banks_none="none",
        ),
    ),
    (
        struct(
            "nvmlDeviceGetRepairStatus",
            pynvml.c_nvmlRepairStatus_t,
            channel_repair_pending="bChannelRepairPending",
            tpc_repair_pending="bTpcRepairPending",
        ),
    ),
    (
        struct(
            "nvmlDeviceGetUnrepairableMemoryFlag_v1",
            versioned(UnrepairableMemory, UNREPAIRABLE_MEMORY_V1),
            memory_unrepairable="unrepairableMemory",
        ),
    ),
    (
        struct(
            "nvmlDeviceGetGpuFabricInfoV",
            pynvml.c_nvmlGpuFabricInfo_v3_t,
            fabric_state="state",
            fabric_status="status",
            fabric_health_mask="healthMask",
        ),
        struct(
            "nvmlDeviceGetGpuFabricInfoV",
            pynvml.c_nvmlGpuFabricInfo_v2_t,
            fabric_state="state",
            fabric_status="status",
            fabric_health_mask="healthMask",
        ),
        struct(
            "nvmlDeviceGetGpuFabricInfo", pynvml.c_nvmlGpuFabricInfo_t, fabric_state="state", fabric_status="status"
        ),
    ),
)
"""Each `SLOW_SECONDS`."""

STATIC: Final[tuple[Choice, ...]] = (
    (uints("nvmlDeviceGetMaxClockInfo", "clock_max_graphics_megahertz", inputs=(GRAPHICS,), unknown=NONE_SET),),
    (uints("nvmlDeviceGetMaxClockInfo", "clock_max_sm_megahertz", inputs=(SM,), unknown=NONE_SET),),
    (uints("nvmlDeviceGetMaxClockInfo", "clock_max_memory_megahertz", inputs=(MEMORY,), unknown=NONE_SET),),
    (uints("nvmlDeviceGetMaxClockInfo", "clock_max_video_megahertz", inputs=(VIDEO,), unknown=NONE_SET),),
    (uints("nvmlDeviceGetMaxPcieLinkGeneration", "pcie_max_generation", unknown=LINK_UNKNOWN),),
    (uints("nvmlDeviceGetMaxPcieLinkWidth", "pcie_max_width_lanes", unknown=LINK_UNKNOWN),),
    (
        struct("nvmlSystemGetConfComputeState", pynvml.c_nvmlConfComputeSystemState_t, cc_mode="ccFeature")._replace(
            device=False
        ),
    ),
)
"""Once for each generation of the inventory."""


def retired_pages(calls: Calls, handle: Any, values: Values) -> None:
    """How many memory pages were retired, by cause. Only their number is asked for, not their addresses."""
    for cause, field in ((MULTIPLE_SINGLE_BIT, "retired_pages_corrected"), (DOUBLE_BIT, "retired_pages_uncorrected")):
        count = ctypes.c_uint(0)
        code = calls.ask("nvmlDeviceGetRetiredPages", handle, cause, ctypes.byref(count), None)
        if code in (SUCCESS, INSUFFICIENT_SIZE):
            values[field] = count.value


def believe_fabric(values: Values) -> None:
    """Takes out how joining the fabric ended, where it has not, and the health of which no part is told."""
    if values.get("fabric_state") != FABRIC_COMPLETED:
        values.pop("fabric_status", None)
    if not values.get("fabric_health_mask"):
        values.pop("fabric_health_mask", None)


def believe_memory(values: Values) -> None:
    """Of a GPU that needs a reset: it says that no memory is used, where it should say that it does not know."""
    if not values.get("memory_used_bytes"):
        values.pop("memory_used_bytes", None)
        values.pop("memory_free_bytes", None)


def vgpu_license(calls: Calls, handle: Any, values: Values) -> None:
    """Whether a vGPU guest has its licence: 1 or 0. Absent where the device refuses the question or takes none."""
    features = pynvml.c_nvmlGridLicensableFeatures_v4_t()
    if calls.ask("nvmlDeviceGetGridLicensableFeatures_v4", handle, ctypes.byref(features)) != SUCCESS:
        return
    count = min(features.licensableFeaturesCount, pynvml.NVML_GRID_LICENSE_FEATURE_MAX_COUNT)
    listed = [features.gridLicensableFeatures[place] for place in range(count)]
    states = [feature.featureState for feature in listed if feature.featureCode == VGPU_LICENSE]
    if features.isGridLicenseSupported and states:
        values["vgpu_license_status"] = int(any(state > 0 for state in states))
