"""What sysfs says of one Btrfs filesystem. Source: fs/btrfs/sysfs.c, btrfs(5)."""

from __future__ import annotations

from typing import Final, NamedTuple

from nodescope.collectors.host.btrfs_ioctl import ERROR_TYPES
from nodescope.host import Absent, Host, text
from nodescope.kernel.attribute import attribute, seldom
from nodescope.kernel.file_name import shown
from nodescope.kernel.number import uint64

MAX_DEVICES: Final = 4096
MAX_LAYOUTS: Final = 64
LIST_SECONDS: Final = 10.0
SECTOR_BYTES: Final = 512

GROUPS: Final = ("data", "metadata", "system", "mixed")
"""Types of block groups; a filesystem has `mixed` in place of the first two where it was made so."""

COPIES: Final = {"single": 1, "raid0": 1, "dup": 2, "raid1": 2, "raid10": 2, "raid1c3": 3, "raid1c4": 4}
PARITIES: Final = {"raid5": 1, "raid6": 2}
COMMITS: Final = (b"commits", b"last_commit_ms", b"max_commit_ms", b"total_commit_ms")


def allocation_ratio(layout: str, devices: int) -> float | None:
    """Bytes that a byte of data takes; None where that is not known."""
    if layout in COPIES:
        return COPIES[layout]
    spare = PARITIES.get(layout)
    return None if spare is None or devices <= spare else devices / (devices - spare)


def parse_numbers(data: bytes, names: tuple[bytes, ...]) -> tuple[dict[bytes, int], int]:
    """Those of `names` that a file of names and numbers has, and how many of its lines are neither."""
    found: dict[bytes, int] = {}
    left_out = 0
    for line in data.split(b"\n"):
        words = line.split()
        if not words or (words[0] not in names and len(words) == 2):
            continue
        number = uint64(words[1]) if len(words) == 2 else None
        if number is None or words[0] in found:
            left_out += 1
        else:
            found[words[0]] = number
    return found, left_out


class Space(NamedTuple):
    """Numbers of a layout of a type of block groups, None where not known."""

    group: str
    layout: str
    used: int | None
    total: int | None


class Filesystem:
    """One filesystem: the paths of its attributes. `left_out`: attributes of this run that are not as documented."""

    def __init__(self, host: Host, name: str) -> None:
        self.fsid = name.replace("-", "")
        self.left_out = 0
        self._host = host
        self._name = shown(name)
        self._folder = host.sys(f"fs/btrfs/{name}")
        self._reserved = [(group, f"{self._folder}/allocation/{group}/bytes_reserved") for group in GROUPS]
        self._layouts: dict[str, tuple[list[str], list[tuple[str, str, str]]]] = {}
        self._devices: tuple[list[str], list[tuple[str, str]]] = ([], [])

    def uuid(self) -> str:
        return text(seldom(self._host, f"{self._folder}/metadata_uuid") or b"") or self._name

    def label(self) -> str:
        return text(seldom(self._host, f"{self._folder}/label") or b"")

    def exists(self) -> bool:
        return bool(self._list("allocation"))

    def global_reserve(self) -> int | None:
        return self._number(attribute(self._host, f"{self._folder}/allocation/global_rsv_size"))

    def commits(self) -> dict[bytes, int]:
        """As `COMMITS`; all 0 where the kernel, older than 6.0, does not count them."""
        data = attribute(self._host, f"{self._folder}/commit_stats")
        if data is None:
            return dict.fromkeys(COMMITS, 0)
        found, left_out = parse_numbers(data, COMMITS)
        self.left_out += left_out
        return found

    def reserved(self) -> list[tuple[str, int]]:
        """Type of block groups, bytes reserved."""
        numbers = [(group, self._number(attribute(self._host, path))) for group, path in self._reserved]
        return [(group, number) for group, number in numbers if number is not None]

    def spaces(self) -> list[Space]:
        return [
            Space(group, layout, *(self._number(attribute(self._host, path)) for path in (used, total)))
            for group in GROUPS
            for layout, used, total in self._layouts_of(group)
        ]

    def device_count(self) -> int:
        return len(self._device_paths())

    def device_sizes(self) -> list[tuple[str, int]]:
        """Name and bytes of each device that is there."""
        sizes = []
        for name, path in self._device_paths():
            sectors = self._number(seldom(self._host, path))
            if sectors is not None:
                sizes.append((name, sectors * SECTOR_BYTES))
        return sizes

    def errors(self) -> tuple[str, list[tuple[str, int]]] | None:
        """Name of the only device and its errors by type; None where there are more: files and names do not match."""
        devices, ids = self._device_paths(), self._list("devinfo")
        data = None
        if len(devices) == len(ids) == 1:
            data = attribute(self._host, f"{self._folder}/devinfo/{ids[0]}/error_stats")
        if not data or data == b"invalid":
            return None
        found, left_out = parse_numbers(data, tuple(f"{each}_errs".encode() for each in ERROR_TYPES))
        self.left_out += left_out
        errors = [(each, found.get(f"{each}_errs".encode())) for each in ERROR_TYPES]
        return devices[0][0], [(each, number) for each, number in errors if number is not None]

    def _layouts_of(self, group: str) -> list[tuple[str, str, str]]:
        """Name, file of used bytes, file of all bytes. A layout is a folder among the files of the group."""
        listed = self._list(f"allocation/{group}")
        before, paths = self._layouts.get(group, ([], []))
        if listed != before:
            folder = f"{self._folder}/allocation/{group}"
            layouts = [each for each in listed if self._host.exists(f"{folder}/{each}/total_bytes")][:MAX_LAYOUTS]
            paths = [(shown(each), f"{folder}/{each}/used_bytes", f"{folder}/{each}/total_bytes") for each in layouts]
            self._layouts[group] = (listed, paths)
        return paths

    def _device_paths(self) -> list[tuple[str, str]]:
        listed = self._list("devices")
        if listed != self._devices[0]:
            paths = [(shown(name), f"{self._folder}/devices/{name}/size") for name in listed[:MAX_DEVICES]]
            self._devices = (listed, paths)
        return self._devices[1]

    def _list(self, folder: str) -> list[str]:
        try:
            return self._host.list(f"{self._folder}/{folder}", keep_s=LIST_SECONDS)
        except Absent:
            return []

    def _number(self, raw: bytes | None) -> int | None:
        number = None if raw is None else uint64(raw)
        self.left_out += raw is not None and number is None
        return number
