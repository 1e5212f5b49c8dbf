"""Attribute files of one GPU: each that the driver refuses is absent, and what is being read right now has a name.

*Source*: sysfs(5), Documentation/gpu/amdgpu/driver-misc.rst and thermal.rst. amdgpu answers EPERM or EBUSY while it
resets a GPU, EINVAL, ENODATA and EOPNOTSUPP for what a GPU does not have.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final

from nodescope.host import Absent, Host, Malformed, text
from nodescope.kernel.attribute import NO_ANSWER
from nodescope.kernel.printable import printable
from nodescope.kernel.signed_number import int64

MAX_TEXT_BYTES: Final = 256
PASSING: Final = frozenset({errno.EAGAIN, errno.EBUSY, errno.EIO, errno.EPERM, errno.ETIMEDOUT})
"""What amdgpu answers while it resets a GPU, or its firmware does not answer."""


class DeviceFiles:
    """Reads files below `folder`, for one thread at a time.

    `path`: of the file that is being read, "" between two. `answered`: how many files had an answer; `refused`: the
    first that had an error instead, with it; `unsettled`: whether one had an error that passes; `left_out`: how many
    failed in a way that no driver answers. `begin` sets these back.
    """

    __slots__ = ("_host", "answered", "folder", "left_out", "path", "refused", "unsettled")

    def __init__(self, host: Host, folder: str) -> None:
        self._host = host
        self.folder = folder
        self.path = ""
        self.begin()

    def begin(self) -> None:
        """A new run."""
        self.answered = 0
        self.left_out = 0
        self.refused = ""
        self.unsettled = False

    def now(self, name: str) -> bytes | None:
        """What the file `name` holds now, through a kept descriptor; None where there is nothing to read."""
        return self.guarded(self._kept, f"{self.folder}/{name}")

    def anew(self, name: str) -> bytes | None:
        """As `now`, without keeping a descriptor: for what is asked for seldom."""
        return self.guarded(self._host.read_once, f"{self.folder}/{name}")

    def number(self, name: str, read: Callable[[str], bytes | None] | None = None) -> int | None:
        """A decimal number, through `read` (`now` where not given)."""
        raw = (read or self.now)(name)
        return None if raw is None else int64(raw.strip())

    def line(self, name: str) -> str | None:
        """A text, read anew; None where it is empty."""
        return plain_line(self.anew(name))

    def line_now(self, name: str) -> str | None:
        """A text, through a kept descriptor; None where it is empty."""
        return plain_line(self.now(name))

    def names(self, name: str, keep_s: float = 0.0) -> list[str]:
        """What is in the folder `name`; nothing where there is none."""
        self.path = f"{self.folder}/{name}"
        try:
            return self._host.list(self.path, keep_s)
        except Absent:
            return []
        except OSError as error:
            self._count(error)
            return []
        finally:
            self.path = ""

    def guarded(self, read: Callable[[str], bytes], path: str) -> bytes | None:
        """What `read` gives for `path`; None for an error, which is counted where no driver answers so."""
        self.path = path
        try:
            data = read(path)
        except Absent:
            return None
        except (OSError, Malformed) as error:
            self._count(error)
            return None
        finally:
            self.path = ""
        self.answered += 1
        return data

    def _kept(self, path: str) -> bytes:
        return self._host.read(path, built_in=True)

    def _count(self, error: OSError | Malformed) -> None:
        if not self.refused:
            self.refused = f"{self.path}: {error.strerror if isinstance(error, OSError) else error}"
        if isinstance(error, Malformed) or error.errno in NO_ANSWER:
            self.left_out += 1
        elif error.errno in PASSING:
            self.unsettled = True


def plain_line(raw: bytes | None) -> str | None:
    """The text that an attribute holds, bounded and printable; None where it is empty."""
    return printable(text((raw or b"")[:MAX_TEXT_BYTES].strip(b"\0 \t\r\n"))) or None
