"""Hexadecimal numbers without 0x in front, as the kernel prints some counters."""

from __future__ import annotations

from typing import Final

from nodescope.kernel.number import MAX_DIGITS, UINT64_MAX

_DIGITS: Final = b"0123456789abcdefABCDEF"


def hex_uint64(raw: bytes) -> int | None:
    """0 to 2**64-1, hexadecimal digits only: neither sign nor blank nor underscore."""
    if not raw or len(raw) > MAX_DIGITS or raw.translate(None, _DIGITS):
        return None
    value = int(raw, 16)
    return value if value <= UINT64_MAX else None


def hex_uint64s(words: list[bytes]) -> list[int | None]:
    """Each of `words` as `hex_uint64` reads it; none of them is empty."""
    digits = b"".join(words)
    # Sixteen digits are at most 2**64-1.
    if digits.translate(None, _DIGITS) or len(max(words, key=len, default=b"")) > 16:
        return [hex_uint64(word) for word in words]
    return [int(word, 16) for word in words]
