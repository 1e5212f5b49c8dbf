"""A value as amd-smi or rocm-smi writes it -> a number in a record's unit, or a name.

Source: the tools' output. A number is `{"value": 12, "unit": "W"}`, 12, "12", "12 W" or "12.0", as the release has it,
and its unit changes between releases too: it is converted by the unit that is written, by the kind's own where none
is. Memory is in powers of 1024, whatever the unit looks like. Where there is nothing the tools write "N/A", null, an
empty text, a name of an error, or all bits one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from nodescope.kernel.pci_address import parse_address
from nodescope.records.amd_static import Quantity

MAX_TEXT: Final = 256

BYTES: Final = {
    "b": 1, "bytes": 1, "kb": 1 << 10, "kib": 1 << 10, "mb": 1 << 20, "mib": 1 << 20, "gb": 1 << 30, "gib": 1 << 30,
    "tb": 1 << 40, "tib": 1 << 40,
}  # fmt: skip
UNITS: Final[dict[str, dict[str, float]]] = {
    "bytes": {"": 1, **BYTES},
    "mebibytes": {"": 1 << 20, **BYTES},
    "milliwatts": {"": 1000, "w": 1000, "mw": 1, "uw": 0.001, "µw": 0.001},
    "millijoules": {"": 1000, "j": 1000, "kj": 1e6, "mj": 1, "uj": 0.001, "µj": 0.001},
    "microjoules": {"": 0.001, "uj": 0.001},
    "megahertz": {"": 1, "mhz": 1, "ghz": 1000, "khz": 0.001, "hz": 1e-6},
    "celsius": {"": 1, "c": 1, "°c": 1, "mc": 0.001},
    "percent": {"": 1, "%": 1},
    "millivolts": {"": 1, "mv": 1, "v": 1000, "uv": 0.001},
    "transfers": {"": 1, "gt/s": 1, "mt/s": 0.001},
    "megabits_per_second": {"": 1, "mb/s": 1, "gb/s": 1000},
    "rpm": {"": 1, "rpm": 1},
    "nanoseconds": {"": 1, "ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9},
    "microseconds": {"": 1, "us": 1, "ns": 0.001, "ms": 1000, "s": 1e6},
    "lanes": {"": 1, "x": 1},
    "count": {"": 1},
}
"""By kind of quantity: the units there may be, in lower case, and how many of the record's units each is."""

WHOLE: Final = frozenset(UNITS) - {"celsius", "percent", "transfers", "megabits_per_second"}
SIGNED: Final = frozenset({"celsius"})
"""What may be below 0."""

ALL_ONES: Final = frozenset({0xFFFF, 0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF})
LARGE: Final = frozenset({"bytes", "mebibytes", "millijoules", "microjoules", "nanoseconds", "microseconds", "count"})
"""Of these 65535 is a number like any other."""

ABSENT: Final = frozenset({
    "", "n/a", "na", "none", "null", "unknown", "not supported", "unsupported", "not available", "nan", "-", "xxxx",
})  # fmt: skip
_ERRORS: Final = ("n/a ", "n/a(", "amdsmi_status", "error", "not supported", "unable to")

PCIE_GENERATIONS: Final = {2.5: 1, 5.0: 2, 8.0: 3, 16.0: 4, 32.0: 5, 64.0: 6}
"""PCI Express Base Specification: the generation, by gigatransfers per second of a lane."""

_NUMBER: Final = re.compile(r"x?([-+]?[0-9]{1,24}(?:\.[0-9]{1,24})?(?:[eE][-+]?[0-9]{1,2})?)\s{0,8}([^\s0-9]{0,8})")
_HEX: Final = re.compile(r"0[xX]([0-9a-fA-F]{1,16})")


def leaf(value: Any) -> tuple[int | float, str] | None:
    """The number that is written and its unit, as they are written; None where there is none."""
    unit = ""
    if isinstance(value, dict):
        unit = str(value.get("unit") or "").strip()
        value = value.get("value")
    if isinstance(value, str):
        found = _NUMBER.fullmatch(value.strip())
        if found is None:
            return None
        unit = found[2] or unit
        value = float(found[1]) if any(mark in found[1] for mark in ".eE") else int(found[1])
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_finite(value):
        return None
    return value, unit[:MAX_TEXT]


def number(value: Any, kind: str) -> int | float | None:
    """The number in the unit of `kind`, one of `UNITS`; None where it is not known or its unit is another's."""
    found = leaf(value)
    if found is None:
        return None
    factor = UNITS[kind].get(found[1].lower())
    if factor is None or (found[0] < 0 and kind not in SIGNED):
        return None
    if found[0] in ALL_ONES and (kind not in LARGE or found[0] != 0xFFFF):
        return None
    if kind not in WHOLE:
        return found[0] * factor
    return found[0] * int(factor) if isinstance(found[0], int) and factor >= 1 else round(found[0] * factor)


def whole(value: Any, kind: str = "count") -> int | None:
    """As `number`, of a kind that has no fractions."""
    found = number(value, kind)
    return None if found is None else int(found)


def small(value: Any) -> int | None:
    """A number of things, whatever they are called, or in hex. All bits one, in 16 bits too, is none."""
    found = _HEX.fullmatch(value.strip()) if isinstance(value, str) else None
    written = leaf(value)
    got = int(found[1], 16) if found else whole(written[0]) if written else None
    return None if got in ALL_ONES else got


def name(value: Any) -> str | None:
    """A name, version or number as it is written; None where there is none or an error in its place."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    said = value.strip()
    lower = said.lower()
    return None if lower in ABSENT or lower.startswith(_ERRORS) else said[:MAX_TEXT]


def quantity(value: Any, unit: str) -> Quantity | None:
    """The number with its unit, as they are written; `unit` where none is."""
    found = leaf(value)
    return None if found is None or found[0] in ALL_ONES else Quantity(found[0], found[1] or unit)


def unique_number(value: Any) -> str | None:
    """A GPU's unique number as the kernel writes it, 16 digits of hex; None where it is 0 or none."""
    said = name(value)
    digits = (said or "").lower().removeprefix("0x")
    if not re.fullmatch("[0-9a-f]{1,16}", digits) or int(digits, 16) in (0, *ALL_ONES):
        return None
    return f"{int(digits, 16):016x}"


def kernel_address(value: Any) -> str | None:
    """A PCI address as the kernel writes it, "0000:c1:00.0"; None for what is none."""
    parsed = parse_address(value.strip()) if isinstance(value, str) else None
    return "{}:{}:{}.{}".format(*parsed) if parsed else None


def pcie_generation(value: Any) -> int | None:
    """The generation of a link, by the speed of a lane."""
    speed = number(value, "transfers")
    return None if speed is None else PCIE_GENERATIONS.get(float(speed))


def at(entry: Mapping[str, Any], path: str) -> Any:
    """What stands in nested groups: "usage.gfx_activity"; None where any of them is missing or no group."""
    found: Any = entry
    for part in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def first(entry: Mapping[str, Any], paths: tuple[str, ...], kind: str) -> int | float | None:
    """The number at the first of `paths` that has one."""
    for path in paths:
        found = number(at(entry, path), kind)
        if found is not None:
            return found
    return None


def _is_finite(value: int | float) -> bool:
    return abs(value) <= 1e30
