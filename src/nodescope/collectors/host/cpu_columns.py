"""Tables of procfs with a column for each CPU: the line of CPUs above them, and their numbers."""

from __future__ import annotations

from typing import Final

import msgspec

from nodescope.host import Malformed
from nodescope.kernel.number import UINT64_MAX, uint64

MAX_CPUS: Final = 8192

_DECODER: Final = msgspec.json.Decoder(list[int])


def cpus_of(header: bytes, source: str) -> list[str]:
    """The numbers of the CPUs in a line `CPU0 CPU1 CPU4`. Raises `Malformed`."""
    words = header.split()
    cpus = [word[3:].decode() for word in words if word.startswith(b"CPU") and word[3:].isdigit()]
    if not cpus or len(cpus) != len(words) or len(set(cpus)) != len(cpus) or len(cpus) > MAX_CPUS:
        raise Malformed(source, header, f"a line of CPUs, CPU0 CPU1 ..., at most {MAX_CPUS}")
    return cpus


def many_uint64s(words: list[bytes]) -> list[int]:
    """All of `words`, of which none is empty, as uint64; none where one is no such number. For long lists."""
    joined = b",".join(words)
    if b"-" in joined:
        return []
    try:
        numbers = _DECODER.decode(b"[%b]" % joined)
    except msgspec.DecodeError:
        # A zero in front is none of JSON's, and fine with the kernel.
        numbers = [number for number in map(uint64, words) if number is not None]
    if len(numbers) != len(words) or not numbers or max(numbers) > UINT64_MAX:
        return []
    return numbers
