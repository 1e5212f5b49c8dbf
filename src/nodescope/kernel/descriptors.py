"""How many files this process may have open, and what is to have them.

Source: getrlimit(2), RLIMIT_NOFILE. A half is for kernel files that stay open between scrapes, a quarter for clients;
the rest is for what is read and started meanwhile.
"""

from __future__ import annotations

import errno
import resource
from typing import Final

MAX_KEPT_DESCRIPTORS: Final = 2048
KEPT_PART: Final = 2
CLIENTS_PART: Final = 4
LEAST_CLIENTS: Final = 2
"""A listener's: less is not worth listening."""

OUT_OF_MEANS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What tells nothing of a file: in a moment there may be a descriptor, or memory, to read it with."""


def limit() -> int:
    """As it is now, `RLIM_INFINITY` where there is none."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def most_kept(limit: int) -> int:
    """How many descriptors to keep where a process may have `limit`."""
    return MAX_KEPT_DESCRIPTORS if limit == resource.RLIM_INFINITY else min(MAX_KEPT_DESCRIPTORS, limit // KEPT_PART)


def most_clients(wanted: int, listeners: int, limit: int) -> int:
    """How many connections each of `listeners` may have where a process may have `limit` descriptors."""
    if limit == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, max(LEAST_CLIENTS, limit // CLIENTS_PART // max(1, listeners)))
