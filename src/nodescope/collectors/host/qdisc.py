"""Queueing disciplines."""

from __future__ import annotations

from typing import ClassVar, Final, NamedTuple

from nodescope.collectors.host.device_filter import DeviceFilter, from_settings
from nodescope.host import Host, Malformed, text
from nodescope.kernel.device_names import DeviceNames
from nodescope.kernel.number import UINT64_MAX
from nodescope.kernel.qdiscs import Qdisc, QdiscSocket, Statistics, parse_qdisc
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

FIXTURE: Final = "results.json"


def _metric(name: str, type: str, help: str) -> Metric:
    return Metric(f"node_qdisc_{name}", "counter" if type == "counter" else "gauge", help, ("device", "kind"))


METRICS: Final = (
    _metric("bytes_total", "counter", "Number of bytes sent."),
    _metric("packets_total", "counter", "Number of packets sent."),
    _metric("drops_total", "counter", "Number of packets dropped."),
    _metric("requeues_total", "counter", "Number of packets dequeued, not transmitted, and requeued."),
    _metric("overlimits_total", "counter", "Number of overlimit packets."),
    _metric("current_queue_length", "gauge", "Number of packets currently in queue to be sent."),
    _metric("backlog", "gauge", "Number of bytes currently in queue to be sent."),
)
"""In the order of `Statistics`."""

FIXTURE_KEYS: Final = ("Bytes", "Packets", "Drops", "Requeues", "Overlimits", "Qlen", "Backlog")
"""The names of `Statistics` in a fixture."""


class Root(NamedTuple):
    device: str
    kind: str
    statistics: Statistics


def parse_fixture(data: bytes, source: str) -> tuple[list[Root], int]:
    """The root disciplines of a list of objects, and how many of them could not be read. Raises `Malformed`."""
    # Of no use outside of tests, so it is not in memory before.
    import json

    try:
        listed = json.loads(text(data))
    except (ValueError, RecursionError):
        listed = None
    if not isinstance(listed, list):
        raise Malformed(source, data, "a JSON list of queueing disciplines")
    roots: list[Root] = []
    left_out = 0
    for entry in listed:
        given = entry if isinstance(entry, dict) else {}
        device, kind = (_text(given.get(key, "")) for key in ("IfaceName", "Kind"))
        parent, *numbers = (_number(given.get(key, 0)) for key in ("Parent", *FIXTURE_KEYS))
        known = [number for number in numbers if number is not None]
        if not given or device is None or kind is None or parent is None or len(known) < len(FIXTURE_KEYS):
            left_out += 1
        elif parent == 0:
            roots.append(Root(device, kind, Statistics(*known)))
    return roots, left_out


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= UINT64_MAX else None


def _text(value: object) -> str | None:
    return text(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else None


class QdiscCollector:
    """What the root queueing discipline of each network device sent, dropped and holds.

    *Source*: rtnetlink(7), RTM_GETQDISC, tc(8); by setting results.json of a directory, as node_exporter's tests have.
    *Units*: packets, bytes. *Absent when*: a device has no queueing discipline. *Cost*: one dump.
    """

    name: ClassVar[str] = "qdisc"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    left_out: int = 0

    def __init__(self, host: Host, devices: DeviceFilter, fixtures: str | None, qdiscs: QdiscSocket) -> None:
        self._host = host
        self._devices = devices
        self._fixture = f"{fixtures.rstrip('/') or '/'}/{FIXTURE}" if fixtures else ""
        self._qdiscs = qdiscs
        self._names = DeviceNames()
        self._parsed: dict[bytes, Qdisc | None] = {}
        self._labels: list[tuple[str, str]] = []
        self._last: dict[str, tuple[tuple[int, ...], Family]] = {}

    def collect(self) -> list[Family]:
        found, self.left_out = self._from_fixture() if self._fixture else self._over_netlink()
        shown: dict[tuple[str, str], Statistics] = {}
        for device, kind, statistics in found:
            if not self._devices.keeps(device):
                continue
            if (device, kind) in shown:
                self.left_out += 1
            else:
                shown[device, kind] = statistics
        if list(shown) != self._labels:
            self._labels, self._last = list(shown), {}
        columns = zip(*shown.values(), strict=True)
        return [self._family(metric, column) for metric, column in zip(METRICS, columns, strict=False)]

    def _family(self, metric: Metric, column: tuple[int, ...]) -> Family:
        """The very family of the last time where no device's number has changed, as most have not."""
        last = self._last.get(metric.name)
        if last is None or last[0] != column:
            last = column, Family(metric, list(zip(self._labels, column, strict=True)))
            self._last[metric.name] = last
        return last[1]

    def _over_netlink(self) -> tuple[list[Root], int]:
        payloads, left_out = self._qdiscs.payloads()
        before, self._parsed = self._parsed, {}
        self._names.refresh()
        roots: list[Root] = []
        for payload in payloads:
            try:
                qdisc = before[payload] if payload in before else parse_qdisc(payload)
            except Malformed:
                left_out += 1
                continue
            self._parsed[payload] = qdisc
            device = None if qdisc is None else self._names.name_of(qdisc.link)
            # Without a name: the device went away behind the dump.
            if qdisc is not None and device is not None:
                roots.append(Root(device, qdisc.kind, qdisc.statistics))
        return roots, left_out

    def _from_fixture(self) -> tuple[list[Root], int]:
        return parse_fixture(self._host.read_once(self._fixture), self._fixture)


def build(host: Host, settings: Settings) -> QdiscCollector:
    return QdiscCollector(
        host,
        from_settings(settings, "collector.qdisc.device-include", "collector.qdisc.device-exclude"),
        settings["collector.qdisc.fixtures"],
        QdiscSocket(),
    )
