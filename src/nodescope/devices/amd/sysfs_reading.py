"""What a GPU reads at one moment, from gpu_metrics and, for what that does not tell, from single files.

*Source*: gpu_metrics first, which is one request to the GPU's firmware; each sensor in hwmon and each file of clock
levels is another one. pcie_bw is never read: it keeps its reader waiting for a second. *Units*: those of the records.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from nodescope.devices.amd import dpm, gpu_metrics, gpu_metrics_reading
from nodescope.devices.amd.activity import Activity
from nodescope.devices.amd.device_files import DeviceFiles
from nodescope.devices.amd.gpu_metrics import GpuMetrics
from nodescope.devices.amd.hwmon import POWER_FIELDS, Hwmon
from nodescope.devices.amd.limits import Fields, levels, link
from nodescope.host import Malformed

USED: Final = (
    ("memory_used_bytes", "mem_info_vram_used"),
    ("bar1_used_bytes", "mem_info_vis_vram_used"),
    ("gtt_used_bytes", "mem_info_gtt_used"),
)
_FREE: Final = (
    ("memory_free_bytes", "memory_total_bytes", "memory_used_bytes"),
    ("bar1_free_bytes", "bar1_total_bytes", "bar1_used_bytes"),
)
HOT: Final = frozenset({"gpu_metrics", "gpu_busy_percent", "mem_busy_percent", *(file for _, file in USED)})
"""Files of which a GPU that works answers at least one."""


POWER_IN_DOUBT: Final = 2
"""Format of gpu_metrics."""


class Sampled(NamedTuple):
    """Fields of a reading, and the file gpu_metrics that some are from, None where there is none."""

    fields: Fields
    metrics: GpuMetrics | None


def sample(files: DeviceFiles, has: frozenset[str], hwmon: Hwmon, activity: Activity, limits: Fields) -> Sampled:
    """One sample. `has`: the files that the GPU has; `limits`: what was read of it that hardly ever changes."""
    metrics = _metrics(files) if "gpu_metrics" in has else None
    fields = gpu_metrics_reading.fields(metrics) if metrics is not None else {}
    driver_fields = {**limits.get("driver_fields", {}), **fields.pop("driver_fields", {})}
    _add_activity(files, has, activity, fields, driver_fields)
    for field, file in USED:
        value = files.number(file) if file in has else None
        if value is not None:
            fields[field] = value
    _add_sensors(hwmon, fields, metrics)
    _add_clocks(files, has, fields)
    _add_pcie(files, has, fields)
    fields = {**limits, **fields, "driver_fields": driver_fields}
    for free, total, used in _FREE:
        if total in fields and used in fields and fields[total] >= fields[used]:
            fields[free] = fields[total] - fields[used]
    return Sampled(fields, metrics)


def _metrics(files: DeviceFiles) -> GpuMetrics | None:
    raw = files.now("gpu_metrics")
    if not raw:
        return None
    try:
        return gpu_metrics.decode(raw, f"{files.folder}/gpu_metrics")
    except Malformed:
        files.left_out += 1
        return None


def _add_activity(
    files: DeviceFiles, has: frozenset[str], activity: Activity, fields: Fields, driver_fields: dict[str, Any]
) -> None:
    busy = files.number("gpu_busy_percent") if "gpu_busy_percent" in has else None
    value, told = activity.chosen(fields.pop("utilization_percent", None), None if busy is None else float(busy))
    driver_fields.update(told)
    if value is not None:
        fields["utilization_percent"] = value
    if "memory_utilization_percent" not in fields and "mem_busy_percent" in has:
        memory_busy = files.number("mem_busy_percent")
        if memory_busy is not None:
            fields["memory_utilization_percent"] = float(memory_busy)


def _add_sensors(hwmon: Hwmon, fields: Fields, metrics: GpuMetrics | None) -> None:
    """Format 2 has milliwatts, with some firmware of Renoir watts, and does not say which: the driver knows."""
    doubtful = {}
    if metrics is not None and metrics.format == POWER_IN_DOUBT:
        doubtful = {name: fields.pop(name) for name in POWER_FIELDS if name in fields}
    hwmon.fill(fields)
    if "power_milliwatts" not in fields:
        fields |= doubtful


def _add_clocks(files: DeviceFiles, has: frozenset[str], fields: Fields) -> None:
    for file, field, _ in dpm.FILES:
        if field not in fields and file in has:
            current = levels(files, file, files.now(file)).current
            if current is not None:
                fields[field] = current


def _add_pcie(files: DeviceFiles, has: frozenset[str], fields: Fields) -> None:
    if "pcie_generation" not in fields or "pcie_width_lanes" not in fields:
        for name, value in link(files, "current").items():
            fields.setdefault(f"pcie_{name}", value)
    if "pcie_replays" not in fields and "pcie_replay_count" in has:
        replays = files.number("pcie_replay_count")
        if replays is not None:
            fields["pcie_replays"] = replays
