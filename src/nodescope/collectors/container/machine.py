"""Collector machine: the machine that containers run on, under cAdvisor's names."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar, Final

from nodescope.collectors.host.cpu_topology import parse_cpu_ranges
from nodescope.collectors.host.meminfo import parse_meminfo
from nodescope.host import Host, text
from nodescope.kernel.attribute import seldom
from nodescope.kernel.number import uint64
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

MAX_ID_BYTES: Final = 64
KEPT_SECONDS: Final = 10.0

_LABELS: Final = ("boot_id", "machine_id", "system_uuid")


def _metric(name: str, what: str) -> Metric:
    return Metric(f"machine_{name}", "gauge", what, _LABELS, keeps_name=True)


CORES: Final = _metric("cpu_cores", "Number of logical CPU cores.")
PHYSICAL_CORES: Final = _metric("cpu_physical_cores", "Number of physical CPU cores.")
SOCKETS: Final = _metric("cpu_sockets", "Number of CPU sockets.")
MEMORY: Final = _metric("memory_bytes", "Amount of memory installed on the machine.")
SWAP: Final = _metric("swap_bytes", "Amount of swap memory available on the machine.")

_SIZES: Final = {"node_memory_MemTotal_bytes": MEMORY, "node_memory_SwapTotal_bytes": SWAP}


class MachineCollector:
    """How many CPUs, cores and sockets the machine has, and how much memory and swap.

    *Source*: /sys/devices/system/cpu (Documentation/ABI/stable/sysfs-devices-system-cpu); /proc/meminfo,
    proc_meminfo(5); the labels from /proc/sys/kernel/random/boot_id, /etc/machine-id (machine-id(5)) and
    /sys/class/dmi/id/product_uuid, which root alone may read. *Units*: bytes, counts; CPUs that are offline are not
    counted. *Absent when*: CPUs where the kernel does not list them, cores and sockets where it does not tell the
    topology, swap where it has none; a label is empty where its file cannot be read. *Cost*: one read each ten
    seconds, two more for each CPU once a minute.
    """

    name: ClassVar[str] = "machine"
    metrics: ClassVar[tuple[Metric, ...]] = (CORES, PHYSICAL_CORES, SOCKETS, MEMORY, SWAP)
    left_out: int = 0

    def __init__(self, host: Host, clock: Callable[[], float] = time.monotonic) -> None:
        self._host = host
        self._clock = clock
        self._meminfo = host.proc("meminfo")
        self._cpus = host.sys("devices/system/cpu")
        self._ids = (
            host.proc("sys/kernel/random/boot_id"),
            host.root("/etc/machine-id"),
            host.sys("class/dmi/id/product_uuid"),
        )
        self._families: list[Family] = []
        self._kept_until = float("-inf")

    def collect(self) -> list[Family]:
        now = self._clock()
        if now >= self._kept_until:
            labels = tuple(text((seldom(self._host, path) or b"")[:MAX_ID_BYTES]) for path in self._ids)
            found = {**self._counts(), **self._totals()}
            self._families = [Family(metric, ((labels, value),)) for metric, value in found.items()]
            self._kept_until = now + KEPT_SECONDS
        return self._families

    def _totals(self) -> dict[Metric, int]:
        """Bytes of memory and of swap."""
        told = parse_meminfo(self._host.read(self._meminfo, at_once=True), self._meminfo)
        return {_SIZES[metric.name]: value for metric, value in told if metric.name in _SIZES}

    def _counts(self) -> dict[Metric, int]:
        """CPUs that are online, the cores that they are, and the sockets that those are in; only what is told."""
        online = seldom(self._host, f"{self._cpus}/online")
        if online is None:
            return {}
        cpus = parse_cpu_ranges(online, f"{self._cpus}/online")
        cores = {(self._number(cpu, "physical_package_id"), self._number(cpu, "core_id")) for cpu in cpus}
        found = {CORES: len(cpus)}
        if not any(None in core for core in cores):
            found |= {PHYSICAL_CORES: len(cores), SOCKETS: len({package for package, _ in cores})}
        return found

    def _number(self, cpu: int, name: str) -> int | None:
        said = seldom(self._host, f"{self._cpus}/cpu{cpu}/topology/{name}")
        return None if said is None else uint64(said)


def build(host: Host, settings: Settings) -> MachineCollector:
    return MachineCollector(host)
