"""Numbers as the kernel prints them in procfs and sysfs. All functions give None for bytes that are no such number."""

from __future__ import annotations

from math import isfinite
from typing import Final

UINT64_MAX: Final = 2**64 - 1
MAX_DIGITS: Final = 64

# As a number: for one byte of bytes, Python makes an error before it looks.
_UNDERSCORE: Final = ord("_")
_BASES: Final = {b"x": 16, b"o": 8, b"b": 2}


def uint64(raw: bytes) -> int | None:
    """Decimal, 0 to 2**64-1, digits only: neither sign nor blank nor underscore."""
    if not raw.isdigit() or len(raw) > MAX_DIGITS:
        return None
    value = int(raw)
    return value if value <= UINT64_MAX else None


def uint64s(words: list[bytes]) -> list[int]:
    """All of `words`, of which none is empty, as `uint64` reads them; none where one is no such number."""
    digits = b"".join(words)
    if not digits.isdigit() or len(digits) > MAX_DIGITS * len(words):
        return []
    try:
        numbers = list(map(int, words))
    except ValueError:  # one has more digits than Python reads
        return []
    return numbers if max(numbers) <= UINT64_MAX else []


def uint64_any_base(raw: bytes) -> int | None:
    """0 to 2**64-1 with the base in front, as C writes it: 0x10 and 020 are 16."""
    if not raw.startswith(b"0") or len(raw) == 1:
        return uint64(raw)
    if len(raw) > MAX_DIGITS or not raw.isalnum():
        return None
    base = _BASES.get(raw[1:2].lower())
    try:
        value = int(raw[2:], base) if base else int(raw[1:], 8)
    except ValueError:
        return None
    return value if value <= UINT64_MAX else None


def decimal(raw: bytes) -> float | None:
    """A finite decimal number, with or without sign, fraction and exponent."""
    if len(raw) > MAX_DIGITS or _UNDERSCORE in raw:
        return None
    try:
        value = float(raw)
    except ValueError:
        return None
    return value if isfinite(value) else None
