"""What a process' open DRM file says of its use of a GPU.

*Source*: /proc/PID/fdinfo/FD, Documentation/gpu/drm-usage-stats.rst: `drm-KEY: VALUE [UNIT]`, a line each. i915 tells
time (drm-engine-render, ns), xe cycles (drm-cycles-rcs) and, to compare them with, those of the GPU's clock
(drm-total-cycles-rcs). *Absent when*: i915 of Linux before 5.19, xe before 6.11 (cycles).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from nodescope.host import Malformed
from nodescope.kernel.number import uint64

MAX_BYTES: Final = 16_384
MAX_LINES: Final = 512
MAX_KEYS: Final = 64

_UNITS: Final = {b"": 1, b"B": 1, b"ns": 1, b"KiB": 1024, b"MiB": 1024**2, b"GiB": 1024**3}
_LINE: Final = re.compile(rb"drm-([a-z0-9-]{1,64}):[ \t]*([^ \t]{1,64})[ \t]*([A-Za-z]*)[ \t]*")
_ENGINE: Final = re.compile(r"(engine-capacity|engine|total-cycles|cycles)-([a-z0-9-]{1,32})")
_MEMORY: Final = re.compile(r"(resident|memory|total)-([a-z0-9-]{1,32})")
_LOCAL: Final = re.compile("(?:local|vram)[0-9]{0,2}")
_SYSTEM: Final = re.compile("(?:system|gtt)[0-9]{0,2}")
_TELLING: Final = ("total", "memory", "resident")
"""Of one region's lines the last in this order says what is really there."""


class Engine(NamedTuple):
    """How long a client had the engines of a class. `busy`: ns, or cycles where `total`, those of the GPU's clock, is
    there. `capacity`: how many engines are of the class."""

    busy: int
    total: int | None
    capacity: int


class Client(NamedTuple):
    """One open DRM file. `client_id`: the same in every process that shares it. Memory in bytes; None: not told."""

    driver: str
    pci_address: str
    client_id: int
    engines: dict[str, Engine]
    local_bytes: int | None
    system_bytes: int | None


def parse(data: bytes, source: str) -> Client | None:
    """None where it is of no DRM driver, or of one that does not tell its device. Raises `Malformed`."""
    words: dict[str, tuple[bytes, bytes]] = {}
    for line in data[:MAX_BYTES].split(b"\n")[:MAX_LINES]:
        match = _LINE.fullmatch(line)
        if match is not None:
            words[match[1].decode("ascii")] = match[2], match[3]
    if "driver" not in words or "pdev" not in words or "client-id" not in words:
        return None
    client_id = uint64(words["client-id"][0])
    if client_id is None:
        raise Malformed(source, words["client-id"][0], "drm-client-id: a number")
    numbers = {key: _number(value, unit, source) for key, (value, unit) in words.items() if _is_number(key)}
    regions = _regions(numbers)
    return Client(
        driver=words["driver"][0].decode("ascii", "replace"),
        pci_address=words["pdev"][0].decode("ascii", "replace"),
        client_id=client_id,
        engines=_engines(numbers),
        local_bytes=_sum([size for name, size in regions.items() if _LOCAL.fullmatch(name)]),
        system_bytes=_sum([size for name, size in regions.items() if _SYSTEM.fullmatch(name)]),
    )


def _is_number(key: str) -> bool:
    return _ENGINE.fullmatch(key) is not None or _MEMORY.fullmatch(key) is not None


def _number(value: bytes, unit: bytes, source: str) -> int:
    number, factor = uint64(value), _UNITS.get(unit)
    if number is None or factor is None:
        raise Malformed(source, b" ".join((value, unit)), "a number, with ns, KiB, MiB or nothing behind it")
    return number * factor


def _engines(numbers: dict[str, int]) -> dict[str, Engine]:
    found: dict[str, dict[str, int]] = {}
    for key, number in numbers.items():
        match = _ENGINE.fullmatch(key)
        if match is not None and (match[2] in found or len(found) < MAX_KEYS):
            found.setdefault(match[2], {})[match[1]] = number
    engines = {}
    for name, told in found.items():
        busy = told.get("engine", told.get("cycles"))
        total = None if "engine" in told else told.get("total-cycles")
        if busy is not None and ("engine" in told or total is not None):
            engines[name] = Engine(busy, total, max(1, told.get("engine-capacity", 1)))
    return engines


def _regions(numbers: dict[str, int]) -> dict[str, int]:
    """Bytes in each region of memory."""
    found: dict[str, int] = {}
    for telling in _TELLING:
        for key, number in numbers.items():
            match = _MEMORY.fullmatch(key)
            if match is not None and match[1] == telling and not key.startswith("total-cycles-"):
                found[match[2]] = number
    return found


def _sum(sizes: list[int]) -> int | None:
    return sum(sizes) if sizes else None
