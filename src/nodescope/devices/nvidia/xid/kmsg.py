"""What a line of the NVIDIA driver in the kernel log says: an XID, a GPU that is gone, or which GPU is where.

Source: the driver's open kernel modules (kernel_rc.c, osinit.c, nv-pci.c); older forms as drivers since 340 wrote them.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from nodescope.devices.nvidia.xid.catalog import FALLEN_OFF_THE_BUS
from nodescope.host import text

WORD: Final = b"NVRM: "
"""Every line that means anything here begins with it. Those of NVSwitches (SXid) do not."""

MAX_MESSAGE_CHARACTERS: Final = 8192
MAX_DETAIL_CHARACTERS: Final = 200
MAX_NAME_CHARACTERS: Final = 64

_PLACE: Final = r"(?:PCI:)?([0-9a-fA-F]{4,8}):([0-9a-fA-F]{2}):([0-9a-fA-F]{2})(?:\.([0-7]))?"
_XID: Final = re.compile(
    rf"NVRM: Xid \({_PLACE}(?: GPU-I:([0-9]{{1,4}}))?(?: GPU-CI:([0-9]{{1,4}}))?(?: [^)]{{0,64}})?\):"
    r" ([0-9]{1,9})(?![0-9])[, ]*"
)
_PID: Final = re.compile(r"pid='?(<unknown>|[0-9]{1,10})'?(?:, |$)")
_NAME: Final = re.compile(r"name=(.{0,64}?)(?:, |$)", re.DOTALL)
"""Whoever runs a process chooses its name, line breaks in it too."""
_GONE: Final = re.compile(
    rf"NVRM: (?:The NVIDIA )?GPU (?:at )?{_PLACE}(?![0-9a-fA-F]).{{0,160}}?fallen off the bus", re.DOTALL
)
_GPU: Final = re.compile(rf"NVRM: GPU at {_PLACE}: (GPU-[0-9a-fA-F-]{{1,64}})\s*$")
_UNKNOWN: Final = "<unknown>"


class KernelXid(NamedTuple):
    """An XID. `pci_address`: the kernel's form, "0000:18:00.0"; of function 0, where the line names none.

    `detail`: what follows, without the process. `pid`, `process`: who caused it, where the driver knows. Instance ids
    are None for the whole GPU. `implied`: the line has no number, but says what one means: the GPU is off the bus.
    """

    pci_address: str
    xid: int
    detail: str
    pid: int | None = None
    process: str | None = None
    gpu_instance_id: int | None = None
    compute_instance_id: int | None = None
    implied: bool = False


class KernelGpu(NamedTuple):
    """Which GPU is where; the driver writes it once, before the first XID of a GPU."""

    pci_address: str
    uuid: str


def xid_of(message: str | bytes) -> KernelXid | None:
    """The XID that a message of the kernel log is about, if any."""
    line = _bounded(message)
    found = _XID.match(line)
    if found is None:
        return _gone(line)
    *place, gpu_instance, compute_instance, xid = found.groups()
    detail = line[found.end() :]
    pid, detail = _without(_PID, detail)
    process, detail = _without(_NAME, detail)
    return KernelXid(
        pci_address=_address(*place),
        xid=int(xid),
        detail=detail.strip()[:MAX_DETAIL_CHARACTERS],
        pid=int(pid) if pid else None,
        process=process[:MAX_NAME_CHARACTERS] if process else None,
        gpu_instance_id=int(gpu_instance) if gpu_instance else None,
        compute_instance_id=int(compute_instance) if compute_instance else None,
    )


def gpu_of(message: str | bytes) -> KernelGpu | None:
    """The GPU whose UUID a message of the kernel log gives, if any."""
    found = _GPU.match(_bounded(message))
    return KernelGpu(_address(*found.groups()[:4]), found[5]) if found else None


def _gone(line: str) -> KernelXid | None:
    found = _GONE.match(line)
    if found is None:
        return None
    detail = " ".join(line.replace("NVRM: ", "").split())
    return KernelXid(_address(*found.groups()), FALLEN_OFF_THE_BUS, detail[:MAX_DETAIL_CHARACTERS], implied=True)


def _bounded(message: str | bytes) -> str:
    return (message if isinstance(message, str) else text(message))[:MAX_MESSAGE_CHARACTERS]


def _without(pattern: re.Pattern[str], detail: str) -> tuple[str | None, str]:
    """What `pattern` finds at the start of `detail`, None where that is unknown, and what is behind it."""
    found = pattern.match(detail)
    if found is None:
        return None, detail
    return None if found[1] in ("", _UNKNOWN) else found[1], detail[found.end() :]


def _address(domain: str, bus: str, device: str, function: str | None) -> str:
    return f"{int(domain, 16):04x}:{int(bus, 16):02x}:{int(device, 16):02x}.{function or '0'}"
