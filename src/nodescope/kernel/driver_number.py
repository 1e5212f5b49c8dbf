"""Signed numbers in the base that drivers choose for them."""

from __future__ import annotations

from nodescope.kernel.number import uint64_any_base
from nodescope.kernel.signed_number import INT64_MAX


def int64_any_base(raw: bytes) -> int | None:
    """-2**63 to 2**63-1 with the base in front, as C writes it: 0x10 and 020 are 16; None for all else."""
    negative = raw.startswith(b"-")
    size = uint64_any_base(raw[1:] if negative else raw)
    if size is None or size > INT64_MAX + negative:
        return None
    return -size if negative else size
