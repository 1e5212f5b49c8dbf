"""The kernel's pool of randomness."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.number import uint64
from nodescope.metric import Family, Metric, single
from nodescope.settings import Settings

AVAILABLE: Final = Metric("node_entropy_available_bits", "gauge", "Bits of available entropy.")
POOL_SIZE: Final = Metric("node_entropy_pool_size_bits", "gauge", "Bits of entropy pool.")


def parse_bits(data: bytes, source: str) -> int:
    """The one number of the file. Raises `Malformed`."""
    bits = uint64(data.strip())
    if bits is None:
        raise Malformed(source, data, "a number of bits")
    return bits


class EntropyCollector:
    """How much entropy the kernel has for random numbers, and how much it can have.

    *Source*: /proc/sys/kernel/random/{entropy_avail,poolsize}, random(4). *Units*: bits. *Absent when*: the files are
    not there. *Cost*: two reads.
    """

    name: ClassVar[str] = "entropy"
    metrics: ClassVar[tuple[Metric, ...]] = (AVAILABLE, POOL_SIZE)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._available_path = host.proc("sys/kernel/random/entropy_avail")
        self._size_path = host.proc("sys/kernel/random/poolsize")

    def collect(self) -> list[Family]:
        families: list[Family] = []
        odd: Malformed | OSError | None = None
        for metric, path in ((AVAILABLE, self._available_path), (POOL_SIZE, self._size_path)):
            try:
                families.append(single(metric, parse_bits(self._host.read(path, at_once=True, built_in=True), path)))
            except Absent:
                continue
            except (Malformed, OSError) as error:
                odd = error.with_traceback(None)
        if not families:
            raise odd or Absent(self._available_path)
        self.left_out = 0 if odd is None else 1
        return families


def build(host: Host, settings: Settings) -> EntropyCollector:
    return EntropyCollector(host)
