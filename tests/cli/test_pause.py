"""nodescope pause gpu and nodescope resume gpu, as their user sees them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nodescope.cli.pause import Untold, answered
from nodescope.devices.nvidia.frame import Options
from nodescope.devices.nvidia.holders import CHILD_MODULE, agents
from nodescope.devices.nvidia.pause import PauseFile
from nodescope.devices.nvidia.supervisor import Supervisor
from nodescope.host import Host

Run = Callable[..., subprocess.CompletedProcess[str]]
MANY = 4000
"""Processes that take longer to be looked at than a wait of 50 ms."""

IMPOSSIBLE_STACK_BYTES = 2**45
HOLDING = "import sys; print('ready', flush=True); sys.stdin.read()"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "run/gpu.paused")


@pytest.fixture
def empty(tmp_path: Path) -> str:
    """A /proc without processes: whatever else runs on this machine is not looked at."""
    (tmp_path / "proc").mkdir()
    return f"--path.procfs={tmp_path}/proc"


@pytest.fixture
def stubborn() -> Iterator[subprocess.Popen[str]]:
    """A GPU child that no agent watches over."""
    argv = [sys.executable, "-c", HOLDING, "-m", CHILD_MODULE]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.communicate()


def test_a_pause_and_its_end(run: Run, path: str, empty: str) -> None:
    """One sentence each says what is so now, how to go on, and that no agent runs."""
    done = run("pause", "gpu", "--pause-file", path, empty)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "nothing of nodescope's holds the GPU driver, until `nodescope resume gpu`; no agent was seen running here, one"
        " that is started leaves the GPUs alone too\n"
    )
    assert PauseFile(path).until() == float("inf")
    done = run("resume", "gpu", f"--collector.gpu.pause-file={path}", empty)
    assert (done.returncode, done.stdout) == (0, "the pause is over; no agent was seen running here\n")
    assert not os.path.exists(path)
    done = run("resume", "gpu", environment={"NODESCOPE_COLLECTOR_GPU_PAUSE_FILE": path})
    assert (done.returncode, done.stdout) == (0, f"there was no pause: {path} is not there\n")


def test_a_pause_for_a_while(run: Run, path: str, empty: str) -> None:
    """--for takes durations as the settings do, and says when it ends."""
    done = run("pause", "gpu", "--for", "1m30s", "--pause-file", path, empty)
    assert "for 1m30s, or until `nodescope resume gpu`" in done.stdout
    until = PauseFile(path).until()
    assert until is not None
    assert 60 < until - time.time() < 91


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gpu", "--for", "soon"], "flag --for: for is 'soon', expected a duration such as 500ms, 10s or 1m30s"),
        (["gpu", "--for", "0"], "expected a duration"),
        (["gpu", "--for", ""], "flag --for: for is '', expected a duration"),
        (["disk"], "invalid choice: 'disk'"),
        ([], "required: gpu"),
    ],
)
def test_what_is_asked_wrongly_changes_nothing(run: Run, path: str, arguments: list[str], words: str) -> None:
    """A wrong duration or thing ends with 2, one sentence and no pause."""
    done = run("pause", *arguments, "--pause-file", path)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not os.path.exists(path)


def test_what_still_holds_the_driver_is_named(run: Run, path: str, stubborn: subprocess.Popen[str]) -> None:
    """A child that does not go is named, and the command ends with 1; the pause is on."""
    done = run("pause", "gpu", "--pause-file", path)
    assert done.returncode == 1
    # Other tests may have such children on this machine at the same time.
    assert f"process {stubborn.pid} still runs, and may open the driver" in done.stderr
    assert "; the pause is on" in done.stderr
    assert os.path.exists(path)


def test_a_process_that_does_not_answer(run: Run, path: str, tmp_path: Path) -> None:
    """A command line that cannot be read, as of a process in the hands of a driver that hangs, holds up neither one."""
    process = tmp_path / "proc/7"
    process.mkdir(parents=True)
    os.mkfifo(process / "cmdline")
    done = run("pause", "gpu", "--pause-file", path, f"--path.procfs={tmp_path}/proc")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"nodescope pause: what holds the driver cannot be told: a process does not answer in {tmp_path}/proc;"
        " the pause is on\n"
    )
    done = run("resume", "gpu", "--pause-file", path, f"--path.procfs={tmp_path}/proc")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("the pause is over; whether an agent runs here cannot be told")


def test_without_a_thread_to_look_with() -> None:
    """Where no thread is to be had, what holds the driver cannot be told; it says what to raise."""
    before = threading.stack_size(IMPOSSIBLE_STACK_BYTES)
    try:
        with pytest.raises(Untold, match="raise the limit on processes"):
            answered(agents, Host())
    finally:
        threading.stack_size(before)


def test_what_holds_the_driver_is_named_where_there_are_many_processes(run: Run, path: str, tmp_path: Path) -> None:
    """A look that takes longer than is left of the wait is waited for."""
    for pid in range(1, MANY):
        process = tmp_path / f"proc/{pid}"
        process.mkdir(parents=True)
        (process / "cmdline").write_text("sleep\0009\0" if pid > 1 else f"python\0-m\0{CHILD_MODULE}\0")
    done = run("pause", "gpu", "--pause-file", path, f"--path.procfs={tmp_path}/proc")
    assert done.returncode == 1
    assert "nodescope pause: process 1 still runs, and may open the driver" in done.stderr


def test_a_file_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    """Where there can be no pause file, one sentence says so."""
    (tmp_path / "run").write_text("")
    for command in (["pause", "gpu"], ["resume", "gpu"]):
        (tmp_path / "folder").mkdir(exist_ok=True)
        path = tmp_path / "run/x" if command[0] == "pause" else tmp_path / "folder"
        done = run(*command, "--pause-file", str(path))
        assert done.returncode == 1
        assert "cannot be changed" in done.stderr
        assert "Traceback" not in done.stderr


def test_an_agents_child_is_gone_when_the_command_ends(run: Run, path: str, tmp_path: Path) -> None:
    """Once the command says so, the child of a running source is there no longer; it comes back with `resume`."""
    child = tmp_path / "child.py"
    child.write_text(f"import sys; sys.path.insert(0, {os.path.abspath('tests/devices/nvidia')!r})\n"
                     "from scripted_child import *\ngood('GPU-0')\n")  # fmt: skip
    code = f"import runpy, sys; sys.argv = ['', {str(tmp_path)!r}, sys.argv[-1]]; runpy.run_path({str(child)!r})"
    events: list[Any] = []
    source = Supervisor(
        (sys.executable, "-c", code, "-m", CHILD_MODULE),
        Options(interval_seconds=0.05),
        Host(),
        events.append,
        lambda *what: events.append(what),
        pause_file=PauseFile(path),
    )

    def until(state: str) -> None:
        deadline = time.monotonic() + 20
        while source.status().state != state:
            assert time.monotonic() < deadline
            source.observe(1.0)

    try:
        source.observe(20)
        until("ok")
        children = Path(f"/proc/self/task/{_supervising()}/children")
        pid = children.read_text().strip()
        assert pid
        done = run("pause", "gpu", "--pause-file", path)
        # Another agent on this machine may have a child of its own.
        assert f"process {pid} " not in done.stderr
        assert not children.read_text()
        until("paused")
        assert run("resume", "gpu", "--pause-file", path).returncode == 0
        until("ok")
    finally:
        source.close()
    assert events == []


def _supervising() -> int:
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "gpu-supervisor"]
    assert thread.native_id is not None
    return thread.native_id
