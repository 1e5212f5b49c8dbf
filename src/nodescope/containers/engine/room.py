"""How much an engine may tell. A user's own is not the host's word: it may tell anything, without end."""

from __future__ import annotations

from typing import Final, NamedTuple

from nodescope.containers.known import MAX_CONTAINERS

LINE_BYTES: Final = 1024
"""An event's line counts once, and once more for each so many bytes of it."""


class Room(NamedTuple):
    """`containers`: that are known at a time. `list_bytes`, `inspect_bytes`: of an answer. `lines`: heard from one list
    to the next.

    To read a list takes up to 40 times its bytes for a moment: it may have entries with an id and nothing else.
    """

    containers: int = MAX_CONTAINERS
    list_bytes: int = 64 * 1024 * 1024
    inspect_bytes: int = 4 * 1024 * 1024
    lines: int = 1024 * 1024


HOSTS: Final = Room()
USERS: Final = Room(containers=512, list_bytes=2 * 1024 * 1024, inspect_bytes=512 * 1024, lines=8192)
