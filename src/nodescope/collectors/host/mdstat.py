"""What /proc/mdstat says of each array. Source: drivers/md/md.c (md_seq_show), md(4)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from nodescope.host import Malformed, text
from nodescope.kernel.number import uint64

MAX_ARRAYS: Final = 4096
EXPECTED: Final = "Personalities, arrays, unused devices"

# Personalities without redundancy do not print how many devices they need and have: they need all.
_WITHOUT_REDUNDANCY: Final = frozenset({b"raid0", b"linear", b"faulty"})
_STATES: Final = {b"recovery": "recovering", b"recover": "recovering", b"resync": "resyncing", b"check": "checking",
                  b"reshape": "reshaping"}  # fmt: skip
_NOT_STARTED: Final = frozenset({b"PENDING", b"DELAYED"})

_HEAD: Final = re.compile(rb"(\S+) : ([a-z-]+)(?: \((?:auto-)?read-only\))?(?= |$)(.*)")
_BLOCKS: Final = re.compile(rb"([0-9]+) blocks(?: |$)")
_DEVICES: Final = re.compile(rb" \[([0-9]+)/([0-9]+)\] \[[U_]+\]")
_ACTION: Final = re.compile(rb"(?:^|\s)(recovery|recover|resync|check|reshape) ?= *(\S+)(?: \(([0-9]+)/[0-9]+\))?")
_COMPONENT: Final = re.compile(rb"\S+\[-?[0-9]+\]((?:\([A-Z]\))*)")


class Array(NamedTuple):
    """One array. `state`: active, inactive or broken, or what is being done. `None`: not known."""

    state: str
    required: int
    active: int
    failed: int
    spare: int
    blocks: int | None
    blocks_synced: int | None


class Arrays(NamedTuple):
    """Arrays by name. `left_out`: arrays and lines that are not as documented."""

    arrays: dict[str, Array]
    left_out: int


def parse_mdstat(data: bytes, source: str) -> Arrays:
    """The arrays, each from the lines that belong to it. Raises `Malformed` where nothing is as documented."""
    arrays: dict[str, Array] = {}
    left_out = known = 0
    for lines in _blocks_of_lines(data):
        if lines[0].startswith((b"Personalities :", b"unused devices:")):
            known += 1
            continue
        head = _HEAD.fullmatch(lines[0])
        array, odd = _array(head, lines[1:]) if head and len(arrays) < MAX_ARRAYS else (None, 0)
        name = text(head[1]) if head else ""
        if array is None or name in arrays:
            left_out += 1
        else:
            arrays[name] = array
            left_out += odd
    if not arrays and not known:
        raise Malformed(source, data, EXPECTED)
    return Arrays(arrays, left_out)


def _blocks_of_lines(data: bytes) -> list[list[bytes]]:
    """Each line that begins without a blank, and after it the indented lines that follow."""
    blocks: list[list[bytes]] = []
    for line in data.split(b"\n"):
        if not line.strip():
            continue
        if not line[:1].isspace():
            blocks.append([line.rstrip()])
        elif blocks:
            blocks[-1].append(line)
    return blocks


def _array(head: re.Match[bytes], lines: list[bytes]) -> tuple[Array | None, int]:
    """The array, and how many of its lines are odd; None where the array itself is."""
    words = head[3].split()
    marks = [found[1] for found in map(_COMPONENT.fullmatch, words) if found]
    # Of an array without devices all is on the first line.
    devices = _devices(head[2], words[:1], len(marks), [head[3], *lines])
    blocks = next((found for found in map(_BLOCKS.match, map(bytes.strip, lines)) if found), None)
    size = uint64(blocks[1]) if blocks else None
    if devices is None or (size is None and marks):
        return None, 0
    failed = sum(b"(F)" in mark for mark in marks)
    spare = sum(b"(S)" in mark for mark in marks)
    state, synced, odd = _action(lines, text(head[2]), size)
    return Array(state, *devices, failed, spare, size, synced), odd


def _devices(state: bytes, personality: list[bytes], components: int, lines: list[bytes]) -> tuple[int, int] | None:
    """How many devices the array requires, and how many of them are there and in sync."""
    if not _WITHOUT_REDUNDANCY.isdisjoint(personality):
        return components, components
    if state == b"inactive":
        return 0, 0
    found = next(filter(None, map(_DEVICES.search, lines)), None)
    required, active = (uint64(found[1]), uint64(found[2])) if found else (None, None)
    return None if required is None or active is None else (required, active)


def _action(lines: list[bytes], state: str, size: int | None) -> tuple[str, int | None, int]:
    """State, blocks synced, and 1 where the line of progress is not as documented."""
    for line in lines:
        found = _ACTION.search(line)
        if found is None or line.lstrip().startswith(b"bitmap:"):
            continue
        if found[2] in _NOT_STARTED:
            return _STATES[found[1]], 0, 0
        synced = uint64(found[3]) if found[3] else None
        # Another node of a cluster does it, and does not say how far it is.
        odd = synced is None and found[2] != b"REMOTE"
        return _STATES[found[1]], synced, int(odd)
    return state, size, 0
