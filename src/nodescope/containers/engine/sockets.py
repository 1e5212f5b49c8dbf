"""Where engines listen: the usual paths, also as they are mounted into a container.

Source: dockerd(8) and podman-system-service(1) for the paths; users' own engines listen below /run/user/UID.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from typing import Final, NamedTuple

from nodescope.host import Absent, Host

MAX_SOCKETS: Final = 16
MAX_USERS: Final = 256
PLACES: Final = ("docker.sock", "podman/podman.sock")
MOUNTED: Final = ("/hostrun", "/host/run")
"""Where the host's /run, or its root, is mounted into a container."""
USERS: Final = "run/user"


class EngineSockets(NamedTuple):
    """`left_out`: how many there are beyond the most that are followed."""

    paths: tuple[str, ...]
    left_out: int


def engine_sockets(host: Host, followed: Collection[str] = ()) -> EngineSockets:
    """Paths of the engines' sockets that are there now, each socket once, the host's own first; at most 16.

    Of users' those that are `followed` go first: who comes back takes no one's place. Looked for under /run and
    /var/run of the host's root, /run/user of it, and where the host's /run is mounted.
    """
    folders = [host.root("run"), host.root("var/run"), *MOUNTED]
    try:
        users = host.list(host.root(USERS))[:MAX_USERS]
    except (Absent, OSError):
        users = []
    own = f"{host.root(USERS)}/"
    folders += [host.root(f"{USERS}/{user}") for user in users]
    found: dict[tuple[int, int], str] = {}
    for folder in folders:
        for place in PLACES:
            path = f"{folder}/{place}"
            if folder.startswith(own) and any(map(os.path.islink, (path, os.path.dirname(path)))):
                # A user's link to another's engine would make it that user's; where it leads to is looked at as well.
                continue
            try:
                status = os.stat(path)
            except OSError:
                continue
            if stat.S_ISSOCK(status.st_mode):
                found.setdefault((status.st_dev, status.st_ino), path)
    paths = sorted(found.values(), key=lambda path: path.startswith(own) and path not in followed)
    return EngineSockets(tuple(paths[:MAX_SOCKETS]), len(paths[MAX_SOCKETS:]))
