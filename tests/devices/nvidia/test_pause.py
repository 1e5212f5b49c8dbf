"""The pause file: whole, bounded, and nobody else's."""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from math import inf
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.nvidia.pause import PauseFile, parse_until


@pytest.fixture
def file(tmp_path: Path) -> PauseFile:
    return PauseFile(str(tmp_path / "run/gpu.paused"))


def test_a_pause_with_an_end_and_one_without(file: PauseFile) -> None:
    """A pause is over at its time, or when it is ended; then there is none."""
    assert file.until() is None
    assert not file.resume()
    file.pause()
    assert file.until() == inf
    file.pause(60)
    until = file.until()
    assert until is not None
    assert 50 < until - time.time() < 61
    file.pause(0.05)
    time.sleep(0.1)
    assert file.until() is None
    assert file.resume()
    assert file.until() is None
    assert not file.resume()


@pytest.mark.parametrize("set_by_s", [-365 * 86_400.0, -3600.0, 3600.0, 365 * 86_400.0])
def test_the_clock_is_set_during_a_pause(tmp_path: Path, set_by_s: float) -> None:
    """A pause lasts as long as it was to last, though the clock is set back or forward meanwhile."""
    clocks = {"now": 1_700_000_000.0, "since boot": 5000.0}
    file = PauseFile(str(tmp_path / "gpu.paused"), lambda: clocks["now"], lambda: clocks["since boot"])
    file.pause(600)
    assert file.until() == 1_700_000_600.0
    clocks["now"] += set_by_s
    for passed_s, is_paused in ((590.0, True), (20.0, False)):
        clocks["now"] += passed_s
        clocks["since boot"] += passed_s
        assert file.is_paused() == is_paused


def test_modes_do_not_depend_on_the_umask(file: PauseFile, tmp_path: Path) -> None:
    """Anyone may read the file and its folder, whatever the umask."""
    before = os.umask(0o077)
    try:
        file.pause()
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(file.path).st_mode) == 0o644
    assert stat.S_IMODE(os.stat(tmp_path / "run").st_mode) == 0o755
    assert os.listdir(tmp_path / "run") == ["gpu.paused"]


def test_a_planted_link_is_replaced(file: PauseFile, tmp_path: Path) -> None:
    """A symbolic link in the file's place is not written through."""
    victim = tmp_path / "victim"
    victim.write_text("keep")
    (tmp_path / "run").mkdir()
    os.symlink(victim, file.path)
    file.pause(5)
    assert victim.read_text() == "keep"
    assert not os.path.islink(file.path)


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """A symbolic link in the folder's place is not followed."""
    (tmp_path / "real").mkdir()
    os.symlink(tmp_path / "real", tmp_path / "run")
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        PauseFile(str(tmp_path / "run/gpu.paused")).pause()
    assert os.listdir(tmp_path / "real") == []


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_text("tomorrow"),
        lambda path: path.write_bytes(b"\0" * 10_000),
        lambda path: path.symlink_to("/none"),
        lambda path: path.mkdir(),
        lambda path: os.mkfifo(path),
    ],
    ids=["words", "zeros", "link", "folder", "pipe"],
)
def test_what_is_no_pause_file_pauses_and_is_said_once(
    file: PauseFile, tmp_path: Path, caplog: pytest.LogCaptureFixture, make: object
) -> None:
    """Whatever is there in the file's place pauses without end, without waiting for it, and is logged once."""
    (tmp_path / "run").mkdir()
    assert callable(make)
    make(Path(file.path))
    with caplog.at_level(logging.WARNING, "nodescope"):
        assert [file.until(), file.until(), file.until()] == [inf, inf, inf]
    assert len(caplog.records) == 1
    assert "paused until it is removed" in caplog.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_strangers_file_is_ignored(file: PauseFile, caplog: pytest.LogCaptureFixture) -> None:
    """A pause file of another user pauses nothing, and that is logged once."""
    file.pause()
    os.chown(file.path, 12345, 12345)
    with caplog.at_level(logging.WARNING, "nodescope"):
        assert [file.until(), file.until()] == [None, None]
    assert len(caplog.records) == 1
    os.chown(file.path, 0, 0)
    assert file.until() == inf


def test_a_file_is_never_seen_half(file: PauseFile) -> None:
    """While it is written again and again, whoever looks sees a whole one."""
    file.pause(1000)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            file.pause(1000)

    writer = threading.Thread(target=write)
    writer.start()
    reader = PauseFile(file.path)
    seen = {reader.until() for _ in range(2000)}
    stop.set()
    writer.join()
    assert None not in seen
    assert inf not in seen


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """Where the file cannot be written the caller learns why, and nothing is left."""
    (tmp_path / "run").write_text("a file")
    with pytest.raises(OSError, match=r"exists|Not a directory"):
        PauseFile(str(tmp_path / "run/gpu.paused")).pause()
    assert PauseFile(str(tmp_path / "run/gpu.paused")).until() is None
    folder = tmp_path / "there"
    (folder / "gpu.paused").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        PauseFile(str(folder / "gpu.paused")).pause()
    assert os.listdir(folder) == ["gpu.paused"]


@given(st.binary(max_size=70))
def test_any_content(data: bytes) -> None:
    """Any bytes are a time, no end, or neither."""
    until = parse_until(data)
    assert until is None or isinstance(until, float)
    assert until == until
