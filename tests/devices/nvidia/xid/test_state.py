from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.nvidia.xid.state import Saved, SavedOpen, SavedXid, boot_id, state_file
from nodescope.host import Host

SAVED: Final = Saved(
    boot_id="b1",
    sequence=7,
    gpus={"GPU-a": {31: SavedXid(3, 1_700_000_000.5, {1_700_000_000: 2})}},
    open=[SavedOpen("GPU-a", 31, 17_000_000_000, 1, 2)],
)


def test_round_trip(tmp_path: Path) -> None:
    """What was saved is loaded, from a folder that is made for it; beside it is its lock alone."""
    path = tmp_path / "nodescope/gpu_xids.json"
    assert state_file(str(path)).load() is None
    assert state_file(str(path)).save(SAVED)
    assert state_file(str(path)).load() == SAVED
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["gpu_xids.json", "gpu_xids.json.lock"]
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
    file = state_file(str(path))
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
    loaded = state_file(str(path)).load()
    assert loaded is None or state_file(str(path)).save(loaded)


def test_boot_id(tmp_path: Path) -> None:
    """The boot's name is what the kernel tells, and empty where it tells nothing."""
    host = Host(procfs=str(tmp_path))
    assert boot_id(host) == ""
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("0b9d2a6c-9f2c-4d3e-8f6a-1f0f7a3c2b1d\n")
    assert boot_id(host) == "0b9d2a6c-9f2c-4d3e-8f6a-1f0f7a3c2b1d"
    (tmp_path / "sys/kernel/random/boot_id").write_bytes(b"\xff" * 1000)
    assert len(boot_id(host)) == 64
