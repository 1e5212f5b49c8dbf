"""A value as nvidia-smi writes it -> a number in a record's unit.

Source: nvidia-smi(1), which names the units; NVML's error strings (nvmlErrorString), which it writes where a value
could not be had; nvml.h for the numbers that words stand for. What is not known is None, and counted where that is not
because the device has no such thing.
"""

from __future__ import annotations

import re
from typing import Final

MIB: Final = 1024 * 1024

UNITS: Final[dict[str, dict[str, float]]] = {
    "bytes": {"B": 1, "KiB": 1024, "MiB": MIB, "GiB": 1024 * MIB},
    "milliwatts": {"W": 1000, "mW": 1},
    "megahertz": {"MHz": 1, "GHz": 1000},
    "nanoseconds": {"ns": 1, "us": 1000, "ms": 1_000_000},
    "count": {"": 1},
    "banks": {"bank(s)": 1},
    "lanes": {"x": 1},
    "generation": {"": 1},
    "percent": {"%": 1},
    "celsius": {"C": 1},
    "kilobytes_per_second": {"KB/s": 1, "MB/s": 1000, "GB/s": 1_000_000},
}
"""By kind of quantity: the units there may be, and how many of the record's units each is."""

FLOATS: Final = frozenset({"percent", "celsius", "kilobytes_per_second"})
SIGNED: Final = frozenset({"celsius"})
"""What may be below 0. A count never is."""

_ENABLED: Final = {"enabled": 1, "disabled": 0}
_YES: Final = {"yes": 1, "no": 0}
WORDS: Final[dict[str, dict[str, int]]] = {
    "enabled": _ENABLED,
    "yes": _YES,
    "active": {"active": 1, "not active": 0},
    "performance_state": {f"p{number}": number for number in range(16)},
    "compute_mode": {"default": 0, "exclusive_thread": 1, "prohibited": 2, "exclusive_process": 3},
    "recovery_action": {
        "none": 0, "reset": 1, "gpu reset": 1, "reboot": 2, "node reboot": 2, "drain p2p": 3, "drain and reset": 4,
        "recover imex domain": 5, "bus reset": 6, "system reboot": 7,
    },
    "fabric_state": {"not supported": 0, "not started": 1, "in progress": 2, "completed": 3},
    "fabric_status": {
        "success": 0, "uninitialized": 1, "invalid argument": 2, "not supported": 3, "insufficient permissions": 4,
        "not found": 6, "timeout": 10, "in use by another client": 19, "unknown error": 999,
    },
    "bandwidth": {"degraded": 1, "full": 2},
    "true": {"true": 1, "false": 2},
    "incorrect_configuration": {
        "none": 1, "incorrect sysguid": 2, "incorrect chassis sn": 3, "no partition": 4, "insufficient nvlinks": 5,
        "incompatible gpu fw": 6, "invalid location": 7, "gpu state invalid": 8,
    },
}  # fmt: skip
"""By kind of state: the number in nvml.h of each of its words, in lower case."""

ABSENT: Final = frozenset({
    "", "n/a", "none", "not supported", "not available", "not applicable", "not found", "function not found", "no data",
    "unknown", "requested functionality has been deprecated", "not available in wddm driver model",
})  # fmt: skip
"""What is written where a device has no such thing."""

LOST: Final = frozenset({"gpu is lost", "gpu is inaccessible"})
RESET: Final = frozenset({"gpu requires reset", "gpu needs reset"})
DENIED: Final = frozenset({"insufficient permissions", "gpu access blocked by the operating system"})
FAILED: Final = frozenset({"unknown error", "err!", "error", "timeout", "driver not loaded", "uninitialized"})

_NUMBER: Final = re.compile(r"(-?[0-9]{1,20}(?:\.[0-9]{1,9})?)\s{0,4}(\S{0,16})", re.ASCII)
_LICENSED: Final = re.compile(r"(un)?licensed\b", re.ASCII)


def word(value: str) -> str:
    """A value in lower case, without the brackets that some stand in."""
    return value.strip().removeprefix("[").removesuffix("]").strip().lower()


def known(value: str | None) -> str | None:
    """A name or version as it is written; None where there is none, or an error in its place."""
    if value is None or word(value) in ABSENT or word(value) in LOST | RESET | DENIED | FAILED:
        return None
    return value


class Decoder:
    """Makes numbers of values. `left_out`: how many were there, and could not be had or understood."""

    def __init__(self) -> None:
        self.left_out = 0

    def value(self, raw: str | None, kind: str) -> int | float | None:
        """The number that `raw` stands for; `kind` is one of `UNITS` or `WORDS`, or "license"."""
        if raw is None:
            return None
        said = word(raw)
        number = self._number(raw, kind) if kind in UNITS else _state(said, kind)
        if number is None and said not in ABSENT:
            self.left_out += 1
        return number

    def _number(self, raw: str, kind: str) -> int | float | None:
        found = _NUMBER.fullmatch(raw)
        factor = UNITS[kind].get(found[2]) if found else None
        if found is None or factor is None:
            return None
        number = float(found[1]) * factor
        if number < 0 and kind not in SIGNED:
            return None
        if kind in FLOATS:
            return number
        # Exact where it is written without a fraction, however great.
        return round(number) if "." in found[1] else int(found[1]) * int(factor)


def _state(said: str, kind: str) -> int | None:
    if kind == "license":
        licensed = _LICENSED.match(said)
        return None if licensed is None else int(licensed[1] is None)
    return WORDS[kind].get(said)
