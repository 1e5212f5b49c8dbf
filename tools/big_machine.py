"""A synthetic GPU server: /proc and /sys of 224 threads, 40 block devices, 60 pods. Nothing on it moves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
MAKE_LIMIT_S: Final = 300


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
