"""What the files of bcachefs in sysfs say: sizes, counters and tables.

Source: fs/bcachefs: sysfs.c, sb-counters.c, sb-members.c, sb-errors.c; the source of bcachefs alone since Linux 6.18.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from nodescope.host import SYSFS_PAGE_BYTES, Malformed, text
from nodescope.kernel.number import UINT64_MAX, decimal, uint64

MAX_LINES: Final = 1024

STEPS: Final = {suffix: 1024**power for power, suffix in enumerate((b"K", b"M", b"G", b"T", b"P", b"E"), 1)}
_SPELT_OUT: Final = re.compile(rb"(?<=[0-9]) ([kKMGTPE]?)i?B(?=\s|$)")
"""A unit as kernels print it that have bcachefs themselves: 2.00 MiB, 0 B. Without them it is 2.00M, 0."""

OPERATIONS: Final = {b"read": "read", b"write": "write"}
PADDED_BYTES: Final = 12
"""To how many characters io_done pads the name of a type of data."""

SINCE_CREATION: Final = b"since filesystem creation:"
ERRORS_SINCE: Final = b"IO errors since "
ERRORS_SINCE_CREATION: Final = ERRORS_SINCE + b"filesystem creation"

Parse = Callable[[bytes], int | None]


class Table(NamedTuple):
    """`rows`: labels -> numbers, one for each metric of the file. `left_out`: lines that are not as documented."""

    rows: dict[tuple[str, ...], tuple[int, ...]]
    left_out: int


def size(raw: bytes) -> int | None:
    """A number and its suffix, each 1024 times the one before; a fraction is cut off. None for what is no such size."""
    raw = _SPELT_OUT.sub(rb"\1", raw).strip()
    step = STEPS.get(raw[-1:].upper())
    number = decimal(raw if step is None else raw[:-1])
    if number is None:
        return None
    number *= step or 1
    return int(number) if -1 < number <= UINT64_MAX else None


def parse_size(data: bytes, source: str) -> Table:
    """A file of one size. Raises `Malformed`."""
    return _single(size(data), data, source, "a size such as 2.00M")


def parse_number(data: bytes, source: str) -> Table:
    """A file of one number. Raises `Malformed`."""
    return _single(uint64(data.strip()), data, source, "a number")


def parse_counter(data: bytes, source: str) -> Table:
    """What a counter has counted since the filesystem was made. Raises `Malformed`."""
    found = [line.removeprefix(SINCE_CREATION) for line in data.split(b"\n") if line.startswith(SINCE_CREATION)]
    return _single(size(found[-1]) if found else None, data, source, f"'{SINCE_CREATION.decode()}' and a number")


def _single(number: int | None, data: bytes, source: str, expected: str) -> Table:
    if number is None:
        raise Malformed(source, data, expected)
    return Table({(): (number,)}, 0)


def parse_compression_stats(data: bytes, source: str) -> Table:
    """Compressed and uncompressed size of each algorithm, below a heading. Raises `Malformed`."""
    return _columns(data, source, (size, size), headings=1)


def parse_btree_write_stats(data: bytes, source: str) -> Table:
    """How many writes of each type, and their average size, below a heading. Raises `Malformed`."""
    return _columns(data, source, (uint64, size), headings=1)


def parse_errors(data: bytes, source: str) -> Table:
    """How often each error was found; the time of the last, behind it, is not read. Raises `Malformed`.

    A count too long for its column touches the time: both are read as one number, as node_exporter does.
    """
    return _columns(data, source, (uint64,), headings=0)


def _columns(data: bytes, source: str, columns: tuple[Parse, ...], headings: int) -> Table:
    """Lines of a name and as many numbers as there are `columns`; what stands behind these is not looked at."""
    rows: dict[tuple[str, ...], tuple[int, ...]] = {}
    lines, left_out = _lines(_SPELT_OUT.sub(rb"\1", data), headings)
    for line in lines:
        name, *words = line.split()
        numbers = tuple(
            number for parse, word in zip(columns, words, strict=False) if (number := parse(word)) is not None
        )
        if len(numbers) == len(columns):
            rows[text(name.removesuffix(b":")),] = numbers
        else:
            left_out += 1
    return _found(rows, left_out, data, source, "lines of a name and its numbers")


def parse_io_done(data: bytes, source: str) -> Table:
    """Bytes by operation and type of data. Raises `Malformed`.

    What stands below a heading that is not known belongs to neither operation.
    """
    rows: dict[tuple[str, ...], tuple[int, ...]] = {}
    lines, left_out = _lines(data)
    operation: str | None = None
    for line in lines:
        name, colon, rest = line.strip().partition(b":")
        if colon and not rest and name == name.strip() and 0 < len(name) < PADDED_BYTES:
            operation = OPERATIONS.get(name)
            left_out += operation is None
            continue
        number = uint64(rest.strip())
        if operation is None or number is None:
            left_out += 1
        else:
            rows[operation, text(name.strip())] = (number,)
    return _found(rows, left_out, data, source, "'read:', 'write:' and lines of a type of data and its bytes")


def parse_io_errors(data: bytes, source: str) -> Table:
    """Errors by type since the filesystem was made; those since the last reset are not read. Raises `Malformed`."""
    rows: dict[tuple[str, ...], tuple[int, ...]] = {}
    lines, left_out = _lines(data)
    begun = False
    for line in lines:
        if line.startswith(ERRORS_SINCE_CREATION):
            begun = True
            continue
        if line.startswith(ERRORS_SINCE):
            break
        name, _, rest = line.partition(b":")
        number = uint64(rest.strip())
        if not begun or number is None:
            left_out += 1
        else:
            rows[text(name.strip()),] = (number,)
    return _found(rows, left_out, data, source, f"'{ERRORS_SINCE_CREATION.decode()}' and lines of a type and a number")


def _lines(data: bytes, headings: int = 0) -> tuple[list[bytes], int]:
    """The lines that are not blank, but the first `headings`, and how many are left out: too many, or not whole."""
    lines = data.split(b"\n")
    # An answer is cut so that it fits into a page with a zero behind it: its last number may lack digits.
    cut = (len(data) + 1) % SYSFS_PAGE_BYTES == 0 and bool(lines.pop())
    filled = [line for line in lines[headings:] if line.strip()]
    return filled[:MAX_LINES], cut + max(0, len(filled) - MAX_LINES)


def _found(
    rows: dict[tuple[str, ...], tuple[int, ...]], left_out: int, data: bytes, source: str, expected: str
) -> Table:
    if left_out and not rows:
        raise Malformed(source, data, expected)
    return Table(rows, left_out)
