"""Errors that a GPU's blocks have counted, and pages of its memory that are out of use.

*Source*: the driver's folder ras (Documentation/gpu/amdgpu/ras.rst): BLOCK_err_count with "ue: N" (uncorrected),
"ce: N" (corrected) and of newer GPUs "de: N" (deferred: data that is bad but was not used yet), since the driver was
loaded; gpu_vram_bad_pages with a line "number : size : flag" for each page; features with a mask of watched blocks.
While the GPU is being reset the counts say "Query currently inaccessible".
*Cost*: each count asks the GPU's firmware, so they are read seldom. *Absent when*: the GPU has no RAS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from nodescope.kernel.file import Malformed
from nodescope.kernel.number import uint64, uint64_any_base
from nodescope.records.gpu import EccReading

COUNT_FILE: Final = "_err_count"
MAX_BLOCKS: Final = 64
MAX_LINES: Final = 16
"""Of one count's file."""

INACCESSIBLE: Final = b"Query currently inaccessible"
KINDS: Final[Mapping[bytes, str]] = {b"ue": "uncorrected", b"ce": "corrected", b"de": "deferred"}
VOLATILE: Final = "volatile"

RESERVED: Final = b"R"
PENDING: Final = b"P"
FAILED: Final = b"F"


class BadPages(NamedTuple):
    """Pages out of use (`reserved`), to be taken out of use (`pending`), and that cannot be (`failed`)."""

    reserved: int = 0
    pending: int = 0
    failed: int = 0


def parse_counts(data: bytes, source: str) -> dict[str, int]:
    """Kind ("corrected" ...) -> errors; nothing while the GPU does not tell. Raises `Malformed`."""
    found: dict[str, int] = {}
    for line in data.split(b"\n")[:MAX_LINES]:
        name, _, word = line.partition(b":")
        kind = KINDS.get(name.strip())
        number = uint64(word.strip())
        if kind is not None and number is not None:
            found[kind] = number
    if not found and data.strip() and not data.startswith(INACCESSIBLE):
        raise Malformed(source, data, "lines ue: and ce: with a number")
    return found


def readings(block: str, counts: Mapping[str, int]) -> Iterable[EccReading]:
    """One for each kind of error of a block."""
    return (EccReading(location=block, corrected=kind, life=VOLATILE, errors=count) for kind, count in counts.items())


def totals(eccs: Iterable[EccReading]) -> dict[str, int]:
    """The sums over all blocks, as fields of a reading; a kind that no block tells is not there."""
    found: dict[str, int] = {}
    for ecc in eccs:
        field = f"ecc_{ecc.corrected}_volatile_errors"
        found[field] = found.get(field, 0) + ecc.errors
    return found


def parse_bad_pages(data: bytes, source: str) -> BadPages:
    """How many pages there are of each flag. Raises `Malformed` where lines are there and none is a page."""
    flags = [flag for line in data.split(b"\n") if (flag := _flag(line)) is not None]
    if not flags and data.strip(b"\0 \n"):
        raise Malformed(source, data, "lines like 0x00000001 : 0x00001000 : R")
    return BadPages(flags.count(RESERVED), flags.count(PENDING), flags.count(FAILED))


def parse_features(data: bytes) -> int | None:
    """The mask of the blocks that are watched; bit 0 is the memory's."""
    _, colon, word = data.partition(b":")
    return uint64_any_base(word.split()[0]) if colon and word.split() else None


def _flag(line: bytes) -> bytes | None:
    words = [word.strip() for word in line.split(b":")]
    if len(words) != 3 or words[2] not in (RESERVED, PENDING, FAILED):
        return None
    return words[2] if words[0].startswith(b"0x") else None
