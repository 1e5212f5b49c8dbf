"""Files that outlive the process, and the thread that writes them."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest

from nodescope.kernel.state_file import Saver, StateFile
from tests.conftest import NoThreads

DEADLINE_S: Final = 10.0


class Counts(msgspec.Struct):
    version: int = 1
    sequence: int = 0


class Named(msgspec.Struct):
    version: int = 1
    name: str = ""


SAVED: Final = Counts(sequence=7)


def counts(path: Path) -> StateFile[Counts]:
    return StateFile(str(path), Counts, 1, "counts")


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    """A folder in the file's place is kept aside as well."""
    path = tmp_path / "x.json"
    path.mkdir()
    file = counts(path)
    assert file.load() is None
    assert file.save(SAVED)
    assert (tmp_path / "x.json.bad").is_dir()


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\0" * 4096, b'{"version":1,"name":"\xff"}', b'{"x":' + b"[" * 100_000, b"\xff"],
)
def test_bytes_that_are_no_state(tmp_path: Path, data: bytes) -> None:
    """Whatever a disk made of it, what cannot be used is kept aside, and it starts anew."""
    path = tmp_path / "x.json"
    path.write_bytes(data)
    assert StateFile(str(path), Named, 1, "a name").load() is None
    assert (tmp_path / "x.json.bad").read_bytes() == data


SHORT: Final = """
import resource, sys, threading, time
from pathlib import Path
from tests.kernel.test_state_file import counts
held = open("/dev/null")
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (held.fileno(), hard))
threading.Timer(0.15, resource.setrlimit, (resource.RLIMIT_NOFILE, (hard, hard))).start()
print(counts(Path(sys.argv[1])).load())
"""


def test_what_cannot_be_read_for_a_moment(tmp_path: Path) -> None:
    """Where no descriptor is left, or a disk does not answer, it is read a moment later rather than set aside."""
    path = tmp_path / "counts.json"
    assert counts(path).save(SAVED)
    done = subprocess.run([sys.executable, "-c", SHORT, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == f"{SAVED}\n"
    assert not path.with_name("counts.json.bad").exists()


def test_pipes_in_its_place(tmp_path: Path) -> None:
    """Named pipes in the place of the file and of its lock hold nobody up: one is kept aside, the other is an error."""
    path = tmp_path / "x.json"
    os.mkfifo(path)
    os.mkfifo(tmp_path / "x.json.lock")
    file = counts(path)
    results: list[object] = []
    threading.Thread(target=lambda: results.extend((file.load(), file.save(SAVED))), daemon=True).start()
    until(lambda: len(results) == 2)
    assert results == [None, False]
    assert "cannot be saved" in file.problem
    assert (tmp_path / "x.json.bad").is_fifo()


def test_where_nothing_can_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing can be written that is told of once, with what to do; saving works once it can, and so is that."""
    folder = tmp_path / "folder"
    folder.write_text("a file")
    file = counts(folder / "x.json")
    with caplog.at_level(logging.WARNING, "nodescope"):
        assert file.load() is None
        assert [file.save(SAVED) for _ in range(3)] == [False] * 3
    assert [record.getMessage() for record in caplog.records] == [file.problem]
    assert "give nodescope a folder there that it may write to" in file.problem
    folder.unlink()
    with caplog.at_level(logging.INFO, "nodescope"):
        assert [file.save(SAVED) for _ in range(2)] == [True] * 2
    assert file.problem == ""
    assert [record.getMessage() for record in caplog.records[1:]] == [f"{file.path}: counts can be saved again"]


def test_a_leftover_is_not_written_through(tmp_path: Path) -> None:
    """A link that lies where the new file is made is replaced, and what it leads to stays as it was."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "x.json.new").symlink_to(victim)
    file = counts(tmp_path / "x.json")
    assert file.save(SAVED)
    assert victim.read_text() == "precious"
    assert not (tmp_path / "x.json").is_symlink()
    assert json.loads((tmp_path / "x.json").read_bytes())["sequence"] == 7


class Saves:
    """Counts how often it was called, and says that it `works` or not."""

    def __init__(self) -> None:
        self.count = 0
        self.works = True
        self.began = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self) -> bool:
        self.began.set()
        self.gate.wait(DEADLINE_S)
        self.count += 1
        return self.works


OTHER: Final = """
import sys
from nodescope.kernel.state_file import StateFile
from tests.kernel.test_state_file import SAVED, Counts
file = StateFile(sys.argv[1], Counts, 1, "counts")
assert file.save(SAVED)
print("kept", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def another_process(path: Path) -> Iterator[None]:
    """It keeps the file."""
    command = [sys.executable, "-c", OTHER, str(path)]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"kept\n"
        yield
        process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0


def test_two_processes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of two processes the first saves to the file; the other may read it, says so, and saves once the first ended."""
    path = tmp_path / "state" / "x.json"
    file = counts(path)
    with caplog.at_level(logging.WARNING, "nodescope"), another_process(path):
        assert file.load() == SAVED
        assert [file.save(Counts(sequence=1)) for _ in range(2)] == [False] * 2
        assert json.loads(path.read_bytes())["sequence"] == 7
    assert [record.getMessage() for record in caplog.records] == [file.problem]
    assert "give each a state.directory of its own" in file.problem
    assert file.save(Counts(sequence=8))
    assert (file.problem, counts(path).load()) == ("", Counts(sequence=8))
    assert stat.S_IMODE((tmp_path / "state" / "x.json.lock").stat().st_mode) == 0o600


def test_a_lock_that_is_not_ours(tmp_path: Path) -> None:
    """What stands in the place of the lock and cannot be opened is told of by name, and nothing is overwritten."""
    path = tmp_path / "x.json"
    (tmp_path / "x.json.lock").symlink_to(tmp_path / "elsewhere")
    file = counts(path)
    assert not file.save(SAVED)
    assert f"{path}.lock" in file.problem
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["x.json.lock"]


def test_a_file_that_was_closed_is_another_process_s(tmp_path: Path) -> None:
    """Once closed, it can be kept by another process at once."""
    path = tmp_path / "x.json"
    file = counts(path)
    assert file.save(SAVED)
    file.close()
    with another_process(path):
        assert not counts(path).save(SAVED)


def test_the_first_change_is_saved_at_once() -> None:
    """Nothing runs before the first change; that is saved at once, those after it together when closing."""
    saves = Saves()
    before = threading.active_count()
    saver = Saver(saves, "counts")
    assert threading.active_count() == before
    saver.changed()
    until(lambda: saves.count == 1)
    for _ in range(1000):
        saver.changed()
    time.sleep(0.2)
    assert saves.count == 1
    saver.close()
    assert saves.count == 2
    saver.changed()
    saver.close()
    assert threading.active_count() == before


def test_what_failed_is_tried_again_at_the_end() -> None:
    """What could not be saved is tried again when closing, without a new change."""
    saves = Saves()
    saves.works = False
    saver = Saver(saves, "counts")
    saver.changed()
    until(lambda: saves.count == 1)
    saver.close()
    assert saves.count == 2


def test_a_disk_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    """Closing waits for a disk that hangs only so long, and says that they are not saved."""
    saves = Saves()
    saves.gate.clear()
    saver = Saver(saves, "counts")
    saver.changed()
    assert saves.began.wait(DEADLINE_S)
    with caplog.at_level(logging.WARNING, "nodescope"):
        saver.close()
    saves.gate.set()
    assert "counts could not be saved within 2 s" in caplog.text


def test_without_a_thread_the_next_change_is_saved(no_threads: NoThreads, caplog: pytest.LogCaptureFixture) -> None:
    """A change for which there was no thread is saved with the next one, or when closing; it is told of once."""
    saves = Saves()
    saver = Saver(saves, "counts")
    with no_threads(), caplog.at_level(logging.WARNING, "nodescope"):
        saver.changed()
        saver.changed()
    assert len(caplog.records) == 1
    saver.changed()
    until(lambda: saves.count == 1)
    saver.close()
    saves = Saves()
    saver = Saver(saves, "counts")
    with no_threads():
        saver.changed()
        saver.close()
    assert saves.count == 1


def test_what_nobody_foresaw_ends_no_saving(caplog: pytest.LogCaptureFixture) -> None:
    """A save that raises is one that failed: it is told of, and tried again when closing."""
    tries: list[int] = []

    def save() -> bool:
        tries.append(1)
        if len(tries) == 1:
            raise MemoryError
        return True

    saver = Saver(save, "counts")
    with caplog.at_level(logging.ERROR, "nodescope"):
        saver.changed()
        until(lambda: tries)
        saver.close()
    assert len(tries) == 2
    assert "counts could not be saved" in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ended() -> None:
    """Where the thread that saves has ended, as it does for want of memory, the next change starts another."""
    threads: list[threading.Thread] = []

    def save() -> bool:
        threads.append(threading.current_thread())
        if len(threads) == 1:
            raise SystemExit
        return True

    saver = Saver(save, "counts")
    saver.changed()
    until(lambda: len(threads) == 1 and not threads[0].is_alive())
    saver.changed()
    until(lambda: len(threads) == 2)
    saver.close()
    saver.close()
    assert not any(thread.is_alive() for thread in threads)
