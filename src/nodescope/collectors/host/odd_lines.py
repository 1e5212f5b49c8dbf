"""How many lines of a file could not be used."""

from __future__ import annotations


def odd_lines(data: bytes, used: int) -> int:
    """Lines that are not blank, less those that were `used`. Costs one search where all were."""
    if data.count(b"\n") == used and data.endswith(b"\n"):
        return 0
    return sum(1 for line in data.split(b"\n") if line.strip()) - used
