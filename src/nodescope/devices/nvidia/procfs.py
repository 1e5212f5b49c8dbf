"""GPUs that NVIDIA's kernel module has, whether or not its library can open them.

*Source*: /proc/driver/nvidia/gpus/<PCI address>/information, a line "name: value" for each of Model, GPU UUID, Video
BIOS, Device Minor and more. *Absent when*: the module is not loaded. A GPU that was never initialised has a UUID of
question marks.
"""

from __future__ import annotations

from typing import Final

from nodescope.devices.nvidia.smi.log import kernel_address
from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.number import uint64
from nodescope.records.gpu import GpuIdentity

FOLDER: Final = "driver/nvidia/gpus"
VERSION: Final = "driver/nvidia/version"
MAX_GPUS: Final = 256
MAX_VALUE: Final = 256


def module_is_loaded(host: Host) -> bool:
    """Whether NVIDIA's kernel module is there."""
    return host.exists(host.proc(VERSION))


def addresses(host: Host) -> tuple[str, ...]:
    """PCI addresses of the module's GPUs, in order; none where it is not loaded or may not be asked."""
    try:
        names = host.list(host.proc(FOLDER))
    except (Absent, OSError):
        return ()
    found = (kernel_address(name) for name in names[:MAX_GPUS])
    return tuple(sorted(address for address in found if address is not None))


def identity(host: Host, address: str) -> GpuIdentity:
    """What the module says of a GPU; one that has no UUID has its address in its place."""
    known = _information(host, address)
    uuid = known.get("gpu uuid", "")
    minor = uint64(known.get("device minor", "").encode())
    return GpuIdentity(
        vendor="nvidia",
        uuid=address if not uuid or "?" in uuid else uuid,
        pci_address=address,
        minor=minor,
        device=None if minor is None else f"nvidia{minor}",
        model=_told(known, "model"),
        vbios_version=_told(known, "video bios"),
        firmware_version=_told(known, "gpu firmware"),
    )


def _information(host: Host, address: str) -> dict[str, str]:
    try:
        data = host.read_once(host.proc(f"{FOLDER}/{address}/information"))
    except (Absent, Malformed, OSError):
        return {}
    lines = (line.partition(":") for line in text(data).splitlines())
    return {name.strip().lower(): value.strip()[:MAX_VALUE] for name, colon, value in lines if colon}


def _told(known: dict[str, str], name: str) -> str | None:
    value = known.get(name, "")
    return None if not value or "?" in value or value == "N/A" else value
