"""Counters of IP, TCP, UDP and ICMP."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import ClassVar, Final

from nodescope.collectors.host.protocol_counters import (
    Counter,
    Layout,
    LinesLayout,
    PairsLayout,
    Parse,
    parse_lines,
    parse_pairs,
)
from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.number import decimal
from nodescope.metric import Family, Metric, single
from nodescope.settings import Settings

MAX_METRICS: Final = 8192

_NOT_IN_NAMES: Final = re.compile("[^a-zA-Z0-9_]")

FILES: Final[tuple[tuple[str, Parse, type[PairsLayout] | type[LinesLayout]], ...]] = (
    ("net/netstat", parse_pairs, PairsLayout),
    ("net/snmp", parse_pairs, PairsLayout),
    ("net/snmp6", parse_lines, LinesLayout),
)

DEFAULT_FIELDS: Final = tuple(
    (protocol, name)
    for protocol, names in (
        ("Icmp", "InErrors InMsgs OutMsgs"),
        ("Icmp6", "InErrors InMsgs OutMsgs"),
        ("Ip", "Forwarding"),
        ("Ip6", "InOctets OutOctets"),
        ("IpExt", "InOctets OutOctets"),
        ("Tcp", "ActiveOpens CurrEstab InErrs InSegs OutRsts OutSegs PassiveOpens RetransSegs"),
        ("TcpExt", "ListenDrops ListenOverflows SyncookiesFailed SyncookiesRecv SyncookiesSent"),
        ("TcpExt", "TCPOFOQueue TCPRcvQDrop TCPSynRetrans TCPTimeouts"),
        ("Udp", "InDatagrams InErrors NoPorts OutDatagrams RcvbufErrors SndbufErrors"),
        ("Udp6", "InDatagrams InErrors NoPorts OutDatagrams RcvbufErrors SndbufErrors"),
        ("UdpLite", "InErrors"),
        ("UdpLite6", "InErrors"),
    )
    for name in names.split()
)
"""What the default of `collector.netstat.fields` finds in kernels up to 6.12."""


@lru_cache(maxsize=MAX_METRICS)
def metric_of(protocol: str, name: str) -> Metric:
    field = _NOT_IN_NAMES.sub("_", f"{protocol}_{name}")
    return Metric(f"node_netstat_{field}", "untyped", f"Statistic {protocol}{name}.")


class _File:
    """One file: where its wanted numbers stand, and the families made of them, each kept while its number stays."""

    def __init__(self, path: str, parse: Parse, layout: type[PairsLayout] | type[LinesLayout]) -> None:
        self.path = path
        self.left_out = 0
        self._parse = parse
        self._layout_of = layout
        self.forget()

    def forget(self) -> None:
        self._data: bytes | None = None
        self._layout: Layout | None = None
        self._odd = 0
        self._metrics: list[Metric] = []
        self._numbers: list[bytes] = []
        self._made: list[Family | None] = []
        self._families: list[Family] = []

    def families(self, data: bytes, fields: re.Pattern[str] | None) -> list[Family]:
        if data == self._data:
            return self._families
        numbers = None if self._layout is None else self._layout.numbers(data)
        if numbers is None:
            numbers = self._learn(data, fields)
        for index, number in enumerate(numbers):
            if number != self._numbers[index]:
                value = decimal(number)
                self._made[index] = None if value is None else single(self._metrics[index], value)
        self._data, self._numbers = data, numbers
        self._families = [family for family in self._made if family is not None]
        self.left_out = self._odd + len(self._made) - len(self._families)
        return self._families

    def _learn(self, data: bytes, fields: re.Pattern[str] | None) -> list[bytes]:
        self.forget()
        counters, self._odd = self._parse(data, self.path)
        wanted: dict[str, Counter] = {}
        for counter in counters:
            if fields is None or fields.search(f"{counter.protocol}_{counter.name}") is not None:
                name = metric_of(counter.protocol, counter.name).name
                self._odd += name in wanted
                wanted.setdefault(name, counter)
        kept = list(wanted.values())
        if not self._odd:
            # Only a file that is as documented throughout may be read by position from now on.
            self._layout = self._layout_of(data, kept)
        self._metrics = [metric_of(counter.protocol, counter.name) for counter in kept]
        self._numbers = [b""] * len(kept)
        self._made = [None] * len(kept)
        return [counter.number for counter in kept]


class NetstatCollector:
    """Counters of the network protocols, those that the setting `collector.netstat.fields` finds as PROTOCOL_FIELD.

    *Source*: /proc/net/netstat, /proc/net/snmp, /proc/net/snmp6, Documentation/networking/snmp_counter.rst. *Units*: as
    the kernel counts: packets, segments, octets, events. *Absent when*: none of the files is there; without IPv6 there
    is no snmp6. *Cost*: three reads.
    """

    name: ClassVar[str] = "netstat"
    metrics: ClassVar[tuple[Metric, ...]] = tuple(metric_of(*field) for field in DEFAULT_FIELDS)
    left_out: int = 0

    def __init__(self, host: Host, fields: re.Pattern[str] | None) -> None:
        self._host = host
        self._fields = fields
        self._files = [_File(host.proc(path), parse, layout) for path, parse, layout in FILES]

    def collect(self) -> list[Family]:
        self.left_out = 0
        families: list[Family] = []
        found = False
        odd: Malformed | OSError | None = None
        for file in self._files:
            try:
                families += file.families(self._host.read(file.path, at_once=True, built_in=True), self._fields)
            except Absent:
                file.forget()
                continue
            except (Malformed, OSError) as error:
                file.forget()
                self.left_out += 1
                odd = odd or error.with_traceback(None)
                continue
            found = True
            self.left_out += file.left_out
        if not found:
            raise odd or Absent(self._host.proc("net/netstat"))
        return self._once_each(families)

    def _once_each(self, families: list[Family]) -> list[Family]:
        first: dict[str, Family] = {}
        for family in families:
            first.setdefault(family.metric.name, family)
        self.left_out += len(families) - len(first)
        return families if len(first) == len(families) else list(first.values())


def build(host: Host, settings: Settings) -> NetstatCollector:
    return NetstatCollector(host, settings["collector.netstat.fields"])
