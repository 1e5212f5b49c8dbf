"""Signed numbers as the kernel prints them with %d and %lld."""

from __future__ import annotations

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
