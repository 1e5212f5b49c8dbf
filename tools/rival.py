"""Debian's prometheus-node-exporter, told to look at the same things as nodescope."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Final

from nodescope.settings.host import HOST
from nodescope.settings.host_options import DISK_EXCLUDE, FSTYPE_EXCLUDE, MOUNT_EXCLUDE, NETSTAT_FIELDS

PROGRAM: Final = "prometheus-node-exporter"
TWELVE: Final = (
    "cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev", "os", "pressure", "stat", "time", "uname",
    "vmstat",
)  # fmt: skip
"""Those that read one or two files of procfs each."""
DEFAULTS: Final = tuple(collects.name for collects in HOST if collects.on)
NEWER: Final = frozenset({"bcachefs", "dmmultipath", "kernel_hung", "watchdog"})
"""Of our defaults those that Debian 12's node_exporter does not have."""

# Both take these flags. Debian and newer versions differ in the defaults of the last five.
FILTERS: Final = (
    f"--collector.diskstats.device-exclude={DISK_EXCLUDE}",
    f"--collector.filesystem.fs-types-exclude={FSTYPE_EXCLUDE}",
    f"--collector.filesystem.mount-points-exclude={MOUNT_EXCLUDE}",
    f"--collector.netstat.fields={NETSTAT_FIELDS}",
    "--collector.netdev.device-exclude=",
)


def flags(collectors: Sequence[str]) -> tuple[str, ...]:
    """Flags with which either program looks at `collectors`, in the same way."""
    return "--collector.disable-defaults", *(f"--collector.{name}" for name in collectors), *FILTERS


def known(collectors: Sequence[str]) -> tuple[str, ...]:
    """Those of `collectors` that Debian's node_exporter has."""
    return tuple(name for name in collectors if name not in NEWER)


FLAGS: Final = flags(TWELVE)


def command(flags: Sequence[str], port: int) -> list[str]:
    return [PROGRAM, *flags, f"--web.listen-address=127.0.0.1:{port}"]


def version() -> str:
    found = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, timeout=10, check=True)
    return (found.stdout + found.stderr).split("version ", 1)[1].split(" ", 1)[0]
