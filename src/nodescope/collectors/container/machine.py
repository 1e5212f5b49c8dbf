"""Collector machine: the machine that containers run on, under cAdvisor's names."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.collectors.host.cpu_topology import parse_cpu_ranges
from nodescope.host import Host, Malformed, text
from nodescope.kernel.attribute import seldom
from nodescope.kernel.number import uint64
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

BYTES_PER_KIB: Final = 1024
MAX_ID_BYTES: Final = 64

_LABELS: Final = ("boot_id", "machine_id", "system_uuid")


def _metric(name: str, what: str) -> Metric:
    return Metric(f"machine_{name}", "gauge", what, _LABELS, keeps_name=True)


CORES: Final = _metric("cpu_cores", "Number of logical CPU cores.")
PHYSICAL_CORES: Final = _metric("cpu_physical_cores", "Number of physical CPU cores.")
SOCKETS: Final = _metric("cpu_sockets", "Number of CPU sockets.")
MEMORY: Final = _metric("memory_bytes", "Amount of memory installed on the machine.")
SWAP: Final = _metric("swap_bytes", "Amount of swap memory available on the machine.")

_SIZES: Final = {b"MemTotal:": MEMORY, b"SwapTotal:": SWAP}


def parse_totals(data: bytes, source: str) -> dict[Metric, int]:
    """Bytes of memory and, where the kernel has it, of swap. Raises `Malformed` where memory is not told."""
    found: dict[Metric, int] = {}
    for line in data.split(b"\n"):
        words = line.split()
        kib = uint64(words[1]) if len(words) == 3 and words[0] in _SIZES and words[2] == b"kB" else None
        if kib is not None:
            found[_SIZES[words[0]]] = kib * BYTES_PER_KIB
    if MEMORY not in found:
        raise Malformed(source, data, "a line like 'MemTotal: 16384 kB'")
    return found


class MachineCollector:
    """How many CPUs, cores and sockets the machine has, and how much memory and swap.

    *Source*: /sys/devices/system/cpu (Documentation/ABI/stable/sysfs-devices-system-cpu); /proc/meminfo,
    proc_meminfo(5); the labels from /proc/sys/kernel/random/boot_id, /etc/machine-id (machine-id(5)) and
    /sys/class/dmi/id/product_uuid, which root alone may read. *Units*: bytes, counts; CPUs that are offline are not
    counted. *Absent when*: CPUs where the kernel does not list them, cores and sockets where it does not tell the
    topology; a label is empty where its file cannot be read. *Cost*: one read; the others, two for each CPU, once a
    minute.
    """

    name: ClassVar[str] = "machine"
    metrics: ClassVar[tuple[Metric, ...]] = (CORES, PHYSICAL_CORES, SOCKETS, MEMORY, SWAP)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._meminfo = host.proc("meminfo")
        self._cpus = host.sys("devices/system/cpu")
        self._ids = (
            host.proc("sys/kernel/random/boot_id"),
            host.root("/etc/machine-id"),
            host.sys("class/dmi/id/product_uuid"),
        )

    def collect(self) -> list[Family]:
        labels = tuple(text((seldom(self._host, path) or b"")[:MAX_ID_BYTES]) for path in self._ids)
        found = {**self._counts(), **parse_totals(self._host.read(self._meminfo, at_once=True), self._meminfo)}
        return [Family(metric, ((labels, value),)) for metric, value in found.items()]

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
