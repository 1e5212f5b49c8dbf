"""The file that says what is true."""

from __future__ import annotations

import logging
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from nodescope.simulate.truth import Truth, TruthFile


def test_one_object_a_line(tmp_path: Path) -> None:
    """Each row is a line of JSON with its time, readable as soon as it is written; what was there before is gone."""
    path = tmp_path / "truth.jsonl"
    path.write_text("old\n" * 100)
    file = TruthFile(str(path))
    file.write(1.5, [("node_load1", {}, 0.25), ("node_cpu_online", {"cpu": "0"}, 1.0)])
    file.write(2.0, [("node_load1", {}, 0.5)])
    assert msgspec.json.decode(path.read_bytes().splitlines()[0]) == {
        "virtual_seconds": 1.5,
        "metric": "node_load1",
        "labels": {},
        "value": 0.25,
    }
    assert [msgspec.json.decode(line, type=Truth) for line in path.read_bytes().splitlines()] == [
        Truth(1.5, "node_load1", {}, 0.25),
        Truth(1.5, "node_cpu_online", {"cpu": "0"}, 1.0),
        Truth(2.0, "node_load1", {}, 0.5),
    ]
    file.close()
    assert file.dropped_total == 0


def test_ends_at_its_limit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that would pass its limit ends with the last whole moment, warns once, and counts what is dropped."""
    path = tmp_path / "truth.jsonl"
    file = TruthFile(str(path), max_bytes=150)
    with caplog.at_level(logging.WARNING):
        for moment in range(4):
            file.write(float(moment), [("node_load1", {}, 0.5)])
    lines = path.read_bytes().splitlines()
    assert [msgspec.json.decode(line, type=Truth).virtual_seconds for line in lines] == [0.0, 1.0]
    assert file.dropped_total == 2
    assert len(caplog.records) == 1
    assert f"simulate.truth-file {path}: ends here" in caplog.text


@pytest.fixture
def file_size_limit() -> Iterator[Callable[[int], None]]:
    """set(bytes): no file of this process may grow beyond that, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full(
    file_size_limit: Callable[[int], None], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Where a moment cannot be written whole, the file ends with the one before it, with one warning."""
    path = tmp_path / "truth.jsonl"
    file = TruthFile(str(path))
    file_size_limit(100)
    for moment in range(3):
        file.write(float(moment), [("node_load1", {}, 0.5)])
    file_size_limit(resource.RLIM_INFINITY)
    assert [msgspec.json.decode(line)["virtual_seconds"] for line in path.read_bytes().splitlines()] == [0.0]
    assert file.dropped_total == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"simulate.truth-file {path}: ends here, for it cannot be written: [Errno 28] No space left on device"
    ]


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    """A named pipe is refused at once, with and without a reader: writing to it could wait for ever."""
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    with pytest.raises(OSError, match="pipe"):
        TruthFile(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(OSError, match=r"expected a regular file for simulate\.truth-file"):
            TruthFile(path)
    finally:
        os.close(reader)


def test_where_it_cannot_be_opened(tmp_path: Path) -> None:
    """A folder that is not there is an error that names the path."""
    with pytest.raises(FileNotFoundError, match=r"nowhere/truth\.jsonl"):
        TruthFile(str(tmp_path / "nowhere/truth.jsonl"))


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_is_refused_and_what_it_leads_to_is_kept(tmp_path: Path, link: Callable[[Path, Path], None]) -> None:
    """A link in its place, which in a folder for all anybody can put there, costs no other file its content."""
    precious, path = tmp_path / "precious", tmp_path / "truth.jsonl"
    precious.write_text("data")
    link(precious, path)
    with pytest.raises(OSError, match=r"expected a regular file for simulate\.truth-file, and no link"):
        TruthFile(str(path))
    assert precious.read_text() == "data"
