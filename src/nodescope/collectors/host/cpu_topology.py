"""Throttling by core and package, and which CPUs are online, from /sys/devices/system/cpu."""

from __future__ import annotations

import os
import re
import time
from typing import Final

from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.file import stamp
from nodescope.kernel.number import uint64
from nodescope.metric import Family, Metric, Row

TOPOLOGY_SECONDS: Final = 60.0
MAX_ISOLATED: Final = 65_536

CORE_THROTTLES: Final = Metric(
    "node_cpu_core_throttles_total", "counter", "Number of times this CPU core has been throttled.", ("package", "core")
)
PACKAGE_THROTTLES: Final = Metric(
    "node_cpu_package_throttles_total", "counter", "Number of times this CPU package has been throttled.", ("package",)
)
ONLINE: Final = Metric("node_cpu_online", "gauge", "CPUs that are online and being scheduled.", ("cpu",))

_CPU: Final = re.compile("cpu[0-9]")
_REFUSED: Final = b"-"
_NO_PACKAGE: Final = b"-1"
_ONLINE_SAYS: Final = (b"", b"0", b"1")  # nothing: this CPU cannot be taken out

Candidates = dict[tuple[str, ...], list[str]]
"""Labels -> the files that hold their counter, best first. Siblings share a core's counter, cores a package's."""


def parse_cpu_ranges(data: bytes, source: str) -> list[int]:
    """CPU numbers of a list like 1,3-5 (cpuset(7), "List format")."""
    found: list[int] = []
    for part in data.strip().split(b","):
        if not part:
            continue
        first, dash, last = part.partition(b"-")
        begin, end = uint64(first), uint64(last if dash else first)
        if begin is None or end is None or end >= MAX_ISOLATED:
            raise Malformed(source, data, "CPU numbers and ranges like 1,3-5")
        found += range(begin, end + 1)
        if len(found) > MAX_ISOLATED:
            raise Malformed(source, data, f"at most {MAX_ISOLATED} CPUs")
    return found


class CpuTopology:
    """The rows of throttling and of what is online.

    What hangs together (which CPUs form a core, which have counters) is read again when the CPUs that run, or a stored
    directory, change, and every `TOPOLOGY_SECONDS`. In between, one counter is read for each core and package; where
    only some have one, it is looked for in the others.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.sys("devices/system/cpu")
        self._known: tuple[object, ...] = ()
        self._read_at = 0.0
        self._cores: Candidates = {}
        self._packages: Candidates = {}
        self._lacking: list[tuple[Candidates, tuple[str, ...], str]] = []
        self._online_files: list[tuple[tuple[str], str]] = []
        self._online_read: list[bytes] = []
        self._online_rows: tuple[Row, ...] = ()
        self._learned_odd = 0
        self._online_odd = 0
        self._odd = 0

    @property
    def left_out(self) -> int:
        """How many files could not be used when `families` was last called, for they were not as documented."""
        return self._learned_odd + self._online_odd + self._odd

    def families(self, online: list[int]) -> list[Family]:
        """`online`: the CPUs that run now; a change of them is a change of the topology."""
        now = time.monotonic()
        self._odd = 0
        try:
            # The kernel's own directory changes with the CPUs; a stored one may at any time.
            known = (stamp(os.stat(self._folder)) if self._host.stored else (), online)
            if known != self._known or now - self._read_at > TOPOLOGY_SECONDS:
                self._learn([name for name in self._host.list(self._folder) if _CPU.match(name)])
                self._known, self._read_at = known, now
        except (Absent, OSError):
            return []
        if self._lacking:
            # A CPU runs before it has these files. Where none of the others has them, none is looked for.
            self._lacking = [lacking for lacking in self._lacking if not lacking[0] or not self._add(*lacking)]
        families = (
            Family(PACKAGE_THROTTLES, self._counters(self._packages)),
            Family(CORE_THROTTLES, self._counters(self._cores)),
            Family(ONLINE, self._online()),
        )
        return [family for family in families if family.rows]

    def _learn(self, names: list[str]) -> None:
        self._cores, self._packages, self._lacking = {}, {}, []
        self._online_files = [((name[3:],), f"{self._folder}/{name}/online") for name in names]
        self._online_read, self._online_rows, self._online_odd = [], (), 0
        for name in names:
            folder = f"{self._folder}/{name}"
            package = self._number(f"{folder}/topology/physical_package_id", kept=False)
            core = self._number(f"{folder}/topology/core_id", kept=False)
            if package is None or core is None:
                continue
            of_cpu = (
                (self._cores, (str(package), str(core)), f"{folder}/thermal_throttle/core_throttle_count"),
                (self._packages, (str(package),), f"{folder}/thermal_throttle/package_throttle_count"),
            )
            self._lacking += [lacking for lacking in of_cpu if not self._add(*lacking)]
        self._learned_odd, self._odd = self._odd, 0

    def _add(self, candidates: Candidates, labels: tuple[str, ...], path: str) -> bool:
        """Whether the file is there."""
        there = self._host.exists(path)
        if there:
            candidates.setdefault(labels, []).append(path)
        return there

    def _counters(self, candidates: Candidates) -> list[Row]:
        rows: list[Row] = []
        for labels, paths in candidates.items():
            for path in paths:
                value = self._number(path)
                if value is not None:
                    rows.append((labels, value))
                    break
        return rows

    def _online(self) -> tuple[Row, ...]:
        """None where the first CPU has no such file: there, CPUs cannot be taken out."""
        if self._online_files and self._host.lacks(self._online_files[0][1]):
            return ()
        read: list[bytes] = []
        for _, path in self._online_files:
            try:
                # CPUs that can be taken out have this file from boot on.
                read.append(self._host.read(path, built_in=not read))
            except Absent:
                if not read:
                    self._online_odd = 0
                    return ()
                read.append(b"")
            except OSError:
                read.append(_REFUSED)
        if read != self._online_read:
            online = (1 if said.strip() == b"1" else 0 for said in read)
            labels = (labels for labels, _ in self._online_files)
            self._online_read, self._online_rows = read, tuple(zip(labels, online, strict=True))
            self._online_odd = sum(said.strip() not in _ONLINE_SAYS for said in read)
        return self._online_rows

    def _number(self, path: str, kept: bool = True) -> int | None:
        try:
            said = (self._host.read(path) if kept else self._host.read_once(path)).strip()
        except Absent:
            return None
        except OSError:
            said = _REFUSED
        number = uint64(said)
        self._odd += number is None and said != _NO_PACKAGE  # an odd CPU costs its siblings nothing
        return number
