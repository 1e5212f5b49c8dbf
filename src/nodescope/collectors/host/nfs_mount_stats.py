"""Statistics of NFS mounts, as the kernel prints them below each mount.

Source: /proc/PID/mountstats, proc_pid_mountstats(5), mountstats(8); addresses of servers from /proc/PID/mountinfo.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from nodescope.host import Malformed
from nodescope.kernel.number import uint64, uint64s

MAX_MOUNTS: Final = 65_536
MAX_TRANSPORTS: Final = 256

TRANSPORT: Final = 13

# Where a line of each kind has its numbers in a line of tcp in version 1.1, None being one that it lacks, and 0 there.
_TCP10: Final = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, None, None, None)
_UDP: Final = (0, 1, None, None, None, 2, 3, 4, 5, 6, 7, 8, 9)
TRANSPORTS: Final[dict[tuple[bytes, bytes], tuple[int, bool, tuple[int | None, ...]]]] = {
    (b"1.0", b"tcp"): (10, False, _TCP10),
    (b"1.0", b"udp"): (7, False, (*_UDP[:10], None, None, None)),
    (b"1.1", b"tcp"): (13, False, tuple(range(13))),
    (b"1.1", b"udp"): (10, False, _UDP),
    # Kernels differ in how many counters of chunks and registrations come after the first ten.
    (b"1.1", b"rdma"): (20, True, _TCP10),
}
"""Version and protocol -> how many numbers a line has, whether it may have more, and where they belong."""

_HEAD: Final = re.compile(rb"^(?:no )?device[ \t].*$", re.MULTILINE)
_MOUNT: Final = re.compile(
    rb"(?:no device|device (\S*)) mounted on (\S*) with fstype (\S+)(?: +(\S+))?(?: .*)?[ \t\r]*"
)
_OPERATIONS: Final = re.compile(rb"^[ \t]*per-op\b.*\n?", re.MULTILINE)
_VERSION: Final = b"statvers="

Mount = tuple[bytes, bytes, bytes]
"""Device, mount point and type, escaped as the kernel prints them."""


class NfsMount(NamedTuple):
    """An NFS mount and what stands below it: statistics of the mount, and those of each operation."""

    mount: Mount
    version: bytes
    lines: list[bytes]
    operations: bytes


class Transport(NamedTuple):
    """A connection to the server. A number that the kernel does not print is 0, one that cannot be read None."""

    protocol: str
    numbers: tuple[int | None, ...]


def parse_mounts(data: bytes, source: str) -> tuple[list[NfsMount], int]:
    """The NFS mounts that have statistics, in the kernel's order, and how many mounts are left out.

    Raises `Malformed` where there is no mount at all.
    """
    heads = list(_HEAD.finditer(data))
    if not heads:
        raise Malformed(source, data, "lines like: device DEVICE mounted on PLACE with fstype TYPE")
    found: list[NfsMount] = []
    odd = 0
    ends = [head.start() for head in heads[1:]] + [len(data)]
    for head, end in zip(heads, ends, strict=True):
        match = _MOUNT.fullmatch(head[0])
        if match is None:
            odd += 1
            continue
        device, place, fstype, version = match.groups()
        if device is None or version is None or fstype not in (b"nfs", b"nfs4"):
            continue
        if len(found) >= MAX_MOUNTS:
            odd += 1
            continue
        start = _OPERATIONS.search(data, head.end(), end)
        lines = data[head.end() : start.start() if start else end].split(b"\n")
        operations = data[start.end() : end] if start else b""
        found.append(NfsMount((device, place, fstype), version.removeprefix(_VERSION), lines, operations))
    return found, odd


def transports(mount: NfsMount) -> tuple[list[Transport | None], int]:
    """The connections in the kernel's order, None for a line that is not as documented; how many lines are not."""
    found: list[Transport | None] = []
    odd = 0
    for line in mount.lines:
        words = line.split() if b"xprt:" in line else []
        if not words or words[0] != b"xprt:":
            continue
        transport = _transport(mount.version, words[1:]) if len(found) < MAX_TRANSPORTS else None
        odd += transport is None or None in transport.numbers
        if len(found) < MAX_TRANSPORTS:
            found.append(transport)
    return found, odd


def _transport(version: bytes, words: list[bytes]) -> Transport | None:
    kind = TRANSPORTS.get((version, words[0])) if words else None
    if kind is None:
        return None
    length, more, positions = kind
    numbers = numbers_of(words[1:])
    if len(numbers) < length or (len(numbers) > length and not more):
        return Transport(words[0].decode(), (None,) * TRANSPORT)
    ordered = [0 if position is None else numbers[position] for position in positions]
    return Transport(words[0].decode(), tuple(ordered))


def numbers_of(words: list[bytes]) -> Sequence[int | None]:
    """Each of `words`, of which none is empty, as a number; None for one that is none."""
    return (uint64s(words) if words else []) or [uint64(word) for word in words]


def addresses(data: bytes) -> dict[Mount, list[str]]:
    """NFS mounts in a mountinfo -> the address of the server of each that is mounted there, "" where none is shown."""
    found: dict[Mount, list[str]] = {}
    for line in data.split(b"\n"):
        if b" - nfs" not in line:
            continue
        words = line.split(b" ")
        try:
            dash = words.index(b"-", 6)
            fstype, device, options = words[dash + 1 : dash + 4]
        except ValueError:
            continue
        if fstype in (b"nfs", b"nfs4"):
            found.setdefault((device, words[4], fstype), []).append(_address(options))
    return found


def _address(options: bytes) -> str:
    shown = [option[5:] for option in options.split(b",") if option.startswith(b"addr=")]
    return shown[-1].decode("utf-8", "replace") if shown else ""
