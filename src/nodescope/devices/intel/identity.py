"""What an Intel GPU is, from sysfs.

*Source*: sysfs-bus-pci (vendor, device, subsystem_*, numa_node, local_cpulist), /sys/module/DRIVER/version, of a driver
that has none the kernel's release; fw_ver of the firmware's own device (sysfs-class-mei). The versions of GuC and HuC
are told in debugfs alone, and are absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from nodescope.devices.intel.attributes import Attributes
from nodescope.devices.intel.models import VENDOR_ID, model
from nodescope.host import text
from nodescope.kernel.number import uint64_any_base
from nodescope.records.gpu import GpuIdentity

VENDOR: Final = "intel"
DRIVERS: Final = ("i915", "xe")
MAX_ENGINES: Final = 32
CLASSES: Final[Mapping[str, str]] = {
    "rcs": "render",
    "bcs": "copy",
    "vcs": "video",
    "vecs": "video-enhance",
    "ccs": "compute",
}
"""How i915 names engines in sysfs, and their classes in fdinfo; xe has the former in both."""


def bare(pci_address: str, driver: str, index: int) -> GpuIdentity:
    """What is known without asking the device."""
    return GpuIdentity(vendor=VENDOR, uuid=pci_address, index=index, pci_address=pci_address, driver_version=driver)


def identity(attributes: Attributes, folder: str, known: GpuIdentity, driver: str) -> GpuIdentity:
    """All that is known of the device in `folder`, whose address and index are those of `known`."""
    device = _number(attributes, f"{folder}/device")
    subsystem = _number(attributes, f"{folder}/subsystem_device")
    subsystem_vendor = _number(attributes, f"{folder}/subsystem_vendor")
    named = None if device is None else model(device)
    numa_node = attributes.number(f"{folder}/numa_node", attributes.seldom)
    return GpuIdentity(
        vendor=VENDOR,
        uuid=known.uuid,
        index=known.index,
        pci_address=known.pci_address,
        model=None if named is None else named.name,
        architecture=None if named is None else named.architecture,
        driver_version=f"{driver} {driver_version(attributes, driver)}".strip(),
        firmware_version=_firmware(attributes, folder),
        # As NVIDIA's tools write it, so that one label serves for all: device, then vendor.
        pci_device_id=None if device is None else f"0x{device:04X}{VENDOR_ID:04X}",
        pci_subsystem_id=None
        if subsystem is None or subsystem_vendor is None
        else f"0x{subsystem:04X}{subsystem_vendor:04X}",
        # -1 where the firmware does not say.
        numa_node=numa_node if numa_node is not None and numa_node >= 0 else None,
        cpu_affinity=_text(attributes, f"{folder}/local_cpulist"),
    )


def driver_version(attributes: Attributes, driver: str) -> str:
    """Of a driver that came by itself its own, else the kernel's. Empty where neither can be read."""
    own = _text(attributes, attributes.host.sys(f"module/{driver}/version"))
    return own or _text(attributes, attributes.host.proc("sys/kernel/osrelease")) or ""


def engines(attributes: Attributes, folder: str, card: str, tiles: list[str]) -> tuple[str, ...]:
    """The classes of engines, as fdinfo names them."""
    found = [CLASSES.get(name.rstrip("0123456789"), "") for name in attributes.names(f"{card}/engine")] if card else []
    for tile in tiles:
        for gt in attributes.names(f"{folder}/{tile}"):
            if gt.startswith("gt"):
                found += [name for name in attributes.names(f"{folder}/{tile}/{gt}/engines") if name in CLASSES]
    return tuple(sorted(set(found) - {""}))[:MAX_ENGINES]


def _firmware(attributes: Attributes, folder: str) -> str | None:
    """The version of what is in the board's flash: "0:102.1.14.1", by the first of its blocks."""
    for name in attributes.names(folder):
        if ".mei-gsc" not in name:
            continue
        for mei in attributes.names(f"{folder}/{name}/mei"):
            said = _text(attributes, f"{folder}/{name}/mei/{mei}/fw_ver")
            version = (said or "").split("\n")[0].partition(":")[2]
            if version.strip("0."):
                return version
    return None


def _number(attributes: Attributes, path: str) -> int | None:
    raw = attributes.seldom(path)
    return None if raw is None else uint64_any_base(raw)


def _text(attributes: Attributes, path: str) -> str | None:
    raw = attributes.seldom(path)
    return text(raw) if raw else None
