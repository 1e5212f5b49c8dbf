from __future__ import annotations

import os
import subprocess
import sys

import pytest

from nodescope.collectors import build
from nodescope.configuration import load
from nodescope.host import Absent, Host, Malformed
from tests.collectors.host.machine import Machine, series


def stat(pid: int, state: str = "S", threads: int = 1, command: str = "x") -> str:
    return (
        f"{pid} ({command}) {state} 2 0 0 0 -1 2129984 0 0 0 0 14 0 0 0 20 0 {threads} 0 24 0 0 18446744073709551615\n"
    )


def write(machine: Machine, pid: int, state: str = "S", threads: str = "", command: str = "x") -> None:
    """A process; `threads`: the states of those beside the one that leads it."""
    machine.write(f"proc/{pid}/stat", stat(pid, state, 1 + len(threads), command))
    machine.write(f"proc/{pid}/task/{pid}/stat", stat(pid, state, 1 + len(threads), command))
    for index, thread in enumerate(threads, pid + 1):
        machine.write(f"proc/{pid}/task/{index}/stat", stat(index, thread, 1 + len(threads)))


def write_limits(machine: Machine) -> None:
    machine.write("proc/sys/kernel/threads-max", "7801\n")
    machine.write("proc/sys/kernel/pid_max", "4194304\n")


LIMITS = {"node_processes_max_threads": 7801, "node_processes_max_processes": 4194304}


def of(pids: int, threads: int, states: dict[str, int], thread_states: dict[str, int]) -> dict[str, float]:
    return {
        "node_processes_pids": pids,
        "node_processes_threads": threads,
        **{f'node_processes_state{{state="{state}"}}': number for state, number in states.items()},
        **{f'node_processes_threads_state{{thread_state="{state}"}}': n for state, n in thread_states.items()},
        **LIMITS,
    }


def test_states(machine: Machine) -> None:
    """Processes and threads are counted by state, and what is no process is passed over."""
    write_limits(machine)
    write(machine, 1, "S")
    write(machine, 10, "R", "SSD", ") R 1 (")
    write(machine, 20, "I")
    machine.write("proc/self/stat", stat(1))
    machine.write("proc/\u0663/stat", stat(3))
    machine.write("proc/10/task/x/stat", stat(3))
    collector = machine.build("processes")
    assert series(collector.collect()) == of(3, 6, {"S": 1, "R": 1, "I": 1}, {"S": 3, "R": 1, "D": 1, "I": 1})
    assert collector.left_out == 0


def test_without_tasks(machine: Machine) -> None:
    """A process that ended before its threads were listed is counted, and its threads are not."""
    write_limits(machine)
    machine.write("proc/5/stat", stat(5, "S", 4))
    assert series(machine.build("processes").collect()) == of(1, 4, {"S": 1}, {})


def test_ended_during_the_walk(machine: Machine) -> None:
    """Processes and threads that are listed and not there any more are not counted, nor left out."""
    write_limits(machine)
    write(machine, 1, "S", "R")
    (machine.folder / "proc/7").mkdir()
    machine.remove("proc/1/task/2/stat")
    collector = machine.build("processes")
    assert series(collector.collect()) == of(1, 2, {"S": 1}, {"S": 1})
    assert collector.left_out == 0


@pytest.mark.parametrize("content", [b"", b"\xff", b"7 (x) S 1 2", b"7 (x R 1"])
def test_one_process_broken(machine: Machine, content: bytes) -> None:
    """A process whose file is not understood costs itself alone, and is counted."""
    write_limits(machine)
    write(machine, 1)
    machine.write("proc/7/stat", content)
    collector = machine.build("processes")
    assert series(collector.collect()) == of(1, 1, {"S": 1}, {"S": 1})
    assert collector.left_out == 1


def test_no_file(machine: Machine) -> None:
    """A process whose file is a folder, and whose folder of threads is a file, costs itself alone."""
    write_limits(machine)
    write(machine, 1)
    (machine.folder / "proc/7/stat").mkdir(parents=True)
    machine.write("proc/8/stat", stat(8))
    machine.write("proc/8/task", "")
    collector = machine.build("processes")
    assert series(collector.collect()) == of(2, 2, {"S": 2}, {"S": 1})
    assert collector.left_out == 1


def test_one_thread_broken(machine: Machine) -> None:
    """A thread whose file is not understood costs itself alone, and is counted."""
    write_limits(machine)
    write(machine, 1, "S", "RD")
    machine.write("proc/1/task/2/stat", "x")
    collector = machine.build("processes")
    assert series(collector.collect()) == of(1, 3, {"S": 1}, {"S": 1, "D": 1})
    assert collector.left_out == 1


@pytest.mark.parametrize("limit", ["threads-max", "pid_max"])
@pytest.mark.parametrize("content", ["x", None])
def test_one_limit_broken(machine: Machine, limit: str, content: str | None) -> None:
    """A limit that is no number, or not there, costs itself alone."""
    write_limits(machine)
    write(machine, 1)
    if content is None:
        machine.remove(f"proc/sys/kernel/{limit}")
    else:
        machine.write(f"proc/sys/kernel/{limit}", content)
    collector = machine.build("processes")
    assert len(series(collector.collect())) == 5
    assert collector.left_out == (content is not None)


class Hidden(Host):
    """A host on which process 7 is listed and may not be read, as with hidepid=1."""

    reason: OSError = PermissionError(13, "Permission denied")

    def read_once(self, path: str) -> bytes:
        if path.endswith("/7/stat"):
            raise self.reason
        return super().read_once(path)


def test_hidden(machine: Machine) -> None:
    """A process that may not be seen is not counted as one, but as left out."""
    write_limits(machine)
    write(machine, 1)
    write(machine, 7)
    collector = build("processes", Hidden(str(machine.folder / "proc")), load({}, {}))
    assert series(collector.collect()) == of(1, 1, {"S": 1}, {"S": 1})
    assert collector.left_out == 1


def test_all_hidden(machine: Machine) -> None:
    """Where no process may be seen there is no telling how many there are."""
    write_limits(machine)
    write(machine, 7)
    with pytest.raises(PermissionError):
        build("processes", Hidden(str(machine.folder / "proc")), load({}, {})).collect()


def test_no_descriptors(machine: Machine) -> None:
    """A want of descriptors is a failure, for it says nothing of any process."""
    write(machine, 1)
    write(machine, 7)
    host = Hidden(str(machine.folder / "proc"))
    host.reason = OSError(24, "Too many open files")
    with pytest.raises(OSError, match="Too many open files"):
        build("processes", host, load({}, {})).collect()


def test_changes(machine: Machine) -> None:
    """A second scrape has the new states, without the process that went."""
    write_limits(machine)
    write(machine, 1)
    write(machine, 2)
    collector = machine.build("processes")
    collector.collect()
    write(machine, 1, "D")
    machine.remove("proc/2")
    assert series(collector.collect()) == of(1, 1, {"D": 1}, {"D": 1})


def test_malformed(machine: Machine) -> None:
    """Where no process is understood, that is said of one of them."""
    machine.write("proc/1/stat", "x")
    with pytest.raises(Malformed, match="proc/1/stat: expected a number, a command"):
        machine.build("processes").collect()


def test_absent(machine: Machine) -> None:
    """Without the folder there is nothing."""
    machine.remove("proc")
    with pytest.raises(Absent):
        machine.build("processes").collect()


def test_nothing_at_all(machine: Machine) -> None:
    """A folder with neither a process nor a limit is no procfs: absent, not a machine without processes."""
    machine.write("proc/stat", "cpu 1\n")
    with pytest.raises(Absent):
        machine.build("processes").collect()


def test_this_machine() -> None:
    """On the machine of the tests there is a process that is stopped, and as many threads as there are states."""
    program = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
    with subprocess.Popen([sys.executable, "-c", program]) as process:
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        found = series(build("processes", Host(), load({}, {})).collect())
        process.kill()
    assert found['node_processes_state{state="T"}'] >= 1
    assert found['node_processes_threads_state{thread_state="T"}'] >= 1
    assert found["node_processes_pids"] <= found["node_processes_threads"]
    assert found["node_processes_threads"] < found["node_processes_max_threads"]
