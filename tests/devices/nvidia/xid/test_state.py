from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.nvidia.xid.state import Saved, SavedOpen, SavedXid, Saver, StateFile, boot_id
from nodescope.host import Host

SAVED: Final = Saved(
    boot_id="b1",
    sequence=7,
    gpus={"GPU-a": {31: SavedXid(3, 1_700_000_000.5, {1_700_000_000: 2})}},
    open=[SavedOpen("GPU-a", 31, 17_000_000_000, 1, 2)],
)
DEADLINE_S: Final = 10.0


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_round_trip(tmp_path: Path) -> None:
    """What was saved is loaded, from a folder that is made for it, and nothing else is left in it."""
    path = tmp_path / "nodescope/gpu_xids.json"
    assert StateFile(str(path)).load() is None
    assert StateFile(str(path)).save(SAVED)
    assert StateFile(str(path)).load() == SAVED
    assert [entry.name for entry in path.parent.iterdir()] == ["gpu_xids.json"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"gpus": {"GPU-a": {"31": {"count": -1, "last_seen_seconds": 0}}}}',
        b'{"gpus": {"GPU-a": {"31": {"count": 1, "last_seen_seconds": 1e999}}}}',
        b'{"gpus": {"GPU-a": {"x": {"count": 1, "last_seen_seconds": 0}}}}',
        b'{"open": [{"gpu": "GPU-a", "xid": 1, "bucket": 1, "told": 8, "errors": 1}]}',
        b'{"version": 2}',
        b"[" * 100_000,
        b'{"new": ' + b"[" * 100_000,
    ],
)
def test_what_cannot_be_used(data: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is not what was saved is kept aside and told of once, and the next one is saved in its place."""
    path = tmp_path / "gpu_xids.json"
    path.write_bytes(data)
    file = StateFile(str(path))
    with caplog.at_level(logging.WARNING, "nodescope"):
        assert file.load() is None
    assert [record.getMessage() for record in caplog.records] == [file.problem]
    assert f"{path}: saved counts of XIDs cannot be used" in file.problem
    assert (tmp_path / "gpu_xids.json.bad").read_bytes() == data
    assert not path.exists()
    assert file.save(SAVED)
    assert file.load() == SAVED
    assert file.problem == ""


@given(st.binary(max_size=200))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever is in the file, loading gives something that can be saved again, or nothing."""
    path = tmp_path_factory.mktemp("state") / "x.json"
    path.write_bytes(data)
    loaded = StateFile(str(path)).load()
    assert loaded is None or StateFile(str(path)).save(loaded)


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    """A folder in the file's place is kept aside as well."""
    path = tmp_path / "x.json"
    path.mkdir()
    file = StateFile(str(path))
    assert file.load() is None
    assert file.save(SAVED)
    assert (tmp_path / "x.json.bad").is_dir()


def test_where_nothing_can_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing can be written that is told of once, with what to do, and saving works once it can."""
    folder = tmp_path / "folder"
    folder.write_text("a file")
    file = StateFile(str(folder / "x.json"))
    with caplog.at_level(logging.WARNING, "nodescope"):
        assert file.load() is None
        assert [file.save(SAVED) for _ in range(3)] == [False] * 3
    assert [record.getMessage() for record in caplog.records] == [file.problem]
    assert "give nodescope a folder there that it may write to" in file.problem
    folder.unlink()
    assert file.save(SAVED)
    assert file.problem == ""


def test_a_leftover_is_not_written_through(tmp_path: Path) -> None:
    """A link that lies where the new file is made is replaced, and what it leads to stays as it was."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "x.json.new").symlink_to(victim)
    file = StateFile(str(tmp_path / "x.json"))
    assert file.save(SAVED)
    assert victim.read_text() == "precious"
    assert not (tmp_path / "x.json").is_symlink()
    assert json.loads((tmp_path / "x.json").read_bytes())["sequence"] == 7


def test_boot_id(tmp_path: Path) -> None:
    """The boot's name is what the kernel tells, and empty where it tells nothing."""
    host = Host(procfs=str(tmp_path))
    assert boot_id(host) == ""
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("0b9d2a6c-9f2c-4d3e-8f6a-1f0f7a3c2b1d\n")
    assert boot_id(host) == "0b9d2a6c-9f2c-4d3e-8f6a-1f0f7a3c2b1d"
    (tmp_path / "sys/kernel/random/boot_id").write_bytes(b"\xff" * 1000)
    assert len(boot_id(host)) == 64


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


def test_the_first_change_is_saved_at_once() -> None:
    """Nothing runs before the first change; that is saved at once, those after it together when closing."""
    saves = Saves()
    before = threading.active_count()
    saver = Saver(saves)
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
    saver = Saver(saves)
    saver.changed()
    until(lambda: saves.count == 1)
    saver.close()
    assert saves.count == 2


def test_a_disk_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    """Closing waits for a disk that hangs only so long, and says that the counts are not saved."""
    saves = Saves()
    saves.gate.clear()
    saver = Saver(saves)
    saver.changed()
    assert saves.began.wait(DEADLINE_S)
    with caplog.at_level(logging.WARNING, "nodescope"):
        saver.close()
    saves.gate.set()
    assert "the counts of XIDs could not be saved within 2 s" in caplog.text
