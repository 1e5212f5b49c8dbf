"""Software RAID."""

from __future__ import annotations

from typing import ClassVar, Final, NamedTuple

from nodescope.collectors.host.mdstat import Array, parse_mdstat
from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.attribute import attribute
from nodescope.kernel.file_name import shown
from nodescope.kernel.number import uint64
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_ARRAYS: Final = 4096
LIST_SECONDS: Final = 10.0


def _metric(name: str, help: str, *labels: str) -> Metric:
    return Metric(f"node_md_{name}", "gauge", help, ("device", *labels))


STATE: Final = _metric("state", "Indicates the state of md-device.", "state")
DISKS: Final = _metric("disks", "Number of active/failed/spare disks of device.", "state")
REQUIRED: Final = _metric("disks_required", "Total number of disks of device.")
BLOCKS: Final = _metric("blocks", "Total number of blocks on device.")
SYNCED: Final = _metric("blocks_synced", "Number of blocks synced on device.")
RAID_DISKS: Final = _metric("raid_disks", "Number of raid disks on device.")
DEGRADED: Final = _metric("degraded", "Number of degraded disks on device.")
METRICS: Final = (STATE, DISKS, REQUIRED, BLOCKS, SYNCED, RAID_DISKS, DEGRADED)

STATES: Final = (
    ("active", "active"),
    ("inactive", "inactive"),
    ("recovering", "recovering"),
    ("resync", "resyncing"),
    ("check", "checking"),
)
"""Label -> state in which its series is 1. Other states, as reshaping, have no series of their own."""

CONTAINERS: Final = frozenset({b"container", b"imsm", b"ddf"})
REDUNDANT: Final = frozenset({b"raid1", b"raid4", b"raid5", b"raid6", b"raid10"})


class Disks(NamedTuple):
    """None: there is no such number. `left_out`: attributes that are not as documented."""

    raid_disks: int | None
    degraded: int | None
    left_out: int


def disks(level: bytes, raid_disks: bytes | None, degraded: bytes | None) -> Disks:
    """What the attributes of an array say of its disks.

    Source: Documentation/admin-guide/md.rst. While an array is reshaped, raid_disks is "11 (10)": now, and before.
    """
    left_out = 0
    required = missing = None
    if raid_disks and level and level not in CONTAINERS:
        required = uint64(raid_disks.partition(b" ")[0])
        left_out += required is None
    if level not in REDUNDANT:
        missing = 0
    elif degraded is not None:
        missing = uint64(degraded)
        left_out += missing is None
    return Disks(required, missing, left_out)


class MdadmCollector:
    """State, disks and progress of each array of the md driver.

    *Source*: /proc/mdstat, md(4); /sys/block/md*/md, Documentation/admin-guide/md.rst. *Units*: blocks of 1 KiB, disks.
    *Absent when*: the md driver is not there. An array whose lines are not as documented is left out, the others stay;
    of an array without devices, and of one that another node of a cluster syncs, the blocks (synced) are unknown.
    *Cost*: one read, and three for each array.
    """

    name: ClassVar[str] = "mdadm"
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._mdstat = host.proc("mdstat")
        self._block = host.sys("block")
        self._last: tuple[bytes, int, list[Family]] = (b"", 0, [])
        self._listed: list[str] = []
        self._folders: list[tuple[tuple[str], tuple[str, str, str]]] = []

    def collect(self) -> list[Family]:
        data = self._host.read(self._mdstat, built_in=True)
        if not data or data != self._last[0]:
            arrays, left_out = parse_mdstat(data, self._mdstat)
            self._last = (data, left_out, _families(arrays))
        self.left_out = self._last[1]
        return self._last[2] + self._from_sysfs()

    def _from_sysfs(self) -> list[Family]:
        try:
            listed = self._host.list(self._block, keep_s=LIST_SECONDS)
        except Absent:
            return []
        if listed != self._listed:
            self._listed = listed
            names = [name for name in listed if name.startswith("md")]
            self._folders = [((shown(name),), self._attributes(name)) for name in names[:MAX_ARRAYS]]
        raid_disks: list[Row] = []
        degraded: list[Row] = []
        for labels, paths in self._folders:
            try:
                level, *numbers = (attribute(self._host, path) for path in paths)
            except (Malformed, OSError):
                self.left_out += 1
                continue
            if level is None:
                continue
            found = disks(level, numbers[0], numbers[1])
            self.left_out += found.left_out
            if found.raid_disks is not None:
                raid_disks.append((labels, found.raid_disks))
            if found.degraded is not None:
                degraded.append((labels, found.degraded))
        return [Family(metric, rows) for metric, rows in ((RAID_DISKS, raid_disks), (DEGRADED, degraded)) if rows]

    def _attributes(self, name: str) -> tuple[str, str, str]:
        folder = f"{self._block}/{name}/md"
        return f"{folder}/level", f"{folder}/raid_disks", f"{folder}/degraded"


def _families(arrays: dict[str, Array]) -> list[Family]:
    columns: dict[str, list[Row]] = {metric.name: [] for metric in METRICS}
    for name, array in arrays.items():
        columns[STATE.name] += [((name, label), int(array.state == state)) for label, state in STATES]
        numbers = (("active", array.active), ("failed", array.failed), ("spare", array.spare))
        columns[DISKS.name] += [((name, state), number) for state, number in numbers]
        columns[REQUIRED.name].append(((name,), array.required))
        if array.blocks is not None:
            columns[BLOCKS.name].append(((name,), array.blocks))
        if array.blocks_synced is not None:
            columns[SYNCED.name].append(((name,), array.blocks_synced))
    return [Family(metric, columns[metric.name]) for metric in METRICS if columns[metric.name]]


def build(host: Host, settings: Settings) -> MdadmCollector:
    return MdadmCollector(host)
