"""What a GPU is sold as, where its board does not say so.

*Source*: amdgpu.ids of libdrm ("74A1,\\t00,\\tAMD Instinct MI300X": device, revision, name), then pci.ids (pci.ids(5)).
*Absent when*: neither file is installed, or neither knows the device. *Cost*: pci.ids has 1.5 MB and is read once for
each kind of device, only where nothing else gives a name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import IO, Final

from nodescope.devices.amd.device_files import plain_line
from nodescope.host import Host

AMDGPU_IDS: Final = ("/usr/share/libdrm/amdgpu.ids", "/opt/amdgpu/share/libdrm/amdgpu.ids")
PCI_IDS: Final = ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids")
VENDOR_ID: Final = 0x1002
MAX_LINES: Final = 200_000
MAX_LINE_BYTES: Final = 1024


class MarketingNames:
    """Names by device and revision, each looked up once."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._known: dict[tuple[int, int], str | None] = {}

    def of(self, device: int, revision: int) -> str | None:
        """The name of a device of AMD."""
        key = device, revision
        if key not in self._known:
            self._known[key] = self._found(in_amdgpu_ids, AMDGPU_IDS, key) or self._found(in_pci_ids, PCI_IDS, key)
        return self._known[key]

    def _found(
        self, search: Callable[[Iterable[bytes], int, int], str | None], paths: Iterable[str], key: tuple[int, int]
    ) -> str | None:
        for path in paths:
            try:
                with open(self._host.root(path), "rb") as file:
                    name = search(_lines(file), *key)
            except OSError:
                continue
            if name:
                return name
        return None


def in_amdgpu_ids(lines: Iterable[bytes], device: int, revision: int) -> str | None:
    """The name in lines of amdgpu.ids."""
    wanted = b"%04X" % device, b"%02X" % revision
    for line in lines:
        words = line.split(b",", 2)
        if len(words) == 3 and (words[0].strip().upper(), words[1].strip().upper()) == wanted:
            return plain_line(words[2])
    return None


def in_pci_ids(lines: Iterable[bytes], device: int, revision: int) -> str | None:
    """The name in lines of pci.ids, which does not tell revisions apart."""
    of_vendor, wanted = False, b"\t%04x " % device
    for line in lines:
        if not line.startswith((b"\t", b"#", b"\n")):
            if of_vendor:
                return None
            of_vendor = line.startswith(b"%04x " % VENDOR_ID)
        elif of_vendor and line.startswith(wanted):
            return plain_line(line[len(wanted) :])
    return None


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file of whatever length."""
    for _ in range(MAX_LINES):
        line = file.readline(MAX_LINE_BYTES)
        if not line:
            return
        yield line
