"""Runs in the guest of test_cgroup_v2.py as root: makes cgroups as runtimes do, works in them, prints what the kernel
and the agent say of them as one JSON object.

Source: Documentation/admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

CGROUPS: Final = Path("/sys/fs/cgroup")
DISK: Final = Path("/data")
PORT: Final = 9190
LIMIT_S: Final = 120.0
SAMPLED_S: Final = 3.0
TRIES: Final = 10
AGENT: Final = (
    "agent", "--collector.disable-defaults", "--collector.container", "--collector.container.interval=1s",
    "--state.directory=/run/nodescope", f"--web.listen-address=127.0.0.1:{PORT}",
)  # fmt: skip
UID: Final = "8c1e5f2a_3b4d_4e6f_8a9b_0c1d2e3f4a5b"
MIB: Final = 1024 * 1024

# Runs into its CPU limit, holds memory of each kind, reads and writes a disk past the page cache.
BUSY: Final = f"""
import mmap, os, time
anonymous = bytearray(b"x" * {16 * MIB})
with open("{DISK}/cached", "wb") as file:
    file.write(b"x" * {4 * MIB})
cached = open("{DISK}/cached", "rb")
mapped = mmap.mmap(cached.fileno(), 0, prot=mmap.PROT_READ)
sum(mapped[::4096])
os.system("dd if=/dev/zero of={DISK}/x bs=64k count=20 oflag=direct; dd if={DISK}/x of=/dev/null bs=64k iflag=direct")
end = time.monotonic() + 3
while time.monotonic() < end:
    pass
print("ready", flush=True)
time.sleep(1000)
"""
# A child takes more than there is and is killed for it; what started it lives on.
SUFFERS: Final = f"""
import subprocess, sys, time
subprocess.run([sys.executable, "-c", "x = bytearray(b'x' * {64 * MIB})"])
print("ready", flush=True)
time.sleep(1000)
"""
IDLE: Final = "import time; print('ready', flush=True); time.sleep(1000)"

# Name -> its cgroup, the part below it that its processes are in, its limits, what it does.
CONTAINERS: Final[dict[str, tuple[str, str, dict[str, str], str]]] = {
    "docker": (
        f"system.slice/docker-{'a' * 64}.scope",
        "",
        {"cpu.max": "20000 100000", "memory.max": str(96 * MIB), "pids.max": "40"},
        BUSY,
    ),
    "pod": (
        f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID}.slice/cri-containerd-{'b' * 64}.scope",
        "",
        {"memory.max": str(32 * MIB)},
        SUFFERS,
    ),
    "podman": (f"machine.slice/libpod-{'c' * 64}.scope", "container", {"pids.max": "7"}, IDLE),
}
FILES: Final = (
    "cpu.stat", "cpu.max", "cpu.pressure", "memory.current", "memory.stat", "memory.peak", "memory.max",
    "memory.swap.current", "memory.events", "memory.pressure", "io.stat", "io.pressure", "pids.current", "pids.max",
)  # fmt: skip


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {LIMIT_S:g} s: {what}")
        time.sleep(0.1)


def made(path: str) -> Path:
    """The cgroup, with all controllers on the way to it."""
    folder = CGROUPS
    for part in path.split("/"):
        enable_all(folder)
        folder /= part
        folder.mkdir(exist_ok=True)
    return folder


def enable_all(folder: Path) -> None:
    controllers = (folder / "cgroup.controllers").read_text().split()
    (folder / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers))


def started(path: str, below: str, limits: dict[str, str], does: str) -> subprocess.Popen[bytes]:
    cgroup = made(path)
    for name, limit in limits.items():
        (cgroup / name).write_text(limit)
    home = made(f"{path}/{below}") if below else cgroup
    enter = f"import os; open({str(home / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))\n"
    return subprocess.Popen([sys.executable, "-c", enter + does], stdout=subprocess.PIPE)


def files() -> dict[str, dict[str, str]]:
    """Name of the container -> what the kernel's files say, without averages of pressure, which fade by themselves."""
    return {
        name: {file: re.sub(r" avg\d+=\S+", "", (CGROUPS / path / file).read_text()) for file in FILES}
        for name, (path, *_) in CONTAINERS.items()
    }


def is_frozen(path: str) -> bool:
    return "frozen 1" in (CGROUPS / path / "cgroup.events").read_text()


def page() -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics", timeout=LIMIT_S) as answer:
        found: str = answer.read().decode()
        return found


def answers() -> bool:
    try:
        return bool(page())
    except OSError:
        return False


def main() -> None:
    agent = subprocess.Popen([sys.executable, "-m", "nodescope", *AGENT])
    until(answers, "the agent's first answer")
    running = {name: started(*container) for name, container in CONTAINERS.items()}
    for name, process in running.items():
        if process.stdout is None or process.stdout.readline() != b"ready\n":
            raise SystemExit(f"{name} did not get ready")
    for path, *_ in CONTAINERS.values():
        # From here on nothing that the kernel counts of them changes.
        (CGROUPS / path / "cgroup.freeze").write_text("1")
    until(lambda: all(is_frozen(path) for path, *_ in CONTAINERS.values()), "all are frozen")
    until(lambda: all(letter * 64 in page() for letter in "abc"), "the agent sees all containers")
    before, said = files(), ""
    for _ in range(TRIES):
        # A new sample, of what was as it is.
        time.sleep(SAMPLED_S)
        said = page()
        after = files()
        if after == before:
            break
        before = after
    else:
        raise SystemExit("the kernel counts on in frozen cgroups")
    disks = {f"{os.major(os.stat(DISK).st_dev)}:{os.minor(os.stat(DISK).st_dev)}": "vda"}
    found: dict[str, Any] = {"files": before, "page": said, "disks": disks}
    agent.terminate()
    found["status"] = agent.wait(LIMIT_S)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
