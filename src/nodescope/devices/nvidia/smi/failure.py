"""What it means that nvidia-smi gives no readings: its exit status and what it says -> a reason, and what to do.

Source: nvidia-smi(1), "Return value"; NVML's error codes, which are exit statuses too where the library cannot be
initialised; messages as they are seen. They stand on standard output or error, as the version has it.
"""

from __future__ import annotations

import re
from typing import Final

from nodescope.devices.nvidia.smi.log import kernel_address
from nodescope.host import text
from nodescope.kernel.printable import printable

NO_DRIVER: Final = "no_driver"
NO_DEVICES: Final = "no_devices"
NO_PROGRAM: Final = "no_program"
NO_LIBRARY: Final = "no_library"
HUNG: Final = "hung"
FAILED: Final = "failed"

MAX_MESSAGE_BYTES: Final = 65_536
MAX_SHOWN: Final = 200
MAX_BROKEN: Final = 256

_MEANT: Final = (
    (
        ("couldn't communicate with the nvidia driver", "nvml: driver not loaded"),
        9,
        NO_DRIVER,
        "nvidia-smi finds no NVIDIA driver: load it (modprobe nvidia), or give access to /dev/nvidiactl",
    ),
    (("no devices were found",), 6, NO_DEVICES, "nvidia-smi finds no GPU"),
    (
        ("driver/library version mismatch",),
        18,
        FAILED,
        "the loaded kernel module and the driver's library are of different versions: reload the module (rmmod and"
        " modprobe nvidia), or restart the machine",
    ),
    (
        ("couldn't find libnvidia-ml", "shared library not found"),
        12,
        NO_LIBRARY,
        "nvidia-smi does not find libnvidia-ml.so: install the driver's library, or let the container have it",
    ),
    (
        ("insufficient permissions",),
        4,
        FAILED,
        "nvidia-smi may not use the driver: run as root, or give access to /dev/nvidia*",
    ),
    (
        ("blocked by the operating system",),
        17,
        FAILED,
        "the operating system keeps nvidia-smi from the GPUs: see the device cgroup of this container or unit",
    ),
    (
        ("failed to initialize nvml: unknown error",),
        255,
        FAILED,
        "nvidia-smi cannot initialise NVML (Unknown Error): in a container its device cgroup has most likely lost the"
        " GPUs, as systemctl daemon-reload makes it: restart the container",
    ),
    (
        ("failed to initialize nvml",),
        None,
        FAILED,
        "nvidia-smi cannot initialise NVML: see the kernel log for NVRM",
    ),
    (
        ("power cables",),
        8,
        FAILED,
        "nvidia-smi says that external power cables of a GPU are not properly attached",
    ),
    (("interrupt",), 10, FAILED, "nvidia-smi says that the kernel has a problem with the interrupts of a GPU"),
    (("fallen off the bus",), 15, FAILED, "nvidia-smi says that a GPU is lost: restart the machine"),
)
"""What is said, in lower case; the exit status that says the same; the kind of failure; the reason."""

_HANDLE: Final = re.compile(
    # Driver 610 has the index too: "GPU1: 0000:34:00.0".
    r"unable to determine the device handle for gpu ?(?:[0-9]{1,3}: ?)?"
    r"([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]): ?([^\r\n]{1,400})",
    re.IGNORECASE,
)
_BROKEN: Final = (("lost", "lost"), ("reset", "reset_required"), ("permission", "denied"))


class Unreadable(Exception):
    """nvidia-smi gave no readings. `kind`: one of those above."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


def meant_by_words(message: bytes) -> Unreadable | None:
    """What a message means, None for one that is not known."""
    said = text(message[:MAX_MESSAGE_BYTES]).lower()
    for words, _, kind, reason in _MEANT:
        if any(word in said for word in words):
            return Unreadable(kind, reason)
    return None


def meant_by_status(status: int, message: bytes) -> Unreadable:
    """What an exit status means where nothing better is known; with what was said."""
    shown = f"; it said: {said}" if (said := first_line(message)) else ""
    for _, known, kind, reason in _MEANT:
        if status == known and status != 255:
            return Unreadable(kind, f"{reason} (exit status {status}{shown})")
    return Unreadable(FAILED, f"nvidia-smi ended with status {status} and told of no GPU{shown}")


def broken_gpus(message: bytes) -> dict[str, tuple[str, str]]:
    """State and reason of each GPU of which nvidia-smi says that it cannot open it, by PCI address."""
    broken: dict[str, tuple[str, str]] = {}
    for found in _HANDLE.finditer(text(message[:MAX_MESSAGE_BYTES])):
        address = kernel_address(found[1])
        if address is not None and len(broken) < MAX_BROKEN:
            said = printable(" ".join(found[2].split())[:MAX_SHOWN])
            state = next((state for word, state in _BROKEN if word in said.lower()), "failed")
            broken[address] = state, f"nvidia-smi cannot open the GPU at {address}: {said}"
    return broken


def first_line(message: bytes) -> str:
    """The first line that is not empty, as part of a sentence."""
    lines = text(message[:MAX_MESSAGE_BYTES]).split("\n")
    return next((printable(line.strip()[:MAX_SHOWN]) for line in lines if line.strip()), "")
