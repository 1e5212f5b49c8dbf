"""The cgroup hierarchies of the host: v2 ("unified"), v1 (one for each controller), or both (hybrid).

Source: cgroups(7), Documentation/admin-guide/cgroup-v2.rst, and systemd's places for them below /sys/fs/cgroup. Where
the agent has a cgroup namespace of its own it sees its own part alone, unless the host's /sys is given as sysfs.
"""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from nodescope.host import Absent, Host

FOLDER: Final = "fs/cgroup"
CONTROLLERS: Final = ("cpu", "cpuacct", "memory", "blkio", "pids")
"""Those of v1 that figures are read of."""
FREEZER: Final = "freezer"
WALKED: Final = ("memory", "cpuacct", "cpu", "pids", "blkio", "name=systemd")
"""The hierarchies of v1 in which containers are looked for: the first that is there."""


class Hierarchies(NamedTuple):
    """`unified`: folder of v2, None without. `available`: its controllers. `legacy`: controller of v1 -> folder."""

    unified: str | None
    available: frozenset[str]
    legacy: dict[str, str]

    @property
    def walked(self) -> str | None:
        """The v1 folder in which containers are looked for."""
        return next((self.legacy[name] for name in WALKED if name in self.legacy), None)


def find_hierarchies(host: Host) -> Hierarchies:
    """What is mounted below /sys/fs/cgroup. Raises `Absent` where nothing is."""
    root = host.sys(FOLDER)
    if (available := _controllers(host, root)) is not None:
        return Hierarchies(root, available, {})
    legacy: dict[str, str] = {}
    for name in host.list(root):
        folder = f"{root}/{name}"
        for controller in name.split(","):
            if controller in (*CONTROLLERS, FREEZER) and os.path.isdir(folder):
                legacy.setdefault(controller, folder)
        if name == "systemd":
            legacy["name=systemd"] = folder
    unified = f"{root}/unified"
    available = _controllers(host, unified)
    if available is None and not legacy:
        raise Absent(root)
    return Hierarchies(unified if available is not None else None, available or frozenset(), legacy)


def _controllers(host: Host, folder: str) -> frozenset[str] | None:
    """The controllers of a v2 hierarchy; None where `folder` is none."""
    try:
        data = host.read_once(f"{folder}/cgroup.controllers")
    except (Absent, OSError):
        return None
    return frozenset(data.decode("ascii", "replace").split())
