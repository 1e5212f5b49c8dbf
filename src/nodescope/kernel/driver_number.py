"""Signed numbers in the base that drivers choose for them."""

from __future__ import annotations

from nodescope.kernel.number import uint64_any_base
from nodescope.kernel.signed_number import signed


def int64_any_base(raw: bytes) -> int | None:
    """-2**63 to 2**63-1 with the base in front, as C writes it: 0x10 and 020 are 16; None for all else."""
    return signed(raw, uint64_any_base)
