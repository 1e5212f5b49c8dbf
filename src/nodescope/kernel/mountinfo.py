"""Mounts, as the kernel lists them. Source: proc_pid_mountinfo(5)."""

from __future__ import annotations

import os
import re
from typing import Final, NamedTuple

from nodescope.host import Malformed, text
from nodescope.kernel.number import uint64

MAX_MOUNTS: Final = 65_536
EXPECTED: Final = "lines of mount id, parent id, major:minor, root, mount point, options, -, type, source, options"

_READ_ONLY: Final = frozenset({b"ro", b"emergency_ro"})
_OCTAL: Final = re.compile(rb"\\([0-3][0-7]{2})")


class MountPoint(NamedTuple):
    """One mount. `mountpoint`: as it is shown, with only blank and tab unescaped; `path`: as open(2) wants it."""

    device: str
    mountpoint: str
    fstype: str
    major: str
    minor: str
    readonly: int
    path: str


def parse_mountinfo(data: bytes, source: str) -> list[MountPoint]:
    """The mounts in the kernel's order. A line that is not understood is left out; `Malformed` where all are."""
    found: list[MountPoint] = []
    lines = data.split(b"\n")
    for line in lines:
        mount = _mount(line.split(b" ")) if len(found) < MAX_MOUNTS else None
        if mount is not None:
            found.append(mount)
    if not found and any(lines):
        raise Malformed(source, data, EXPECTED)
    return found


def _mount(words: list[bytes]) -> MountPoint | None:
    try:
        dash = words.index(b"-", 6)  # it ends the optional fields
        fstype, device, super_options = words[dash + 1 : dash + 4]
    except ValueError:
        return None
    major, _, minor = words[2].partition(b":")
    if None in map(uint64, (words[0], words[1], major, minor)):
        return None
    readonly = b"ro" in words[5].split(b",") or not _READ_ONLY.isdisjoint(super_options.split(b","))
    return MountPoint(
        text(device),
        text(words[4].replace(rb"\040", b" ").replace(rb"\011", b"\t")),
        text(fstype),
        str(int(major)),
        str(int(minor)),
        int(readonly),
        os.fsdecode(_OCTAL.sub(_octal, words[4])),
    )


def _octal(escape: re.Match[bytes]) -> bytes:
    return bytes((int(escape[1], 8),))


def without_root(path: str, root: str) -> str:
    """`path` as it is called below `root`, where the host's root is mounted; unchanged if it is not below."""
    if root == "/" or (path and path != root and not path.startswith(root + "/")):
        return path
    return path[len(root) :] or "/"
