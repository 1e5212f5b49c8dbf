"""Sockets by protocol."""

from __future__ import annotations

import functools
import re
import resource
from itertools import chain
from typing import ClassVar, Final

from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.number import uint64_any_base
from nodescope.metric import Family, Metric, single
from nodescope.settings import Settings

MAX_PROTOCOLS: Final = 256
INT64_MAX: Final = 2**63 - 1

SOCKETS_USED: Final = Metric("node_sockstat_sockets_used", "gauge", "Number of IPv4 sockets in use.")
STATES: Final = (b"inuse", b"orphan", b"tw", b"alloc", b"mem", b"memory")

_NOT_IN_A_NAME: Final = re.compile(r"[^a-zA-Z0-9_]")


@functools.lru_cache(maxsize=MAX_PROTOCOLS * len(STATES))
def metric_of(protocol: str, state: str) -> Metric:
    name = _NOT_IN_A_NAME.sub("_", f"node_sockstat_{protocol}_{state}")
    return Metric(name, "gauge", f"Number of {protocol} sockets in state {state}.")


def signed(raw: bytes) -> int | None:
    """A number of 64 bits with sign, as uint64_any_base reads it."""
    value = uint64_any_base(raw.removeprefix(b"-"))
    if value is None or value > INT64_MAX:
        return None
    return -value if raw.startswith(b"-") else value


def parse_sockstat(data: bytes, source: str) -> tuple[dict[bytes, dict[bytes, int]], int]:
    """Protocol -> state -> number; and how many lines could not be read, or not wholly. Raises `Malformed`."""
    found: dict[bytes, dict[bytes, int]] = {}
    left_out = 0
    for line in data.split(b"\n"):
        words = line.split()
        if not words:
            continue
        states = {state: signed(number) for state, number in zip(words[1::2], words[2::2], strict=False)}
        understood = {state: number for state, number in states.items() if number is not None}
        protocol = words[0].removesuffix(b":")
        if not understood or protocol in found or len(found) >= MAX_PROTOCOLS:
            left_out += 1
            continue
        found[protocol] = understood
        left_out += 2 * len(understood) != len(words) - 1
    if not found:
        raise Malformed(source, data, "lines of a protocol's name, then pairs of a state and a number")
    return found, left_out


def without_repeated(read: list[list[Family]]) -> tuple[list[Family], int]:
    """The first family of each name, and how many others there were."""
    families: dict[str, Family] = {}
    for family in chain.from_iterable(read):
        families.setdefault(family.metric.name, family)
    return list(families.values()), sum(map(len, read)) - len(families)


class SockstatCollector:
    """How many sockets each protocol has, and the memory that they hold.

    *Source*: /proc/net/sockstat and sockstat6, proc_net(5). *Units*: sockets; mem in pages, mem_bytes and memory in
    bytes. *Absent when*: the kernel has no IPv4 or IPv6; a state that the kernel does not give. *Cost*: two reads.
    """

    name: ClassVar[str] = "sockstat"
    metrics: ClassVar[tuple[Metric, ...]] = (
        SOCKETS_USED,
        *(
            metric_of(protocol, state)
            for protocol, states in (
                ("TCP", "inuse orphan tw alloc mem mem_bytes"), ("UDP", "inuse mem mem_bytes"), ("UDPLITE", "inuse"),
                ("RAW", "inuse"), ("FRAG", "inuse memory"), ("TCP6", "inuse"), ("UDP6", "inuse"),
                ("UDPLITE6", "inuse"), ("RAW6", "inuse"), ("FRAG6", "inuse memory"),
            )
            for state in states.split()
        ),
    )  # fmt: skip
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._paths = (host.proc("net/sockstat"), host.proc("net/sockstat6"))
        self._page_bytes = resource.getpagesize()
        self._last: dict[str, tuple[bytes, list[Family], int]] = {}
        self._read: list[list[Family]] = []
        self._shown: list[Family] = []
        self._repeated = 0

    def collect(self) -> list[Family]:
        read: list[list[Family]] = []
        odd: Malformed | OSError | None = None
        self.left_out = 0
        for path in self._paths:
            try:
                read.append(self._file(path))
            except Absent:
                continue
            except (Malformed, OSError) as error:
                odd = error.with_traceback(None)
                self.left_out += 1
        if read != self._read:
            self._read, (self._shown, self._repeated) = read, without_repeated(read)
        if not self._shown:
            raise odd or Absent(self._paths[0])
        self.left_out += self._repeated
        return self._shown

    def _file(self, path: str) -> list[Family]:
        data = self._host.read(path, at_once=True, built_in=True)
        before = self._last.get(path)
        if before is None or before[0] != data:
            found, left_out = parse_sockstat(data, path)
            before = self._last[path] = data, self._families(path, found), left_out
        self.left_out += before[2]
        return before[1]

    def _families(self, path: str, found: dict[bytes, dict[bytes, int]]) -> list[Family]:
        families = []
        for protocol, states in found.items():
            if protocol == b"sockets":
                if path == self._paths[0] and b"used" in states:
                    families.append(single(SOCKETS_USED, states[b"used"]))
                continue
            name = text(protocol)
            families += [single(metric_of(name, state.decode()), states[state]) for state in STATES if state in states]
            if b"mem" in states:
                families.append(single(metric_of(name, "mem_bytes"), states[b"mem"] * self._page_bytes))
        return families


def build(host: Host, settings: Settings) -> SockstatCollector:
    return SockstatCollector(host)
