"""Interrupts, context switches, forks, boot time, processes."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.collectors.host.unlabelled import Unlabelled
from nodescope.host import Host, Malformed
from nodescope.kernel.number import uint64, uint64s
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

LINES: Final = (
    (b"intr", Metric("node_intr_total", "counter", "Total number of interrupts serviced.")),
    (b"ctxt", Metric("node_context_switches_total", "counter", "Total number of context switches.")),
    (b"processes", Metric("node_forks_total", "counter", "Total number of forks.")),
    (b"btime", Metric("node_boot_time_seconds", "gauge", "Node boot time, in unixtime.")),
    (b"procs_running", Metric("node_procs_running", "gauge", "Number of processes in runnable state.")),
    (
        b"procs_blocked",
        Metric("node_procs_blocked", "gauge", "Number of processes blocked waiting for I/O to complete."),
    ),
)
SOFTIRQS: Final = Metric("node_softirqs_total", "counter", "Number of softirq calls.", ("vector",))
VECTORS: Final = ("hi", "timer", "net_tx", "net_rx", "block", "block_iopoll", "tasklet", "sched", "hrtimer", "rcu")

_VECTOR_LABELS: Final = tuple((vector,) for vector in VECTORS)


def parse_stat(data: bytes, source: str) -> list[tuple[Metric, int]]:
    """The first number of each line of `LINES`; a line that is not there, or holds no number, is left out."""
    found = []
    for key, metric in LINES:
        value = uint64(_line(data, key).split(None, 1)[0])
        if value is not None:
            found.append((metric, value))
    if not found:
        raise Malformed(source, data, "a line intr, ctxt, processes, btime, procs_running or procs_blocked")
    return found


def parse_softirqs(data: bytes) -> list[int]:
    """Calls by vector, in the order of `VECTORS`; none where the line is not whole."""
    counts = uint64s(_line(data, b"softirq").split()[1 : len(VECTORS) + 1])
    return counts if len(counts) == len(VECTORS) else []


def _line(data: bytes, key: bytes) -> bytes:
    """What follows `key` in its last line, b"-" where there is nothing."""
    start = data.rfind(b"\n" + key + b" ")
    if start < 0:
        if not data.startswith(key + b" "):
            return b"-"
        start = -1
    start += len(key) + 2
    end = data.find(b"\n", start)
    return data[start : end if end >= 0 else len(data)].strip() or b"-"


class StatCollector:
    """Interrupts, context switches, forks, boot time and processes; by setting softirqs by vector.

    *Source*: /proc/stat, proc_stat(5). *Units*: counts since boot; boot time in seconds of Unix time. *Absent when*:
    the file is not there. *Cost*: one read.
    """

    name: ClassVar[str] = "stat"
    metrics: ClassVar[tuple[Metric, ...]] = (*(metric for _, metric in LINES), SOFTIRQS)
    left_out: int = 0

    def __init__(self, host: Host, softirq: bool) -> None:
        self._host = host
        self._path = host.proc("stat")
        self._softirq = softirq
        self._shown = Unlabelled()

    def collect(self) -> list[Family]:
        data = self._host.read_shared(self._path)
        metrics, numbers = zip(*parse_stat(data, self._path), strict=True)
        self.left_out = 0
        if len(numbers) < len(LINES):
            self.left_out = sum(_line(data, key) != b"-" for key, _ in LINES) - len(numbers)
        families = self._shown.families(metrics, numbers)
        if self._softirq and (counts := parse_softirqs(data)):
            families = [*families, Family(SOFTIRQS, list(zip(_VECTOR_LABELS, counts, strict=True)))]
        return families


def build(host: Host, settings: Settings) -> StatCollector:
    return StatCollector(host, settings["collector.stat.softirq"])
