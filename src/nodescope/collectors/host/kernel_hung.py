"""Tasks that the kernel found hung."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.host import Host, Malformed
from nodescope.kernel.number import uint64
from nodescope.metric import Family, Metric, single
from nodescope.settings import Settings

TASKS: Final = Metric(
    "node_kernel_hung_tasks_total",
    "counter",
    "Total number of tasks that have been detected as hung since the system booted.",
)


def parse_count(data: bytes, source: str) -> int:
    """The one number of the file. Raises `Malformed`."""
    count = uint64(data.strip())
    if count is None:
        raise Malformed(source, data, "a number of tasks")
    return count


class KernelHungCollector:
    """How many tasks the kernel has found hung: in uninterruptible sleep for longer than hung_task_timeout_secs.

    *Source*: /proc/sys/kernel/hung_task_detect_count, Documentation/admin-guide/sysctl/kernel.rst. *Units*: tasks since
    boot. *Absent when*: the kernel is older than 6.13 or does not detect hung tasks. *Cost*: one read.
    """

    name: ClassVar[str] = "kernel_hung"
    metrics: ClassVar[tuple[Metric, ...]] = (TASKS,)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._path = host.proc("sys/kernel/hung_task_detect_count")

    def collect(self) -> list[Family]:
        data = self._host.read(self._path, at_once=True, built_in=True)
        return [single(TASKS, parse_count(data, self._path))]


def build(host: Host, settings: Settings) -> KernelHungCollector:
    return KernelHungCollector(host)
