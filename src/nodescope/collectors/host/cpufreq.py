"""CPU frequencies and governors."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from nodescope.collectors.host.cpu_topology import parse_cpu_ranges
from nodescope.collectors.host.number_file import NumberFile, rows_anew
from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.attribute_reader import AttributeReader
from nodescope.kernel.number import uint64
from nodescope.kernel.side_by_side import read_all
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_CPUS: Final = 65_536
MAX_GOVERNORS: Final = 64
RELIST_SECONDS: Final = 60.0


def _metric(name: str, help: str) -> Metric:
    return Metric(f"node_cpu_{name}_hertz", "gauge", f"{help} CPU thread frequency in hertz.", ("cpu",))


LIVE: Final = {
    "cpuinfo_cur_freq": _metric("frequency", "Current"),
    "cpuinfo_avg_freq": _metric("frequency_avg", "Average"),
    "scaling_cur_freq": _metric("scaling_frequency", "Current scaled"),
}
LIMITS: Final = {
    "cpuinfo_min_freq": _metric("frequency_min", "Minimum"),
    "cpuinfo_max_freq": _metric("frequency_max", "Maximum"),
    "scaling_min_freq": _metric("scaling_frequency_min", "Minimum scaled"),
    "scaling_max_freq": _metric("scaling_frequency_max", "Maximum scaled"),
}
OPTIONAL: Final = ("cpuinfo_cur_freq", "cpuinfo_avg_freq")
"""Files that many drivers do not have."""
GOVERNOR: Final = Metric(
    "node_cpu_scaling_governor", "gauge", "Current enabled CPU frequency governor.", ("cpu", "governor")
)

_CPU: Final = re.compile("cpu([0-9]+)")


def parse_kilohertz(raw: bytes) -> float | None:
    """Hertz of a number of kilohertz."""
    value = uint64(raw)
    return None if value is None else value * 1000.0


def governor_rows(cpu: str, available: bytes, current: bytes) -> list[Row]:
    """A row for each governor, 1 for the one in force; that one alone where the kernel does not list them."""
    if not current.strip():
        return []
    names = dict.fromkeys(text(word) for word in available.split()[:MAX_GOVERNORS])
    now = text(current.strip())
    return [((cpu, name), 1 if name == now else 0) for name in names or (now,)]


class CpufreqCollector:
    """Frequency of each CPU that is online, its limits, and the governor in force.

    *Source*: /sys/devices/system/cpu/cpuN/cpufreq, Documentation/admin-guide/pm/cpufreq.rst. *Units*: hertz. *Absent
    when*: the kernel does not say which CPUs are offline. Nothing is said of a CPU whose frequency the kernel does not
    manage, as in virtual machines. *Cost*: one or two reads for each CPU; limits and governors are read once a minute.
    Kernels before 5.18 may sleep 10 ms for each CPU that is busy: then CPUs are read side by side.
    """

    name: ClassVar[str] = "cpufreq"
    metrics: ClassVar[tuple[Metric, ...]] = (*LIVE.values(), *LIMITS.values(), GOVERNOR)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.sys("devices/system/cpu")
        self._reader = AttributeReader(host)
        self._listed: list[str] = []
        self._offline = b""
        self._live: list[tuple[Metric, NumberFile]] = []
        self._paths: list[str] = []
        self._limits: list[tuple[Metric, list[NumberFile]]] = []
        self._governor_rows: dict[str, tuple[tuple[bytes, bytes], list[Row]]] = {}
        self._present: list[tuple[str, str, bool, bool]] = []
        self._held: list[Family] = []
        self._left_out_once = 0

    def collect(self) -> list[Family]:
        offline = self._host.read(f"{self._folder}/offline")
        listed = self._host.list(self._folder, keep_s=RELIST_SECONDS)
        if listed is not self._listed or offline != self._offline:
            self._learn(listed, offline)
            self._listed, self._offline = listed, offline
        reader = self._reader
        reader.left_out = self._left_out_once
        rows: dict[Metric, list[Row]] = {}
        for (metric, file), data in zip(self._live, read_all(reader.now, self._paths), strict=True):
            row = file.row(data, reader)
            if row is not None:
                rows.setdefault(metric, []).append(row)
        self.left_out = reader.left_out
        return [*(Family(metric, found) for metric, found in rows.items()), *self._held]

    def _learn(self, listed: list[str], offline: bytes) -> None:
        reader = self._reader
        cpus = [match[1] for name in listed if (match := _CPU.fullmatch(name))]
        reader.left_out = max(0, len(cpus) - MAX_CPUS)
        folders = [(cpu, f"{self._folder}/cpu{cpu}/cpufreq") for cpu in self._online(cpus[:MAX_CPUS], offline)]
        present = [
            (cpu, folder, OPTIONAL[0] in files, OPTIONAL[1] in files)
            for cpu, folder in folders
            if (files := self._files(folder)) is not None
        ]
        if present != self._present:
            self._present = present
            self._plan()
        families = [Family(metric, rows_anew(files, reader)) for metric, files in self._limits]
        families.append(Family(GOVERNOR, [row for cpu, folder, *_ in present for row in self._governors(cpu, folder)]))
        self._held = [family for family in families if family.rows]
        self._left_out_once = reader.left_out

    def _files(self, folder: str) -> list[str] | None:
        try:
            return self._host.list(folder)
        except Absent:
            return None

    def _plan(self) -> None:
        self._live, self._governor_rows = [], {}
        for name, metric in LIVE.items():
            for cpu, folder, *optional in self._present:
                if name not in OPTIONAL or optional[OPTIONAL.index(name)]:
                    self._live.append((metric, NumberFile(f"{folder}/{name}", (cpu,), parse_kilohertz)))
        self._paths = [file.path for _, file in self._live]
        self._limits = [
            (metric, [NumberFile(f"{folder}/{name}", (cpu,), parse_kilohertz) for cpu, folder, *_ in self._present])
            for name, metric in LIMITS.items()
        ]

    def _online(self, cpus: list[str], offline: bytes) -> list[str]:
        try:
            away = set(parse_cpu_ranges(offline, f"{self._folder}/offline"))
        except Malformed:
            self._reader.left_out += 1  # an odd list costs no CPU its frequency
            return cpus
        return [cpu for cpu in cpus if int(cpu) not in away]

    def _governors(self, cpu: str, folder: str) -> list[Row]:
        read = (
            self._reader.anew(f"{folder}/scaling_available_governors") or b"",
            self._reader.anew(f"{folder}/scaling_governor") or b"",
        )
        known = self._governor_rows.get(cpu)
        if known is None or known[0] != read:
            known = self._governor_rows[cpu] = (read, governor_rows(cpu, *read))
        return known[1]


def build(host: Host, settings: Settings) -> CpufreqCollector:
    return CpufreqCollector(host)
