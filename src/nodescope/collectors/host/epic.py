"""The mock node exporter's names, which need a rate or one number for all devices."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeVar

from nodescope.collectors.host.cpu_seconds import CpuTimes, parse_cpu_times
from nodescope.collectors.host.device_filter import DeviceFilter, from_settings
from nodescope.collectors.host.diskstats import parse_diskstats
from nodescope.collectors.host.loadavg import parse_loadavg
from nodescope.collectors.host.netdev import PROC_NAMES, parse_net_dev
from nodescope.collectors.host.usage import Disks, NetworkTotals, cpu_usage, disk_usage, parse_memory
from nodescope.host import Absent, Host, Malformed, text
from nodescope.metric import Family, Metric
from nodescope.profiles import View
from nodescope.profiles.epic import CPU, DISK, LOAD, NETWORK, NODE
from nodescope.records.host import CpuUsage, DiskUsage, NodeUsage
from nodescope.sampler import Snapshot
from nodescope.sampling import NoSnapshot, SamplerLoop, SnapshotCollector
from nodescope.settings import Settings

FIRST_WAIT_SECONDS: Final = 0.25
POLL_SECONDS: Final = 0.005

_RECEIVED: Final = PROC_NAMES.index("receive_bytes")
_SENT: Final = PROC_NAMES.index("transmit_bytes")

Answer = TypeVar("Answer")


class EpicSampler:
    """Use of CPUs, memory, the root filesystem, disks and network.

    *Source*: /proc/stat, /proc/meminfo, /proc/diskstats, /proc/net/dev, /proc/loadavg, statfs(2) of the root. A source
    that fails costs its own numbers and is counted. Files are opened anew: descriptors that are kept belong to the
    thread of a scrape. *Cost*: five files, one statfs, one stat for each network device.
    """

    name: ClassVar[str] = "epic"
    demand_wait_s: float = 0.0

    def __init__(self, host: Host, disks: DeviceFilter, interval_s: float) -> None:
        self.interval_s = self.rest_s = interval_s
        self.left_out = 0
        self._host = host
        self._shown_disks = disks
        self._errors = 0
        self._odd = 0
        self._cpus: CpuTimes | None = None
        self._disks: tuple[float, Disks] | None = None
        self._totals = NetworkTotals()

    def sample(self) -> tuple[Any, ...]:
        self._odd = 0
        cpu = self._tried(self._sample_cpus)
        memory = self._tried(self._sample_memory)
        disks = self._tried(self._sample_disks)
        root = self._tried(self._sample_root)
        network = self._tried(self._sample_network)
        load = self._tried(self._sample_load)
        heard: tuple[object, ...] = (cpu, memory, disks, network, load)
        if not self._odd and all(answer is None for answer in heard):
            raise Absent(self._host.procfs)
        self.left_out = self._odd
        percent, cpus = cpu or (None, [])
        node = NodeUsage(self._errors, percent, *(memory or (None, None)), *(root or (None, None)),
                         *(network or (None, None)), *(load or (None, None, None)))  # fmt: skip
        return (node, *cpus, *(disks or ()))

    def _tried(self, read: Callable[[], Answer]) -> Answer | None:
        """None where the source is not there, or cannot be used, which is counted."""
        try:
            return read()
        except Absent:
            return None
        except (Malformed, OSError):
            self._errors += 1
            self._odd += 1
            return None

    def _sample_cpus(self) -> tuple[float | None, list[CpuUsage]]:
        path = self._host.proc("stat")
        before, self._cpus = self._cpus, parse_cpu_times(self._host.read_once(path), path)
        self._odd += self._cpus.left_out
        return (None, []) if before is None else cpu_usage(before, self._cpus)

    def _sample_memory(self) -> tuple[int | None, int]:
        path = self._host.proc("meminfo")
        total, used = parse_memory(self._host.read_once(path), path)
        return used, total

    def _sample_disks(self) -> list[DiskUsage]:
        path = self._host.proc("diskstats")
        data, now = self._host.read_once(path), time.monotonic()
        found = parse_diskstats(data, path)
        kept = {key: numbers for key, numbers in found.items() if self._shown_disks.keeps(text(key[2]))}
        before, self._disks = self._disks, (now, kept)
        return [] if before is None else disk_usage(before[1], kept, now - before[0])

    def _sample_root(self) -> tuple[float, float] | None:
        root = os.statvfs(self._host.root("/"))
        block = float(root.f_bsize)
        return ((root.f_blocks - root.f_bfree) * block, root.f_blocks * block) if root.f_blocks else None

    def _sample_network(self) -> tuple[int, int] | None:
        path = self._host.proc("1/net/dev")
        try:
            data = self._host.read_once(path)
        except (Absent, PermissionError):
            path = self._host.proc("net/dev")
            data = self._host.read_once(path)
        found = parse_net_dev(data, path)
        # What a bridge, a bond or a tunnel counts goes through a device of the machine, which counts it too.
        names = [name for name in found if self._host.exists(self._host.sys(f"class/net/{name}/device"))]
        names = names or [name for name in found if name != "lo"]
        if not names:
            return None
        self._totals.add({name: (found[name][_RECEIVED], found[name][_SENT]) for name in names})
        return self._totals.received, self._totals.sent

    def _sample_load(self) -> list[float]:
        path = self._host.proc("loadavg")
        return parse_loadavg(self._host.read_once(path), path)


class EpicCollector(SnapshotCollector):
    """The mock node exporter's names: use in percent, what disks do in a second, one number for all devices.

    *Source*: the newest snapshot of `EpicSampler`. *Units*: percent, bytes, bytes and operations in a second. *Absent
    when*: there is no /proc; what needs a rate before the second sample. Names that node_exporter has too are those of
    the collectors netdev and loadavg; a listener without those shows them as the mock has them, without labels.
    *Cost*: none at scrape.
    """

    name: ClassVar[str] = "epic"
    metrics: ClassVar[tuple[Metric, ...]] = tuple(row.metric for row in (*NODE, *CPU, *DISK, *NETWORK, *LOAD))
    left_out: int = 0

    def __init__(self, sampler: EpicSampler) -> None:
        super().__init__(SamplerLoop(sampler), View((*NODE, *NETWORK, *LOAD)))
        self._sampler = sampler
        self._views = ((NodeUsage, self.view), (CpuUsage, View(CPU)), (DiskUsage, View(DISK)))
        self._last: tuple[tuple[Any, ...], list[Family]] = ((), [])

    def collect(self) -> list[Family]:
        records = self._newest().records
        self.left_out = self._sampler.left_out
        if records is not self._last[0]:
            families = [
                family
                for kind, view in self._views
                for family in view.render(record for record in records if isinstance(record, kind))
            ]
            self._last = (records, families)
        return self._last[1]

    def _newest(self) -> Snapshot:
        """The newest snapshot. Waits a little for the first one of all, but never asks for one: rates need time."""
        deadline = time.monotonic() + FIRST_WAIT_SECONDS
        while True:
            try:
                return self.loop.fresh()
            except NoSnapshot:
                if self.loop.snapshot is not None or time.monotonic() >= deadline:
                    raise
            time.sleep(POLL_SECONDS)


def build(host: Host, settings: Settings) -> EpicCollector:
    disks = from_settings(settings, "collector.diskstats.device-include", "collector.diskstats.device-exclude")
    return EpicCollector(EpicSampler(host, disks, settings["collector.epic.interval"]))
