"""What of a GPU's reading hardly ever changes: sizes, limits, the PCIe link at its best, the performance level.

*Source*: Documentation/gpu/amdgpu/driver-misc.rst, thermal.rst; sysfs-bus-pci. *Cost*: some twenty reads a minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from nodescope.devices.amd import dpm, ras
from nodescope.devices.amd.device_files import DeviceFiles
from nodescope.devices.amd.hwmon import Hwmon
from nodescope.devices.amd.inventory import VENDOR_ID
from nodescope.devices.pci.attributes import link_speed
from nodescope.host import Malformed
from nodescope.kernel.number import uint64

Fields = dict[str, Any]

SIZES: Final = (
    ("memory_total_bytes", "mem_info_vram_total"),
    ("bar1_total_bytes", "mem_info_vis_vram_total"),
    ("gtt_total_bytes", "mem_info_gtt_total"),
)
"""A field and its file. bar1: the part of the memory that the host sees."""

GENERATIONS: Final[Mapping[float, int]] = {2.5: 1, 5.0: 2, 8.0: 3, 16.0: 4, 32.0: 5, 64.0: 6}
"""Gigatransfers per second -> generation of PCIe."""

MAX_BRIDGES: Final = 4
"""Of AMD's own, between a GPU and the slot that its board is in."""

DOWN_LANES: Final = 63
"""What the register says of the width where the device does not answer."""

PERFORMANCE_LEVELS: Final[Mapping[str, int]] = {
    "auto": 0x1,
    "manual": 0x2,
    "low": 0x4,
    "high": 0x8,
    "profile_standard": 0x10,
    "profile_min_sclk": 0x20,
    "profile_min_mclk": 0x40,
    "profile_peak": 0x80,
    "profile_exit": 0x100,
    "perf_determinism": 0x200,
}
"""power_dpm_force_performance_level -> the kernel's number for it (enum amd_dpm_forced_level, kgd_pp_interface.h)."""

_ECC_OF_MEMORY: Final = 1


def read_limits(files: DeviceFiles, has: frozenset[str], hwmon: Hwmon) -> Fields:
    """As fields of a reading. `has`: the files that the GPU has; `hwmon`: learnt just now."""
    found: Fields = {**hwmon.limits, "driver_fields": dict(hwmon.limits.get("driver_fields", {}))}
    for field, file in SIZES:
        value = files.number(file, files.anew) if file in has else None
        if value:
            found[field] = value
    found |= {f"pcie_max_{name}": value for name, value in link(files, "max").items()}
    found["driver_fields"] |= {f"pcie_slot_{name}": value for name, value in _slot(files).items()}
    for file, _, most in dpm.FILES:
        if most is not None and file in has:
            highest = levels(files, file, files.anew(file)).highest
            if highest is not None:
                found[most] = highest
    level = PERFORMANCE_LEVELS.get(files.line("power_dpm_force_performance_level") or "")
    if level is not None:
        found["driver_fields"]["performance_level"] = level
    features = ras.parse_features(files.anew("ras/features") or b"") if "ras" in has else None
    if features is not None:
        found["ecc_mode"] = features & _ECC_OF_MEMORY
    return found


def _slot(files: DeviceFiles) -> Fields:
    """What the port can do that the board is in: the first one above that is not of the board's own switch."""
    above = "../"
    for _ in range(MAX_BRIDGES):
        if (files.anew(f"{above}vendor") or b"").strip() != VENDOR_ID:
            break
        above += "../"
    return link(files, "max", above)


def link(files: DeviceFiles, which: str, folder: str = "") -> Fields:
    """Generation and width of the PCIe link, "current" or "max"; a link that is down has neither.

    `folder`: of another device, from the GPU's own.
    """
    found: Fields = {}
    read = files.line if which == "max" else files.line_now
    generation = GENERATIONS.get(link_speed((read(f"{folder}{which}_link_speed") or "").encode()) or 0)
    if generation is not None:
        found["generation"] = generation
    lanes = uint64((read(f"{folder}{which}_link_width") or "").encode())
    if lanes is not None and 0 < lanes < DOWN_LANES:
        found["width_lanes"] = lanes
    return found


def levels(files: DeviceFiles, file: str, raw: bytes | None) -> dpm.Levels:
    """What a file of clock levels says; nothing where it says something else."""
    try:
        return dpm.parse_levels(raw or b"", file)
    except Malformed:
        files.left_out += 1
        return dpm.Levels(None, None)
