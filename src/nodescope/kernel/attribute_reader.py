"""Reads attribute files of devices, so that one that is broken costs itself alone and is counted."""

from __future__ import annotations

from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.attribute import UNREADABLE


class AttributeReader:
    """`left_out`: how many files failed in a way that no driver answers; whoever reads sets it to 0 before a run."""

    __slots__ = ("_host", "left_out")

    def __init__(self, host: Host) -> None:
        self._host = host
        self.left_out = 0

    def now(self, path: str, built_in: bool = False) -> bytes | None:
        """The file, through a kept descriptor: for what is read at each scrape. None where there is nothing to read."""
        try:
            return self._host.read(path, built_in=built_in)
        except (Absent, Malformed, OSError) as error:
            self.count(error)
            return None

    def anew(self, path: str) -> bytes | None:
        """The file as it is now: for what the caller remembers. None where there is nothing to read."""
        try:
            return self._host.read_seldom(path, keep_s=0)
        except (Absent, Malformed, OSError) as error:
            self.count(error)
            return None

    def count(self, error: Absent | Malformed | OSError) -> None:
        """Counts a failure, unless the file is not there or its driver refuses."""
        if not isinstance(error, Absent) and getattr(error, "errno", None) not in UNREADABLE:
            self.left_out += 1
