"""A synthetic GPU server: /proc and /sys of 224 threads, 40 block devices, 60 pods. Nothing on it moves.

`shrink` makes a smaller machine of it, with fewer CPUs and network and block devices in proportion.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
MAKE_LIMIT_S: Final = 300
CPUS: Final = 224

_CPU_LINES: Final = ("proc/stat", "proc/schedstat")


class NotHere(Exception):
    """What makes the machine is not on this one. Says what to set."""


def make(folder: Path) -> tuple[str, ...]:
    """Writes the machine into a new folder; the flags with which an exporter looks at it. Raises `NotHere`."""
    shared = Path(os.environ.get("NODESCOPE_SHARED") or ROOT.parent / "shared")
    maker = shared / "conformance/node_exporter/mk_bignode.py"
    if not maker.is_file():
        raise NotHere("the big machine is left out: NODESCOPE_SHARED names no folder with its mk_bignode.py")
    subprocess.run([sys.executable, maker, folder], check=True, timeout=MAKE_LIMIT_S, stdout=subprocess.DEVNULL)
    _mount(folder)
    return (f"--path.procfs={folder}/proc", f"--path.sysfs={folder}/sys", f"--path.rootfs={folder}")


def _mount(folder: Path) -> None:
    """Makes the mount points, so that statfs answers, and /proc/1/mounts, which older exporters read."""
    lines = []
    for line in (folder / "proc/1/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        mountpoint, options = before.split()[4:6]
        fstype, device = after.split()[:2]
        lines.append(f"{device} {mountpoint} {fstype} {options} 0 0\n")
        (folder / mountpoint.lstrip("/")).mkdir(parents=True, exist_ok=True)
    (folder / "proc/1/mounts").write_text("".join(lines))


def shrink(folder: Path, cpus: int) -> None:
    """Takes away CPUs beyond the first `cpus`, and network and block devices so that as large a part is left."""

    def stays(index: int, count: int) -> bool:
        return index * CPUS < count * cpus

    for name in _CPU_LINES:
        _keep_lines(folder / name, _of_first_cpus(cpus))
    _keep_lines(folder / "proc/net/softnet_stat", lambda index, line: index < cpus)
    system = folder / "sys/devices/system/cpu"
    for path in system.glob("cpu[0-9]*"):
        if int(path.name[3:]) >= cpus:
            shutil.rmtree(path)
    (system / "online").write_text(f"0-{cpus - 1}\n")
    for path in (folder / "sys/class/thermal").glob("cooling_device*"):
        if int(path.name[14:]) >= cpus:
            shutil.rmtree(path)
    links = sorted((folder / "sys/class/net").iterdir())
    disks = (folder / "proc/diskstats").read_text().splitlines()
    for index, path in enumerate(links):
        if not stays(index, len(links)):
            shutil.rmtree(path)
    _keep_lines(folder / "proc/diskstats", lambda index, line: stays(index, len(disks)))


def _of_first_cpus(cpus: int) -> Callable[[int, str], bool]:
    """Keeps lines of the first `cpus` CPUs, with the domains behind them, and lines of no CPU."""
    shown = True

    def keep(index: int, line: str) -> bool:
        nonlocal shown
        number = re.match(r"cpu(\d+) ", line)
        if number or not line.startswith("domain"):
            shown = number is None or int(number[1]) < cpus
        return shown

    return keep


def _keep_lines(path: Path, keep: Callable[[int, str], bool]) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for index, line in enumerate(lines) if keep(index, line)))
