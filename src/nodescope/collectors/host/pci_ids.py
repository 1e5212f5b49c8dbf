"""Names of PCI vendors, devices, subsystems and classes, from the file pci.ids. Source: its own head; pci.ids(5).

The file has 1.5 MB, of which a machine needs a few lines: it is read line by line, and only those are kept.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from nodescope.host import Host, text
from nodescope.kernel.file import Stamp, stamp

FILES: Final = ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids")
MAX_BYTES: Final = 16 * 1024 * 1024
CLASS: Final = b"C"

Key = tuple[bytes, ...]
"""(vendor), (vendor, device) or (vendor, device, subsystem's vendor, subsystem's device); (C, class) with two, four or
six digits. Hexadecimal digits in lower case, as the file has them."""


def parse_pci_ids(lines: Iterable[bytes], wanted: Collection[Key]) -> dict[Key, str]:
    """The names of `wanted`, those that the file has; the last one of an id that it has twice."""
    found: dict[Key, str] = {}
    vendors = {key[0] for key in wanted}
    place: Key = ()
    skipped = True
    for line in lines:
        if line.startswith(b"\t"):
            if skipped:
                continue
            key = _below(place, line)
        elif line.startswith(b"#"):
            continue
        else:
            ids = line.partition(b"  ")[0]
            key = (CLASS, ids[1:].strip()) if line.startswith(b"C ") else (ids.strip(),)
        name = line.strip(b"\t").partition(b"  ")[2].strip()
        if not key or not name:
            continue
        if len(key) < 3 or key[0] == CLASS:
            place = key
        if not line.startswith(b"\t"):
            skipped = key[0] not in vendors
        if key in wanted:
            found[key] = text(name)
    return found


def _below(place: Key, line: bytes) -> Key:
    """What a line with one or two tabs in front is called, behind a line that is called `place`."""
    deep = line.startswith(b"\t\t")
    ids = line[2 if deep else 1 :].partition(b"  ")[0].strip()
    if place[0] == CLASS:
        above = place[1][: 4 if deep else 2]
        return (CLASS, above + ids) if len(above) == (4 if deep else 2) else ()
    if not deep:
        return (place[0], ids)
    words = ids.split()
    return (*place, *words) if len(place) == 2 and len(words) == 2 else ()


class PciNames:
    """The names that were asked for. The file is read when it changes, or when another name is asked for."""

    def __init__(self, host: Host, path: str | None) -> None:
        self._paths = [path] if path else [host.root(file) for file in FILES]
        self._stamp: tuple[str, Stamp] | None = None
        self._wanted: frozenset[Key] = frozenset()
        self._names: dict[Key, str] = {}

    def of(self, wanted: frozenset[Key]) -> dict[Key, str]:
        """Nothing where there is no such file, or none that can be read."""
        for path in self._paths:
            try:
                found = os.stat(path)
                if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
                    continue
                newest = (path, stamp(found))
                if newest != self._stamp or not wanted <= self._wanted:
                    with open(path, "rb") as file:
                        self._names = parse_pci_ids(_lines(file), wanted)
                    self._stamp, self._wanted = newest, wanted
            except OSError:
                continue
            return self._names
        self._stamp = None
        return {}


def _lines(file: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a file that may grow while it is read, up to a limit."""
    left = MAX_BYTES
    for line in file:
        left -= len(line)
        if left < 0:
            return
        yield line
