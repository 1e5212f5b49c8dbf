"""NVML's return codes, and what each means here. Source: nvml.h, `nvmlReturn_t`."""

from __future__ import annotations

from typing import Final

SUCCESS: Final = 0
INVALID_ARGUMENT: Final = 2
NOT_SUPPORTED: Final = 3
NO_PERMISSION: Final = 4
NOT_FOUND: Final = 6
INSUFFICIENT_SIZE: Final = 7
INSUFFICIENT_POWER: Final = 8
DRIVER_NOT_LOADED: Final = 9
TIMEOUT: Final = 10
IRQ_ISSUE: Final = 11
LIBRARY_NOT_FOUND: Final = 12
FUNCTION_NOT_FOUND: Final = 13
GPU_IS_LOST: Final = 15
RESET_REQUIRED: Final = 16
OPERATING_SYSTEM: Final = 17
LIBRARY_MISMATCH: Final = 18
VGPU_ECC_NOT_SUPPORTED: Final = 22
VERSION_MISMATCH: Final = 25
DEPRECATED: Final = 26
UNKNOWN: Final = 999

NOT_NVML: Final = -1
"""In a `failure` frame: what failed is no call of NVML."""

REFUSED: Final = frozenset({NOT_SUPPORTED, FUNCTION_NOT_FOUND, VGPU_ECC_NOT_SUPPORTED, DEPRECATED})
"""The device has no such thing: not asked again until the inventory changes."""

OUTDATED: Final = frozenset({VERSION_MISMATCH})
"""The driver does not know this version of a structure: an older one is tried."""

DENIED: Final = frozenset({NO_PERMISSION, OPERATING_SYSTEM})

TRANSIENT: Final = frozenset({19, 21, 27, 29})
"""In use, no data, not ready, invalid state: the value is left out this time."""

FATAL: Final = frozenset({DRIVER_NOT_LOADED, LIBRARY_MISMATCH})
"""The driver was unloaded or replaced under this process: only a fresh one can go on."""

EMPTY_SLOT: Final = frozenset({NOT_FOUND, INVALID_ARGUMENT})

TEXTS: Final = {
    1: "not initialised",
    2: "invalid argument",
    3: "not supported",
    4: "no permission",
    6: "not found",
    7: "insufficient size",
    8: "a power cable is not attached",
    9: "the driver is not loaded",
    10: "timeout",
    11: "an interrupt problem in the kernel",
    12: "the library is not installed",
    13: "the library has no such function",
    14: "the infoROM is corrupted",
    15: "the GPU is lost: it has fallen off its bus",
    16: "the GPU requires a reset",
    17: "the operating system refused",
    18: "the library and the kernel's driver are of different versions",
    19: "in use",
    20: "out of memory",
    21: "no data",
    23: "insufficient resources",
    25: "unknown version of a structure",
    26: "deprecated",
    27: "not ready",
    28: "no such GPU",
    29: "invalid state",
    999: "unknown error",
}


def text_of(code: int) -> str:
    """A return code in words."""
    return f"{TEXTS.get(code, 'an error')} ({code})"


class CallFailed(Exception):
    """A call that this process cannot do without has failed. `code`: NVML's, or `NOT_NVML`."""

    def __init__(self, call: str, code: int, text: str = "", no_library: bool = False) -> None:
        super().__init__(f"{call}: {text or text_of(code)}")
        self.call = call
        self.code = code
        self.text = text or text_of(code)
        self.no_library = no_library
