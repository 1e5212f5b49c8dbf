"""CPU seconds, throttling, isolation, online state, and by setting what /proc/cpuinfo says."""

from __future__ import annotations

import logging
import os
import re
from typing import ClassVar, Final

from nodescope.collectors.host.cpu_seconds import GUEST_SECONDS, SECONDS, CpuSeconds
from nodescope.collectors.host.cpu_topology import (
    CORE_THROTTLES,
    ONLINE,
    PACKAGE_THROTTLES,
    CpuTopology,
    parse_cpu_ranges,
)
from nodescope.host import Absent, Host, Malformed
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

INFO: Final = Metric(
    "node_cpu_info",
    "gauge",
    "CPU information from /proc/cpuinfo.",
    ("package", "core", "cpu", "vendor", "family", "model", "model_name", "microcode", "stepping", "cachesize"),
)
FREQUENCY: Final = Metric(
    "node_cpu_frequency_hertz", "gauge", "CPU frequency in hertz from /proc/cpuinfo.", ("package", "core", "cpu")
)
FLAG: Final = Metric(
    "node_cpu_flag_info",
    "gauge",
    "The `flags` field of CPU information from /proc/cpuinfo taken from the first core.",
    ("flag",),
)
BUG: Final = Metric(
    "node_cpu_bug_info",
    "gauge",
    "The `bugs` field of CPU information from /proc/cpuinfo taken from the first core.",
    ("bug",),
)
ISOLATED: Final = Metric(
    "node_cpu_isolated",
    "gauge",
    "Whether each core is isolated, information from /sys/devices/system/cpu/isolated.",
    ("cpu",),
)
HERTZ_PER_MEGAHERTZ: Final = 1e6

log = logging.getLogger(__name__)


class InfoSettings:
    """What of /proc/cpuinfo is shown: flags and bugs that the patterns find, none where a pattern is None; frequencies
    where `frequency`."""

    def __init__(self, flags: re.Pattern[str] | None, bugs: re.Pattern[str] | None, frequency: bool = True) -> None:
        self.flags = flags
        self.bugs = bugs
        self.frequency = frequency


def info_families(data: bytes, source: str, machine: str, shown: InfoSettings) -> list[Family]:
    """The families of /proc/cpuinfo; flags and bugs are those of the first CPU."""
    from nodescope.collectors.host.cpuinfo import parse_cpuinfo

    info: list[Row] = []
    frequency: list[Row] = []
    processors = parse_cpuinfo(data, source, machine)
    for cpu in processors:
        place = (cpu.package, cpu.core, str(cpu.number))
        info.append(
            (
                (
                    *place,
                    cpu.vendor,
                    cpu.family,
                    cpu.model,
                    cpu.model_name,
                    cpu.microcode,
                    cpu.stepping,
                    cpu.cache_size,
                ),
                1,
            )
        )
        if shown.frequency and cpu.mhz is not None:
            frequency.append((place, cpu.mhz * HERTZ_PER_MEGAHERTZ))
    families = (
        Family(INFO, info),
        Family(FREQUENCY, frequency),
        Family(FLAG, _matching(processors[0].flags, shown.flags)),
        Family(BUG, _matching(processors[0].bugs, shown.bugs)),
    )
    return [family for family in families if family.rows]


def _matching(words: tuple[str, ...], pattern: re.Pattern[str] | None) -> list[Row]:
    return [] if pattern is None else [((word,), 1) for word in dict.fromkeys(words) if pattern.search(word)]


class CpuCollector:
    """CPU time by mode, throttling of cores and packages, which CPUs are isolated and online.

    *Source*: /proc/stat, proc_stat(5); /sys/devices/system/cpu (Documentation/ABI/testing/sysfs-devices-system-cpu);
    by setting /proc/cpuinfo. *Units*: seconds, counts, hertz. *Absent when*: /proc/stat is not there; each other
    family where its files are not. *Cost*: one read, one directory, one read for each core, package and CPU that can
    be taken out. Isolation is read once: it is a boot parameter.
    """

    name: ClassVar[str] = "cpu"
    metrics: ClassVar[tuple[Metric, ...]] = (
        SECONDS,
        GUEST_SECONDS,
        CORE_THROTTLES,
        PACKAGE_THROTTLES,
        ONLINE,
        ISOLATED,
        INFO,
        FREQUENCY,
        FLAG,
        BUG,
    )
    left_out: int = 0

    def __init__(self, host: Host, guest: bool, info: InfoSettings | None) -> None:
        self._host = host
        self._stat = host.proc("stat")
        self._cpuinfo = host.proc("cpuinfo")
        self._isolated_path = host.sys("devices/system/cpu/isolated")
        self._seconds = CpuSeconds(guest)
        self._topology = CpuTopology(host)
        self._info = info
        self._isolated: list[Family] | None = None

    def collect(self) -> list[Family]:
        families = self._seconds.families(self._host.read_shared(self._stat), self._stat)
        if self._info is not None:
            data = self._host.read(self._cpuinfo)
            families += info_families(data, self._cpuinfo, os.uname().machine, self._info)
        if self._isolated is None:
            self._isolated = self._read_isolated()
        families += self._isolated + self._topology.families(self._seconds.cpus)
        self.left_out = self._seconds.left_out + self._topology.left_out
        return families

    def _read_isolated(self) -> list[Family]:
        try:
            cpus = parse_cpu_ranges(self._host.read_once(self._isolated_path), self._isolated_path)
        except Absent:
            return []
        except (Malformed, OSError) as error:
            log.warning("isolated CPUs are not shown: %s", error)
            return []
        rows: tuple[Row, ...] = tuple(((str(cpu),), 1) for cpu in dict.fromkeys(cpus))
        return [Family(ISOLATED, rows)] if rows else []


def build(host: Host, settings: Settings) -> CpuCollector:
    flags, bugs = settings["collector.cpu.info.flags-include"], settings["collector.cpu.info.bugs-include"]
    wanted = settings["collector.cpu.info"] or flags is not None or bugs is not None
    # As in node_exporter, the frequencies of /proc/cpuinfo are shown beside those of cpufreq, or not at all.
    info = InfoSettings(flags, bugs, settings.collects("cpufreq")) if wanted else None
    return CpuCollector(host, settings["collector.cpu.guest"], info)
