"""Which processes have a GPU's DRM nodes open.

*Source*: the links in /proc/PID/fd, proc_pid_fd(5). *Cost*: a call for each open file of each process, about 0.1 s for
fifty thousand of them. *Absent when*: they are another user's, without CAP_SYS_PTRACE: such processes are counted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from typing import Final, NamedTuple

from nodescope.host import Absent, Host

MAX_PROCESSES: Final = 65_536
MAX_FILES_OF_PROCESS: Final = 8192
MAX_FILES_OF_NODE: Final = 1024


class Open(NamedTuple):
    """`files`: DRM node ("renderD128") -> (PID, number of the descriptor). `denied`: how many processes may not be
    looked at. `cut`: whether there was more than time and bounds allow."""

    files: dict[str, list[tuple[int, int]]]
    denied: int
    cut: bool


def open_files(host: Host, nodes: Collection[str], limit_s: float) -> Open:
    """Those that are open on any of `nodes`. Raises `Absent`, `OSError` where there is no procfs."""
    until = time.monotonic() + limit_s
    pids = sorted(int(name) for name in host.list(host.proc("")) if name.isascii() and name.isdigit())
    found: dict[str, list[tuple[int, int]]] = {}
    denied, cut = 0, len(pids) > MAX_PROCESSES
    for pid in pids[:MAX_PROCESSES]:
        if time.monotonic() > until:
            cut = True
            break
        folder = host.proc(f"{pid}/fd")
        try:
            names = host.list(folder)
        except PermissionError:
            denied += 1
            continue
        except (Absent, OSError):
            continue  # it has ended
        cut |= len(names) > MAX_FILES_OF_PROCESS
        for name in names[:MAX_FILES_OF_PROCESS]:
            node = _target(f"{folder}/{name}")
            if node in nodes and name.isdigit():
                files = found.setdefault(node, [])
                cut |= len(files) >= MAX_FILES_OF_NODE
                if len(files) < MAX_FILES_OF_NODE:
                    files.append((pid, int(name)))
    return Open(found, denied, cut)


def _target(path: str) -> str:
    """The DRM node that a link leads to, or nothing."""
    try:
        folder, _, name = os.readlink(path).rpartition("/")
    except OSError:
        return ""
    # In a container what is above may have another name.
    return name if folder.endswith("/dri") else ""
