"""Which AMD GPUs are on the PCI bus, and the cheap signs that this has changed.

*Source*: /sys/bus/pci/devices, Documentation/ABI/testing/sysfs-bus-pci. A GPU that another driver has (vfio-pci for a
virtual machine, radeon), or is to have, is not this node's to measure and is left out, as is a virtual function that
waits for its machine; any other one that no driver has, though amdgpu is loaded, is told of: its start has failed.
"""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.attribute import attribute
from nodescope.kernel.pci_address import parse_address

DRIVER: Final = "amdgpu"
VENDOR_ID: Final = b"0x1002"
CLASSES: Final = (b"0x0300", b"0x0380", b"0x1200")
"""Display controllers (VGA, other) and processing accelerators."""

NO_OVERRIDE: Final = frozenset({b"", b"(null)", DRIVER.encode()})
"""What driver_override says where nobody wants another driver."""

MAX_PCI_DEVICES: Final = 16_384
MAX_GPUS: Final = 64


class PciGpu(NamedTuple):
    """A GPU at `address`, "0000:18:00.0". `bound`: whether amdgpu drives it."""

    address: str
    bound: bool


def pci_gpus(host: Host) -> tuple[PciGpu, ...]:
    """In order of their addresses; what cannot be read is no GPU. Empty where there is no PCI bus."""
    loaded = host.exists(host.sys(f"module/{DRIVER}")) or host.exists(host.sys(f"bus/pci/drivers/{DRIVER}"))
    if not loaded:
        return ()
    try:
        names = host.list(host.sys("bus/pci/devices"))[:MAX_PCI_DEVICES]
    except (Absent, OSError):
        return ()
    found = []
    for name in names:
        folder = host.sys(f"bus/pci/devices/{name}")
        if parse_address(name) is not None and _is_gpu(host, folder):
            driver = _driver(host, folder)
            if driver == DRIVER or (not driver and _is_for_us(host, folder)):
                found.append(PciGpu(name, driver == DRIVER))
    return tuple(found[:MAX_GPUS])


def signs(host: Host) -> tuple[object, ...]:
    """What differs once a GPU, a partition or the driver came or went; cheap enough for each cycle."""
    return (
        _names(host, f"bus/pci/drivers/{DRIVER}"),
        _names(host, "class/drm"),
        _names(host, "class/kfd/kfd/topology/nodes"),
        _value(host, "class/kfd/kfd/topology/generation_id"),
    )


def driver_version(host: Host) -> str | None:
    """Of the module where it says one (packages of ROCm do), else the kernel's, whose part it is then."""
    if not host.exists(host.sys(f"module/{DRIVER}")):
        return None
    for path in (host.sys(f"module/{DRIVER}/version"), host.proc("sys/kernel/osrelease")):
        try:
            version = host.read_once(path).strip()
        except (Absent, Malformed, OSError):
            continue
        if version and len(version) <= 128:
            return version.decode("ascii", "replace")
    return None


def _is_gpu(host: Host, folder: str) -> bool:
    # Of what a PCI device is the kernel keeps a copy: neither file asks the device.
    if _once(host, f"{folder}/vendor") != VENDOR_ID:
        return False
    return (_once(host, f"{folder}/class") or b"").startswith(CLASSES)


def _is_for_us(host: Host, folder: str) -> bool:
    """Whether amdgpu is to have a GPU that no driver has."""
    return (_once(host, f"{folder}/driver_override") or b"") in NO_OVERRIDE and not host.exists(f"{folder}/physfn")


def _driver(host: Host, folder: str) -> str:
    """The name of the driver, "" for none."""
    try:
        return os.path.basename(os.readlink(f"{folder}/driver"))
    except OSError:
        pass
    for line in (_once(host, f"{folder}/uevent") or b"").split(b"\n"):
        if line.startswith(b"DRIVER="):
            return line[7:].decode("ascii", "replace")
    return ""


def _names(host: Host, folder: str) -> tuple[str, ...]:
    try:
        return tuple(host.list(host.sys(folder)))
    except (Absent, OSError):
        return ()


def _value(host: Host, path: str) -> bytes | None:
    try:
        return attribute(host, host.sys(path))
    except (Malformed, OSError):
        return None


def _once(host: Host, path: str) -> bytes | None:
    try:
        return host.read_once(path).strip()
    except (Absent, Malformed, OSError):
        return None
