"""Makes a process that SIGKILL does not take away, as one is that hangs in a driver."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

FREEZER: Final = Path("/sys/fs/cgroup/freezer")
TRACER: Final = """
import ctypes, sys, time
PTRACE_SEIZE = 0x4206
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
print(libc.ptrace(PTRACE_SEIZE, int(sys.argv[1]), None, None), flush=True)
time.sleep(600)
"""


class Traced:
    """Held by a tracer that does not take note of their end: their parent cannot reap them."""

    def __init__(self) -> None:
        self._tracers: list[subprocess.Popen[str]] = []

    def hold(self, pid: int) -> None:
        tracer = subprocess.Popen([sys.executable, "-c", TRACER, str(pid)], stdout=subprocess.PIPE, text=True)
        self._tracers.append(tracer)
        assert tracer.stdout is not None
        if tracer.stdout.readline() != "0\n":
            pytest.skip("this user may not trace a process (kernel.yama.ptrace_scope, seccomp)")

    def release(self) -> None:
        for tracer in self._tracers:
            tracer.kill()
            tracer.communicate()
        self._tracers.clear()


class Frozen:
    """In a frozen cgroup (v1): they neither run nor die, and hold what they have open."""

    def __init__(self) -> None:
        self._folder = FREEZER / f"nodescope-test-{os.getpid()}-{time.monotonic_ns()}"
        try:
            self._folder.mkdir()
        except OSError as error:
            pytest.skip(f"no freezer of cgroup v1 at {FREEZER} ({error.strerror})")

    def hold(self, pid: int) -> None:
        (self._folder / "cgroup.procs").write_text(str(pid))
        (self._folder / "freezer.state").write_text("FROZEN")

    def release(self) -> None:
        if self._folder.exists():
            (self._folder / "freezer.state").write_text("THAWED")
        deadline = time.monotonic() + 10
        while self._folder.exists() and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                self._folder.rmdir()
            time.sleep(0.01)


@contextlib.contextmanager
def unkillable(way: str) -> Iterator[Traced | Frozen]:
    """`way`: "traced" or "frozen". Whatever is held is released at the end."""
    holder = Traced() if way == "traced" else Frozen()
    try:
        yield holder
    finally:
        holder.release()
