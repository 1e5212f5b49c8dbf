"""What Intel's own tools tell of a GPU, and which field of ours says the same, or why none does.

XPU Manager's metrics by their names without XPUM_STATS_, and components of Level Zero's Sysman. `field`: of a
`GpuReading` ("driver_fields.X" and "engines" for what is in those), of a `GpuWindow` ("window.X") or of another record;
empty where `reason` says why sysfs cannot tell it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

BANDWIDTH: Final = "counted by hardware that Level Zero alone reads, through an open device node"
RAS: Final = "the drivers tell it over netlink or to Level Zero, through an open device node, not in sysfs"
OBSERVATION: Final = "needs a stream of the GPU's observation counters, through an open device node"
PCM: Final = "counted by the processor, whose registers only a tool with raw access reads"
FABRIC: Final = "told by the driver of the links between GPUs, which is not part of Linux, over netlink"
HISTORY: Final = "the greatest of a time is what max_over_time gives of it"
SETTING: Final = "a setting or an action, not a reading"
NOT_THERE: Final = "no GPU of Intel's has it, or no driver tells it in sysfs"


class Told(NamedTuple):
    """One of the two is empty."""

    field: str = ""
    reason: str = ""


METRICS: Final[Mapping[str, Told]] = {
    "ENGINE_GROUP_COMPUTE_ALL_UTILIZATION": Told("engines"),
    "ENGINE_GROUP_MEDIA_ALL_UTILIZATION": Told("engines"),
    "ENGINE_GROUP_COPY_ALL_UTILIZATION": Told("engines"),
    "ENGINE_GROUP_RENDER_ALL_UTILIZATION": Told("engines"),
    "ENGINE_GROUP_3D_ALL_UTILIZATION": Told("engines"),
    "ENGINE_UTILIZATION": Told("engines"),
    "GPU_UTILIZATION": Told("utilization_percent"),
    "GPU_FREQUENCY": Told("clock_graphics_megahertz"),
    "GPU_REQUEST_FREQUENCY": Told("driver_fields.gt0_requested_clock_megahertz"),
    "MEDIA_ENGINE_FREQUENCY": Told("clock_video_megahertz"),
    "FREQUENCY_THROTTLE_REASON_GPU": Told("driver_fields.throttle_reason_pl1"),
    "FREQUENCY_THROTTLE": Told(reason=BANDWIDTH),
    "MEMORY_USED": Told("memory_used_bytes"),
    "MEMORY_UTILIZATION": Told("memory_used_ratio"),
    "MEMORY_READ": Told(reason=BANDWIDTH),
    "MEMORY_WRITE": Told(reason=BANDWIDTH),
    "MEMORY_READ_THROUGHPUT": Told(reason=BANDWIDTH),
    "MEMORY_WRITE_THROUGHPUT": Told(reason=BANDWIDTH),
    "MEMORY_BANDWIDTH": Told(reason=BANDWIDTH),
    "ENERGY": Told("energy_millijoules"),
    "POWER": Told("power_milliwatts"),
    "GPU_TEMPERATURE": Told("temperature_celsius"),
    "GPU_CORE_TEMPERATURE": Told("temperature_celsius"),
    "GPU_MEMORY_TEMPERATURE": Told("memory_temperature_celsius"),
    "MEMORY_TEMPERATURE": Told("memory_temperature_celsius"),
    "GPU_MAX_TEMPERATURE": Told("window.temperature_celsius"),
    "GPU_MEMORY_MAX_TEMPERATURE": Told(reason=HISTORY),
    "RAS_ERROR_CAT_RESET": Told(reason=RAS),
    "RAS_ERROR_CAT_PROGRAMMING_ERRORS": Told(reason=RAS),
    "RAS_ERROR_CAT_DRIVER_ERRORS": Told(reason=RAS),
    "RAS_ERROR_CAT_CACHE_ERRORS_CORRECTABLE": Told(reason=RAS),
    "RAS_ERROR_CAT_CACHE_ERRORS_UNCORRECTABLE": Told(reason=RAS),
    "RAS_ERROR_CAT_DISPLAY_ERRORS_CORRECTABLE": Told(reason=RAS),
    "RAS_ERROR_CAT_DISPLAY_ERRORS_UNCORRECTABLE": Told(reason=RAS),
    "RAS_ERROR_CAT_NON_COMPUTE_ERRORS_CORRECTABLE": Told(reason=RAS),
    "RAS_ERROR_CAT_NON_COMPUTE_ERRORS_UNCORRECTABLE": Told(reason=RAS),
    "EU_ACTIVE": Told(reason=OBSERVATION),
    "EU_STALL": Told(reason=OBSERVATION),
    "EU_IDLE": Told(reason=OBSERVATION),
    "PCIE_READ": Told(reason=PCM),
    "PCIE_WRITE": Told(reason=PCM),
    "PCIE_READ_THROUGHPUT": Told(reason=PCM),
    "PCIE_WRITE_THROUGHPUT": Told(reason=PCM),
    "FABRIC_THROUGHPUT": Told(reason=FABRIC),
    "TOPOLOGY_LINK": Told(reason=FABRIC),
    "XELINK_THROUGHPUT": Told(reason=FABRIC),
    "XELINK_PORT_STATUS": Told(reason=FABRIC),
}

COMPONENTS: Final[Mapping[str, Told]] = {
    "Properties": Told("identity.model"),
    "State": Told("report.state"),
    "PCI": Told("pcie_generation"),
    "ECC": Told(reason=RAS),
    "Overclock": Told(reason=SETTING),
    "Processes": Told("report.processes"),
    "Events": Told(reason=SETTING),
    "EngineGroups": Told("engines"),
    "FabricPorts": Told(reason=FABRIC),
    "Fans": Told("fan_revolutions_per_minute"),
    "Firmwares": Told("identity.firmware_version"),
    "FrequencyDomains": Told("clock_graphics_megahertz"),
    "Leds": Told(reason=NOT_THERE),
    "MemoryModules": Told("memory_total_bytes"),
    "PerformanceDomains": Told(reason=SETTING),
    "PowerDomains": Told("energy_millijoules"),
    "Psus": Told(reason=NOT_THERE),
    "RasErrorSets": Told(reason=RAS),
    "Schedulers": Told(reason=SETTING),
    "StandbyDomains": Told(reason=SETTING),
    "TemperatureSensors": Told("temperature_celsius"),
    "Diagnostics": Told(reason=SETTING),
    "GetState": Told("report.state"),
}
