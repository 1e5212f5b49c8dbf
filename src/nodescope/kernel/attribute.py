"""Attribute files of devices in sysfs: one value each, read so that one broken attribute costs that attribute alone."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final

from nodescope.host import Absent, Host
from nodescope.kernel.descriptors import OUT_OF_MEANS

UNREADABLE: Final = frozenset(
    {
        errno.EACCES,
        errno.EAGAIN,
        errno.EBUSY,
        errno.EINVAL,
        errno.EIO,
        errno.ENODATA,
        errno.ENOSYS,
        errno.EOPNOTSUPP,
        errno.EPERM,
        errno.ERANGE,
        errno.ETIMEDOUT,
    }
)
"""What drivers answer for an attribute that the device does not have, or cannot tell right now."""

NO_ANSWER: Final = frozenset({errno.EISDIR, *OUT_OF_MEANS})
"""What no driver says: that this is no attribute, or that nodescope or the machine has no means left to read one."""


def attribute(host: Host, path: str) -> bytes | None:
    """The value without blanks around it, through a kept descriptor: for what is read at each scrape.

    None where the file is not there or the driver refuses, whatever it answers: a bus (EREMOTEIO, ENXIO, EPROTO) or
    firmware may say anything.
    """
    return _value(host.read, path)


def seldom(host: Host, path: str) -> bytes | None:
    """As `attribute`, remembered for a minute: for what hardly ever changes."""
    return _value(host.read_seldom, path)


def _value(read: Callable[[str], bytes], path: str) -> bytes | None:
    try:
        return read(path).strip()
    except Absent:
        return None
    except OSError as error:
        if error.errno in NO_ANSWER:
            raise
        return None
