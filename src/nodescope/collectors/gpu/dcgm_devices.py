"""Which GPUs and GPU instances dcgm-exporter is told to show, by its flag `--devices`.

Source: NVIDIA/dcgm-exporter 4: f, or g or i with or without a list of numbers.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

MAX_NUMBER: Final = 1023
EXPECTED: Final = "f, g, i, or g: with numbers of GPUs such as g:0,2-4"

_LIST: Final = re.compile(r"[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*")


class Devices(NamedTuple):
    """`undivided`, `divided`: GPUs that have no instances, and those that have, as themselves. `instances`: GPU
    instances. `gpus`: of whole GPUs those with these numbers, None for all."""

    undivided: bool
    divided: bool
    instances: bool
    gpus: frozenset[int] | None = None


FLEXIBLE: Final = Devices(undivided=True, divided=False, instances=True)
_ALL: Final = {
    "f": FLEXIBLE,
    "g": Devices(undivided=True, divided=True, instances=False),
    "i": Devices(undivided=False, divided=False, instances=True),
}


def parse_devices(text: str) -> Devices:
    """What `text` asks for. Raises `ValueError`, which says why it cannot be followed."""
    letter, colon, numbers = text.partition(":")
    if not colon and letter in _ALL:
        return _ALL[letter]
    if letter == "i" and _LIST.fullmatch(numbers):
        raise ValueError("the numbers of GPU instances are DCGM's own, and not known here: give i or g")
    if letter != "g" or not _LIST.fullmatch(numbers):
        raise ValueError(f"expected {EXPECTED}")
    found: set[int] = set()
    for part in numbers.split(","):
        first, dash, last = part.partition("-")
        begin, end = int(first), int(last if dash else first)
        if begin > end or end > MAX_NUMBER:
            raise ValueError(f"{part}: expected a number up to {MAX_NUMBER}, or two of which the first is the smaller")
        found.update(range(begin, end + 1))
    return _ALL["g"]._replace(gpus=frozenset(found))
