"""Collector cgroups: how many cgroups each controller has."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.host import Host, Malformed, text
from nodescope.kernel.number import uint64s
from nodescope.metric import Family, Metric
from nodescope.settings import Settings

MAX_CONTROLLERS: Final = 256

CGROUPS: Final = Metric("node_cgroups_cgroups", "gauge", "Current cgroup number of the subsystem.", ("subsys_name",))
ENABLED: Final = Metric("node_cgroups_enabled", "gauge", "Current cgroup number of the subsystem.", ("subsys_name",))


def parse_cgroups(data: bytes, source: str) -> tuple[dict[bytes, tuple[int, int]], int]:
    """Controller -> its cgroups and whether it is enabled, and how many lines are left out.

    None where there is but the heading; raises `Malformed` where there are lines, and none that is understood.
    """
    found: dict[bytes, tuple[int, int]] = {}
    left_out = 0
    for line in data.split(b"\n"):
        words = line.split()
        if not words or line.startswith(b"#"):
            continue
        numbers = uint64s(words[1:4])
        if len(numbers) == 3 and words[0] not in found and len(found) < MAX_CONTROLLERS:
            found[words[0]] = (numbers[1], numbers[2])
        else:
            left_out += 1
    if not found and (left_out or not data.strip()):
        raise Malformed(source, data, "lines of controller, hierarchy, cgroups, enabled")
    return found, left_out


class CgroupsCollector:
    """How many cgroups each controller has, and whether it is enabled.

    *Source*: /proc/cgroups, cgroups(7). *Units*: cgroups; enabled is 0 or 1. *Absent when*: the kernel has no cgroups.
    *Cost*: one read.
    """

    name: ClassVar[str] = "cgroups"
    metrics: ClassVar[tuple[Metric, ...]] = (CGROUPS, ENABLED)
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._path = host.proc("cgroups")
        self._last: tuple[bytes, list[Family], int] = (b"", [], 0)

    def collect(self) -> list[Family]:
        data = self._host.read(self._path, at_once=True, built_in=True)
        if not data or data != self._last[0]:
            found, left_out = parse_cgroups(data, self._path)
            rows = [((text(controller),), *numbers) for controller, numbers in found.items()]
            families = [
                Family(CGROUPS, [(labels, cgroups) for labels, cgroups, _ in rows]),
                Family(ENABLED, [(labels, enabled) for labels, _, enabled in rows]),
            ]
            self._last = (data, families if rows else [], left_out)
        self.left_out = self._last[2]
        return self._last[1]


def build(host: Host, settings: Settings) -> CgroupsCollector:
    return CgroupsCollector(host)
