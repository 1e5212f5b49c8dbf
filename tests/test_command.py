"""Processes: started with nothing but their streams, ended with all they started, reaped, bounded."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from nodescope.command import (
    MAX_ERROR_BYTES,
    Child,
    CommandFailed,
    CommandNotFound,
    environment,
    kill_all,
    read_available,
    run,
    start,
)

PYTHON = sys.executable
DEADLINE_S = 20.0


def until(done: Callable[[], bool], else_: Callable[[], str] = lambda: "") -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not done():
        assert time.monotonic() < deadline, else_()
        time.sleep(0.005)


def open_descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))


def left_open(before: Sequence[str]) -> list[str]:
    """What is open that was not. A thread of a test before may come to its end meanwhile, and leave what it opened to
    the garbage collector."""
    gc.collect()
    found = []
    for fd in set(open_descriptors()) - set(before):
        with contextlib.suppress(FileNotFoundError):
            found.append(f"{fd}: {os.readlink(f'/proc/self/fd/{fd}')}")
    return found


def is_there(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except FileNotFoundError:
        return False


def children() -> list[str]:
    return Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Whatever a test does, afterwards no descriptor is open and no child is there that was not before."""
    descriptors, processes = open_descriptors(), children()
    yield
    until(lambda: not left_open(descriptors), lambda: ", ".join(left_open(descriptors)))
    assert children() == processes


def test_output_status_and_error_are_given() -> None:
    """What a program writes to both outputs and its exit status come back; other than 0 is no error."""
    finished = run(["sh", "-c", "echo out; echo err >&2; exit 3"], 10, 1000)
    assert finished == (3, b"out\n", b"err\n", False)


def test_nothing_is_on_the_input_and_nothing_is_inherited() -> None:
    """A program sees an empty input, three descriptors, a group of its own, signals as at first and few variables."""
    os.environ["NODESCOPE_SECRET"] = "x"
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    text = (
        "import os, sys, signal\n"
        "fds = [fd for fd in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + fd)]\n"
        "print(sorted(fds), sys.stdin.read(), os.getpgid(0) == os.getsid(0) == os.getpid())\n"
        "ignored = next(line for line in open('/proc/self/status') if line.startswith('SigBlk'))\n"
        "print(ignored.split()[1], sorted(os.environ))\n"
    )
    try:
        finished = run([PYTHON, "-c", text], 10, 10_000)
    finally:
        del os.environ["NODESCOPE_SECRET"]
        os.close(reader)
        os.close(writer)
    first, second = finished.stdout.decode().splitlines()
    assert first == "['0', '1', '2']  True"
    assert second.startswith("0000000000000000 ")
    assert "NODESCOPE_SECRET" not in second
    assert "LC_ALL" in second


def test_pipe_signals_are_as_at_first() -> None:
    """Python ignores SIGPIPE; what it starts does not."""
    ignored = int(run(["sh", "-c", "grep SigIgn /proc/self/status"], 10, 1000).stdout.split()[1], 16)
    assert signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN
    assert not ignored & 1 << (signal.SIGPIPE - 1)


@pytest.mark.parametrize(
    ("argv", "kind", "words"),
    [
        (["nodescope-no-such-program"], CommandNotFound, "there is no such program"),
        (["/etc/hostname/x"], CommandNotFound, "there is no such program"),
        (["/etc/passwd"], CommandFailed, "may not run it"),
        (["sh", "a\0b"], CommandFailed, "null"),
        (["sh", "-c", "kill -SEGV $$"], CommandFailed, "was ended by SIGSEGV"),
        (["sh", "-c", "echo no >&2; echo 'disk \033[1mfull' >&2; kill -9 $$"], CommandFailed, "it said: disk ?[1mfull"),
        (["sleep", "60"], CommandFailed, "has not ended within 0.3 s"),
    ],
)
def test_what_cannot_be_run_says_why(argv: list[str], kind: type[Exception], words: str) -> None:
    """Not found, denied, refused arguments, ended by a signal and too slow are one sentence each."""
    with pytest.raises(kind) as caught:
        run(argv, 0.3 if argv[0] == "sleep" else 10, 1000)
    assert words in str(caught.value)
    assert type(caught.value) is kind


def test_the_whole_group_ends_at_the_deadline(tmp_path: Path) -> None:
    """What a program started is ended with it, though it ignores SIGTERM and the program itself has ended."""
    file = tmp_path / "pids"
    script = f"trap '' TERM HUP; sleep 60 & echo $! > {file}; echo $$ >> {file}; sleep 60"
    with pytest.raises(CommandFailed):
        run(["sh", "-c", script], 0.5, 1000)
    # Those that nobody waits for are gone a moment after they were killed.
    until(lambda: not [pid for pid in map(int, file.read_text().split()) if is_there(pid)])
    finished = run(["sh", "-c", f"echo said; sleep 60 & echo $! > {file}"], DEADLINE_S, 1000)
    assert finished.stdout == b"said\n"
    until(lambda: not is_there(int(file.read_text())))


def test_too_much_output_ends_it() -> None:
    """A program that writes more than it may is ended, what it may is given and marked; errors keep their end."""
    finished = run(["yes"], DEADLINE_S, 100_001)
    assert (len(finished.stdout), finished.truncated, finished.status) == (100_001, True, -signal.SIGKILL)
    finished = run([PYTHON, "-c", "import sys; sys.stderr.write('x' * 300_000 + 'end'); print(5)"], DEADLINE_S, 1000)
    assert (finished.stdout, len(finished.stderr), finished.truncated) == (b"5\n", MAX_ERROR_BYTES, False)
    assert finished.stderr.endswith(b"end")
    exact = run([PYTHON, "-c", "print('x' * 999)"], DEADLINE_S, 1000)
    assert (len(exact.stdout), exact.truncated) == (1000, False)


def test_closed_outputs_are_not_the_end() -> None:
    """A program that closes its outputs and goes on is waited for."""
    assert run(["sh", "-c", "exec >&- 2>&-; sleep 0.2; exit 4"], DEADLINE_S, 10).status == 4


def test_many_at_once() -> None:
    """Programs run from many threads are each given their own output."""
    found: dict[int, bytes] = {}

    def one(number: int) -> None:
        found[number] = run(["sh", "-c", f"echo {number}"], DEADLINE_S, 100).stdout

    threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: b"%d\n" % number for number in range(20)}


def output_of(child: Child) -> bytes:
    found = b""
    while (data := read_available(child.stdout_fd)) != b"":
        found += data or b""
        time.sleep(0.001)
    return found


def test_a_child_lives_until_its_input_ends() -> None:
    """A child reads what it is sent and ends when its input is closed; then it is reaped with its status."""
    child = start(["cat"], environment())
    os.write(child.stdin_fd, b"hello")
    until(lambda: read_available(child.stdout_fd) == b"hello")
    assert not child.has_ended()
    assert not child.reap()
    os.close(child.stdin_fd)
    child.stdin_fd = -1
    assert output_of(child) == b""
    until(child.reap)
    assert child.status == 0
    child.close()
    child.kill()
    assert child.reap()
    child.close()


def test_a_killed_child_takes_its_group_along(tmp_path: Path) -> None:
    """A child's own children end with it, also when it ended before it was killed."""
    file = tmp_path / "pid"
    child = start(["sh", "-c", f"sleep 60 >/dev/null 2>&1 & echo $! > {file}; cat; exit 5"])
    until(lambda: file.exists() and bool(file.read_text().strip()))
    assert is_there(int(file.read_text()))
    child.close()
    until(child.has_ended)
    assert is_there(int(file.read_text()))
    until(child.reap)
    assert child.status == 5
    until(lambda: not is_there(int(file.read_text())))


def test_a_child_that_was_reaped_by_another_is_gone() -> None:
    """Where the kernel or another part reaps, a child is gone and its status unknown."""
    child = start(["true"])
    until(child.has_ended)
    os.waitpid(child.pid, 0)
    assert child.reap()
    assert child.status is None
    child.close()


def test_what_is_not_there_leaves_no_descriptor() -> None:
    """Starting what is not there, many times, opens nothing for good."""
    for _ in range(50):
        with pytest.raises(CommandNotFound):
            start(["/none"])


def test_all_that_runs_can_be_ended(tmp_path: Path) -> None:
    """What other threads wait for ends at once when this process is about to."""
    file = tmp_path / "pids"
    failed: list[CommandFailed] = []

    def wait_for_it() -> None:
        try:
            run(["sh", "-c", f"echo $$ > {file}; sleep 60"], 60, 1000)
        except CommandFailed as error:
            failed.append(error)

    thread = threading.Thread(target=wait_for_it)
    thread.start()
    until(lambda: file.exists() and file.read_text().strip() != "")
    kill_all()
    thread.join(DEADLINE_S)
    assert len(failed) == 1
    assert not is_there(int(file.read_text()))


def test_what_is_being_started_meanwhile_is_ended_too() -> None:
    """A program whose start was under way when all were ended does not outlive that."""

    def end_all() -> bool:
        kill_all()
        return False

    begun = time.monotonic()
    with pytest.raises(CommandFailed, match="sleep was ended by SIGKILL"):
        run(["sleep", "60"], 60, 1000, unwanted=end_all)
    assert time.monotonic() - begun < DEADLINE_S


def test_what_is_no_longer_wanted_is_ended(tmp_path: Path) -> None:
    """A program of which nobody wants to know any more is ended at once, with what it has started, and says so."""
    file = tmp_path / "pids"
    script = f"sleep 60 & echo $! $$ > {file}.new; mv {file}.new {file}; wait"
    begun = time.monotonic()
    with pytest.raises(CommandFailed, match="sh was ended: what it tells is no longer wanted"):
        run(["sh", "-c", script], 60, 1000, unwanted=file.exists)
    assert time.monotonic() - begun < DEADLINE_S
    until(lambda: not any(is_there(int(pid)) for pid in file.read_text().split()))


def test_one_that_has_closed_its_output_is_ended_too(tmp_path: Path) -> None:
    """So is one that says nothing more, while only its end is waited for."""
    file = tmp_path / "pid"
    script = f"echo $$ > {file}; exec sleep 60 >&- 2>&-"
    with pytest.raises(CommandFailed, match="no longer wanted"):
        run(["sh", "-c", script], 60, 1000, unwanted=lambda: file.exists() and file.read_text() != "")
    assert not is_there(int(file.read_text()))


def test_what_is_not_wanted_is_not_started(tmp_path: Path) -> None:
    """Where nobody wants to know from the first nothing is started; what ends by itself first has its result."""
    with pytest.raises(CommandFailed, match="touch is not started"):
        run(["touch", str(tmp_path / "file")], 60, 1000, unwanted=lambda: True)
    assert not (tmp_path / "file").exists()
    assert run(["touch", str(tmp_path / "file")], 60, 1000, unwanted=lambda: False).status == 0
