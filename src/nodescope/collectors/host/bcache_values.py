"""Values as bcache prints them: sizes for people to read, and reports of a named value in each line.

Source: drivers/md/bcache/util.c (bch_hprint), drivers/md/bcache/sysfs.c, Documentation/admin-guide/bcache.rst.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from nodescope.collectors.host.device_attributes import Number
from nodescope.collectors.host.number_file import Parse
from nodescope.host import Malformed
from nodescope.kernel.number import UINT64_MAX, uint64
from nodescope.kernel.signed_number import signed
from nodescope.metric import Metric

UNIT: Final = 1024
STEP: Final = 100
"""What one more behind the point stands for, in 1024ths of the unit."""

POWERS: Final = {b"": 0, b"k": 1, b"M": 2, b"G": 3, b"T": 4, b"P": 5, b"E": 6}

_SIZE: Final = re.compile(rb"([0-9]{1,20})(?:\.([0-9]{1,20}))?([kMGTPE]?)")


class Report(NamedTuple):
    """`numbers`: (metric, number) for each line that is known. `left_out`: lines that are not as documented."""

    numbers: list[tuple[Metric, float]]
    left_out: int


def size(raw: bytes) -> int | None:
    """A whole number, or one with a unit of 1024 behind it: 1.5k is 1524. None for all else, and from 2**64 on.

    What stands behind the point counts hundreds of the 1024 parts of the unit, and is no decimal fraction: Linux up to
    4.13 goes on from .9 to .10. Newer ones count in tenths, which nothing in the text tells apart.
    """
    match = _SIZE.fullmatch(raw)
    if match is None:
        return None
    whole, steps, unit = match.groups()
    power = POWERS[unit]
    number = int(whole) * UNIT**power
    # Without a unit there are no parts to count: bytes are whole.
    if steps and power:
        number += int(steps) * STEP * UNIT ** (power - 1)
    return number if number <= UINT64_MAX else None


def signed_size(raw: bytes) -> int | None:
    """As `size`, from -2**63 to 2**63-1, with a minus in front where it is negative."""
    return signed(raw, size)


def duration(raw: bytes) -> float | None:
    """Seconds of a `size` that is taken for nanoseconds."""
    nanoseconds = size(raw)
    return None if nanoseconds is None else nanoseconds * 1e-9


def percent(raw: bytes) -> int | None:
    """A whole number, with or without a % behind it."""
    return uint64(raw.removesuffix(b"%"))


def each_second(parse: Parse) -> Parse:
    """`parse` for what has /sec behind it."""
    return lambda raw: parse(raw.removesuffix(b"/sec"))


def parse_report(data: bytes, source: str, lines: Mapping[bytes, Number]) -> Report:
    """The numbers of those lines that `lines` names. Raises `Malformed` where there is none of them."""
    numbers: dict[bytes, tuple[Metric, float]] = {}
    known = left_out = 0
    for line in data.split(b"\n"):
        name, _, value = line.partition(b":")
        if name not in lines:
            continue
        known += 1
        metric, parse = lines[name]
        number = parse(value.strip())
        if number is None or name in numbers:
            left_out += 1
        else:
            numbers[name] = metric, number
    if not known:
        raise Malformed(source, data, "lines of a name, a colon and a value")
    return Report(list(numbers.values()), left_out)
