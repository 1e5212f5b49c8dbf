"""Debian's prometheus-node-exporter, told to look at the same things as nodescope."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Final

from nodescope.roles import HOST_COLLECTORS
from nodescope.settings.host_options import DISK_EXCLUDE, FSTYPE_EXCLUDE, MOUNT_EXCLUDE

PROGRAM: Final = "prometheus-node-exporter"
COLLECTORS: Final = HOST_COLLECTORS

# Both take these flags. Debian and newer versions differ in the defaults of the last four.
FLAGS: Final = (
    "--collector.disable-defaults",
    *(f"--collector.{name}" for name in COLLECTORS),
    f"--collector.diskstats.device-exclude={DISK_EXCLUDE}",
    f"--collector.filesystem.fs-types-exclude={FSTYPE_EXCLUDE}",
    f"--collector.filesystem.mount-points-exclude={MOUNT_EXCLUDE}",
    "--collector.netdev.device-exclude=",
)


def command(flags: Sequence[str], port: int) -> list[str]:
    return [PROGRAM, *flags, f"--web.listen-address=127.0.0.1:{port}"]


def version() -> str:
    found = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, timeout=10, check=True)
    return (found.stdout + found.stderr).split("version ", 1)[1].split(" ", 1)[0]
