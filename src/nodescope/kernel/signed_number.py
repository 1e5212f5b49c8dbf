"""Signed numbers as the kernel prints them with %d and %lld."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nodescope.kernel.number import uint64

INT64_MAX: Final = 2**63 - 1


def int64(raw: bytes) -> int | None:
    """Decimal, -2**63 to 2**63-1: digits, with a minus in front where it is negative."""
    if raw.startswith(b"-"):
        size = uint64(raw[1:])
        return -size if size is not None and size <= INT64_MAX + 1 else None
    value = uint64(raw)
    return value if value is not None and value <= INT64_MAX else None


def signed(raw: bytes, parse: Callable[[bytes], int | None]) -> int | None:
    """As `parse`, with a minus in front where it is negative: -2**63 to 2**63-1, None for all else."""
    negative = raw.startswith(b"-")
    size = parse(raw[1:] if negative else raw)
    if size is None or size > INT64_MAX + negative:
        return None
    return -size if negative else size
