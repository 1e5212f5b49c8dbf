"""Collector softirqs: how often each CPU ran each kind of soft interrupt."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.collectors.host.cpu_columns import cpus_of, many_uint64s
from nodescope.host import Host, Malformed
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

SOFTIRQS: Final = Metric("node_softirqs_functions_total", "counter", "Softirq counts per CPU.", ("cpu", "type"))
VECTORS: Final = ("HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU")

_LINES: Final = {f"{vector}:".encode(): vector for vector in VECTORS}


def parse_softirqs(data: bytes, source: str) -> tuple[list[str], dict[str, list[int]], int]:
    """The CPUs, the numbers of each vector in the same order, and how many lines are left out.

    Raises `Malformed` where there are no CPUs or no vectors.
    """
    header, _, body = data.partition(b"\n")
    cpus = cpus_of(header, source)
    found: dict[str, list[int]] = {}
    left_out = 0
    for line in body.split(b"\n"):
        words = line.split(None, len(cpus) + 1)
        vector = _LINES.get(words.pop(0)) if words else None
        if vector is None:
            continue
        counts = many_uint64s(words) if len(words) == len(cpus) else []
        if counts and vector not in found:
            found[vector] = counts
        else:
            left_out += 1
    if not found:
        raise Malformed(source, data, f"lines such as 'NET_RX: {' '.join('0' * min(len(cpus), 4))}'")
    return cpus, found, left_out


class SoftirqsCollector:
    """How often each CPU ran each kind of soft interrupt.

    *Source*: /proc/softirqs, proc_softirqs(5). *Units*: runs since boot. *Absent when*: the file is not there. The
    kernel shows every CPU that is possible, whether it is there or not. *Cost*: one read.
    """

    name: ClassVar[str] = "softirqs"
    metrics: ClassVar[tuple[Metric, ...]] = (SOFTIRQS,)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._path = host.proc("softirqs")
        self._cpus: list[str] = []
        self._labels: dict[str, list[tuple[str, str]]] = {}

    def collect(self) -> list[Family]:
        cpus, found, self.left_out = parse_softirqs(self._host.read(self._path, at_once=True), self._path)
        if cpus != self._cpus:
            self._cpus = cpus
            self._labels = {vector: [(cpu, vector) for cpu in cpus] for vector in VECTORS}
        rows: list[Row] = []
        for vector, counts in found.items():
            rows += zip(self._labels[vector], counts, strict=True)
        return [Family(SOFTIRQS, rows)]


def build(host: Host, settings: Settings) -> SoftirqsCollector:
    return SoftirqsCollector(host)
