"""A node with many containers for the benchmark: this machine, with cgroups of its own and an engine that is fake.

Every file that is not a container's is this machine's own. Some containers start and stop, as fast as is asked for.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.containers.cgroup.trees import V2
from tests.containers.engine.fake_engine import FakeEngine

CGROUPS: Final = "sys/fs/cgroup/docker"
FILES: Final = {**V2, "memory.events": "low 0\nhigh 0\nmax 12\noom 0\noom_kill 0\noom_group_kill 0\n"}
"""Of each container; one that was out of memory would have more events."""

CONTROLLERS: Final = "cpuset cpu io memory pids\n"
EVENTS_OF_A_LIFE: Final = 4
"""Created, running, exited, deleted."""
GONE_AFTER_S: Final = 1.0
GPUS: Final = 8
NO_PID: Final = 1 << 23
"""Beyond all that there can be: numbers of processes which are not this machine's."""
NET_DEV: Final = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
  eth0: 1048576    4096    0    0    0     0          0         0   524288    2048    0    0    0     0       0          0
"""  # noqa: E501 - as the kernel prints it


class Crowd:
    """`containers` that run, and those that come and go. `root`, `procfs`, `sysfs`: for the settings `path.*`.

    `pids`: of processes that are there, for as many of the containers; each of these asks for a GPU.
    """

    def __init__(self, root: Path, containers: int, pids: tuple[int, ...] = ()) -> None:
        self.root = root
        self.lives = 0
        self._containers = containers
        self._pids = pids
        self._spare: deque[int] = deque()
        self._running: deque[tuple[float, str, int]] = deque()
        (root / "run").mkdir(parents=True)
        _link_all(Path("/sys"), root / "sys", "fs")
        _link_all(Path("/sys/fs"), root / "sys/fs", "cgroup")
        _link_all(Path("/proc"), root / "proc")
        _link_all(Path("/proc/1"), root / "proc/1", "net")
        _write(root / "proc/1/net/dev", NET_DEV)
        _write(root / CGROUPS / "../cgroup.controllers", CONTROLLERS)
        self._engine = FakeEngine(root / "run/docker.sock")

    @property
    def flags(self) -> tuple[str, ...]:
        """What points nodescope at this node."""
        return f"--path.procfs={self.root}/proc", f"--path.sysfs={self.root}/sys", f"--path.rootfs={self.root}"

    @property
    def events(self) -> int:
        """What the containers that came and went have done so far, in events."""
        return EVENTS_OF_A_LIFE * self.lives - EVENTS_OF_A_LIFE // 2 * len(self._running)

    @contextmanager
    def up(self) -> Iterator[Crowd]:
        """All run, and the engine answers."""
        with self._engine:
            for number in range(self._containers):
                has_gpu = number < len(self._pids)
                pid = self._pids[number] if has_gpu else NO_PID + number
                wanted = (f"NVIDIA_VISIBLE_DEVICES={number % GPUS}",) if has_gpu else ()
                self._run(number + 1, pid, wanted)
            yield self

    def flood(self, seconds: float, per_second: int) -> None:
        """So many containers start each second, and go a second later."""
        begin = time.monotonic()
        for number in range(round(seconds * per_second)):
            time.sleep(max(0.0, begin + number / per_second - time.monotonic()))
            self._start()
            self._end(time.monotonic() - GONE_AFTER_S)

    def settle(self) -> None:
        """Those that came go."""
        self._end(time.monotonic())

    def _start(self) -> None:
        self.lives += 1
        slot = self._spare.popleft() if self._spare else len(self._running) + 1
        pid = NO_PID + self._containers + slot
        container_id = self._run(self._containers + self.lives, pid)
        self._running.append((time.monotonic(), container_id, slot))

    def _end(self, before: float) -> None:
        while self._running and self._running[0][0] <= before:
            _, container_id, slot = self._running.popleft()
            folder = self.root / CGROUPS / container_id
            for name in FILES:
                (folder / name).unlink()
            folder.rmdir()
            self._engine.die(container_id)
            self._engine.remove(container_id)
            self._spare.append(slot)

    def _run(self, number: int, pid: int, environment: tuple[str, ...] = ()) -> str:
        """A container and its files; its id."""
        container_id = self._engine.create(number, Env=list(environment))
        folder = self.root / CGROUPS / container_id
        for name, content in FILES.items():
            _write(folder / name, content)
        process = self.root / f"proc/{pid}"
        _write(process / "cgroup", f"0::/docker/{container_id}\n")
        _write(process / "stat", f"{pid} (work) S {' '.join('1' * 18)} {pid} 0 0\n")
        _write(process / "net/dev", NET_DEV)
        self._engine.start(container_id, pid)
        return container_id


def _link_all(source: Path, target: Path, *but: str) -> None:
    """Links to all that is in a folder, but for processes and what is named."""
    target.mkdir()
    for name in os.listdir(source):
        if name not in but and not name.isdigit():
            (target / name).symlink_to(source / name)


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
