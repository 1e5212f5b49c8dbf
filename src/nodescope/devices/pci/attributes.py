"""Attribute files of PCI devices. Source: Documentation/ABI/testing/sysfs-bus-pci, sysfs-bus-pci-devices-aer_stats."""

from __future__ import annotations

import os
import re
from typing import Final

from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.attribute import UNREADABLE
from nodescope.kernel.link_speed import gigatransfers
from nodescope.kernel.number import uint64

WIDTHS: Final = frozenset({1, 2, 4, 8, 12, 16, 32})
"""Lanes that a link can have. 0 is a link that is down, 63 and 255 are a device that does not answer."""

MAX_GIGATRANSFERS: Final = 1024
MAX_TEXT: Final = 1024

_ID: Final = re.compile(rb"0x([0-9a-f]{1,8})")
_CPUS: Final = re.compile(rb"[0-9][0-9,-]*")
_NODE: Final = re.compile(rb"[0-9]{1,5}")
_TOTAL: Final = re.compile(rb"^TOTAL_ERR_[A-Z]+[ \t]+([0-9]{1,20})[ \t]*$", re.MULTILINE)


def hexadecimal(raw: bytes, digits: int) -> str | None:
    """ "0x1002" -> "1002", of so many digits."""
    found = _ID.fullmatch(raw)
    if found is None or len(found[1].lstrip(b"0")) > digits:
        return None
    return found[1].lstrip(b"0").decode().rjust(digits, "0")


def link_speed(raw: bytes) -> float | None:
    """As `gigatransfers`; None for what no link has."""
    value = gigatransfers(raw)
    return value if value is not None and 0 < value <= MAX_GIGATRANSFERS else None


def link_width(raw: bytes) -> int | None:
    """Lanes; None for what no link has."""
    lanes = uint64(raw)
    return lanes if lanes in WIDTHS else None


def numa_node(raw: bytes) -> int | None:
    """None for -1: the firmware does not say."""
    return int(raw) if _NODE.fullmatch(raw) else None


def local_cpus(raw: bytes) -> str | None:
    """A list of CPUs, "0-31,64-95"."""
    return raw.decode() if len(raw) <= MAX_TEXT and _CPUS.fullmatch(raw) else None


def aer_total(data: bytes, source: str) -> int:
    """All errors of one severity since the device was found. Raises `Malformed`."""
    found = _TOTAL.search(data)
    total = uint64(found[1]) if found else None
    if total is None:
        raise Malformed(source, data, "a line TOTAL_ERR_... with a number")
    return total


class Attributes:
    """Reads a device's files as they are now. `left_out`: how many could not be used, for who reads to set to 0."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.left_out = 0

    def raw(self, path: str) -> bytes:
        """Without blanks around it; nothing where there is none, or its driver refuses."""
        try:
            return self._host.read_once(path).strip()
        except Absent:
            return b""
        except (Malformed, OSError) as error:
            if getattr(error, "errno", None) not in UNREADABLE:
                self.left_out += 1
            return b""

    def text(self, path: str) -> str | None:
        """None where it is empty, which many are that mean nothing."""
        return text(self.raw(path))[:MAX_TEXT] or None

    def number(self, path: str) -> int | None:
        return uint64(self.raw(path))

    def link_name(self, path: str) -> str | None:
        """The last part of where a symbolic link leads: of "driver" the driver."""
        try:
            return text(os.fsencode(os.path.basename(os.readlink(path)))) or None
        except OSError:
            return None

    def aer_total(self, path: str) -> int | None:
        data = self.raw(path)
        if not data:
            return None
        try:
            return aer_total(data, path)
        except Malformed:
            self.left_out += 1
            return None
