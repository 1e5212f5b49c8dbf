"""Attribute files of one GPU in sysfs: which is being read, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.attribute import UNREADABLE
from nodescope.kernel.signed_number import int64

MAX_VALUE_BYTES: Final = 256


class Attributes:
    """Reads files of one device for one thread at a time.

    `reading`: the path that is being read, or was last; another thread may look. `answered`: how many files gave
    something since `begin`; `gone`: how many were not there; `denied`: how many this user may not read; `refused`: how
    many the driver would not tell; `left_out`: how many failed in a way that no driver answers, or do not say what they
    should.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.reading = ""
        self.answered = self.gone = self.denied = self.refused = self.left_out = 0

    def begin(self) -> None:
        """Before a turn of the device."""
        self.answered = self.gone = self.denied = self.refused = self.left_out = 0

    def now(self, path: str) -> bytes | None:
        """What a file says now, through a kept descriptor. None where the driver refuses."""
        return self._read(self.host.read, path)

    def seldom(self, path: str) -> bytes | None:
        """As `now`, remembered for a minute."""
        return self._read(self.host.read_seldom, path)

    def number(self, path: str, read: Callable[[str], bytes | None] | None = None) -> int | None:
        """A decimal number, with or without sign."""
        raw = (read or self.now)(path)
        if raw is None:
            return None
        value = int64(raw)
        self.left_out += value is None
        return value

    def names(self, folder: str) -> list[str]:
        """What is in a folder; nothing where it is not there."""
        self.reading = folder
        try:
            return self.host.list(folder)
        except Absent:
            return []
        except OSError as error:
            self._count(error)
            return []

    def _read(self, read: Callable[[str], bytes], path: str) -> bytes | None:
        self.reading = path
        try:
            raw = read(path)
        except (Absent, Malformed, OSError) as error:
            self._count(error)
            return None
        self.answered += 1
        return raw[:MAX_VALUE_BYTES].strip()

    def _count(self, error: Absent | Malformed | OSError) -> None:
        if isinstance(error, Absent):
            self.gone += 1
        elif isinstance(error, PermissionError):
            self.denied += 1
        elif getattr(error, "errno", None) in UNREADABLE:
            self.refused += 1
        else:
            self.left_out += 1
