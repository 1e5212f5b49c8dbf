"""Reads what `nvidia-smi -q` and `nvidia-smi -L` write.

Source: the programs' output of drivers 418 to 610. `-q` has a line "name : value" or a heading for each element of the
XML, and says by its indentation what is below what. `-L` has a line for each GPU and MIG device.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from nodescope.devices.nvidia.smi.log import MAX_INSTANCES, MAX_OUTPUT_BYTES, TEXT, Log, LogBuilder
from nodescope.host import Malformed, text

HEADER: Final = b"==NVSMI LOG=="
MAX_LINES: Final = 1_000_000
MAX_LINE_CHARACTERS: Final = 1024
MAX_LISTED: Final = 256 * MAX_INSTANCES

_GPU: Final = re.compile(r"GPU ([0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f])\s*")
_LISTED_GPU: Final = re.compile(r"GPU (\d{1,4}): .{1,256}\(UUID: (\S{1,96})\)\s*")
_LISTED_INSTANCE: Final = re.compile(r"\s+MIG (\S{1,64})\s+Device\s+(\d{1,4}): \(UUID: (\S{1,96})\)\s*")
_INSTANCE: Final = "mig device"
_PROCESSES: Final = "processes"


class Listed(NamedTuple):
    """A MIG device as `-L` lists it."""

    uuid: str
    profile: str


class Listing(NamedTuple):
    """What `-L` says: a GPU's index by its UUID, and its MIG devices by the GPU's UUID and their own index."""

    indices: dict[str, int]
    instances: dict[tuple[str, int], Listed]


def parse_text(data: bytes, source: str) -> Log:
    """The log, whatever stands before it. Raises `Malformed`."""
    if len(data) > MAX_OUTPUT_BYTES:
        raise Malformed(source, data, f"at most {MAX_OUTPUT_BYTES} bytes")
    start = data.find(HEADER)
    if start < 0:
        raise Malformed(source, data, "==NVSMI LOG==")
    lines = text(data[start:]).split("\n", MAX_LINES)
    if len(lines) > MAX_LINES:
        raise Malformed(source, lines[-1], f"at most {MAX_LINES} lines")
    reader = _Reader()
    for line in lines[1:]:
        reader.line(line[:MAX_LINE_CHARACTERS])
    return reader.builder.finished()


def parse_listing(data: bytes) -> Listing:
    """What is listed; lines that say anything else are left out."""
    listing = Listing({}, {})
    gpu = ""
    for line in text(data[:MAX_OUTPUT_BYTES]).splitlines()[:MAX_LISTED]:
        line = line[:MAX_LINE_CHARACTERS]
        if found := _LISTED_GPU.fullmatch(line):
            gpu = found[2]
            listing.indices.setdefault(gpu, int(found[1]))
        elif found := _LISTED_INSTANCE.fullmatch(line):
            listing.instances.setdefault((gpu, int(found[2])), Listed(found[3], found[1]))
        else:
            gpu = gpu if line.startswith(" ") else ""
    return listing


class _Reader:
    """Which headings the next line is below, and what it is about."""

    def __init__(self) -> None:
        self.builder = LogBuilder(TEXT)
        self._above: list[tuple[int, str]] = []  # indentation and path of the headings above
        self._in_gpu = False
        self._section = ""
        self._in_process = False

    def line(self, line: str) -> None:
        if gpu := _GPU.fullmatch(line):
            self.builder.gpu(gpu[1])
            self._above, self._in_gpu, self._section = [], True, ""
            return
        name, colon, value = line.partition(":")
        indent, name = len(name) - len(name.lstrip()), name.strip().lower()
        if not name or (self._in_gpu and not indent):
            return  # after the last GPU there are warnings at most
        while self._above and self._above[-1][0] >= indent:
            self._above.pop()
        if not self._above and self._opens_section("" if colon else name):
            self._above.append((indent, ""))
            return
        path = f"{self._above[-1][1]}/{name}" if self._above and self._above[-1][1] else name
        if self._section == _PROCESSES and path == name and (not self._in_process or self.builder.has(path)):
            self.builder.process()
            self._in_process = True
        self._above.append((indent, path))
        if colon:
            self.builder.put(path, value)

    def _opens_section(self, heading: str) -> bool:
        """Of a GPU's own headings two open something of which there may be many: each MIG device has one of its own,
        and of processes the next begins where a name comes again."""
        self._in_process = False
        self._section = heading if self._in_gpu and heading in (_INSTANCE, _PROCESSES) else ""
        if self._section == _INSTANCE:
            self.builder.instance()
        elif not self._section:
            self.builder.whole()
        return bool(self._section)
