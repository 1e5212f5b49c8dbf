"""Attribute files of one GPU."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.amd.device_files import MAX_TEXT_BYTES, DeviceFiles, plain_line
from nodescope.host import Host
from tests.devices.amd.amd_node import BROKEN


def files_of(root: Path) -> DeviceFiles:
    return DeviceFiles(Host(sysfs=str(root)), str(root))


def test_answers(tmp_path: Path) -> None:
    """Numbers and lines are read without blanks; what is no number is none."""
    (tmp_path / "number").write_text("-7\n")
    (tmp_path / "line").write_bytes(b" AMD\x00\xff\n")
    files = files_of(tmp_path)
    assert files.number("number") == files.number("number", files.anew) == -7
    assert files.number("line") is None
    assert files.line("line") == files.line_now("line") == "AMD?\ufffd"
    assert files.names("") == ["line", "number"]
    assert (files.answered, files.refused, files.left_out, files.path) == (5, "", 0, "")


def test_what_a_driver_refuses(tmp_path: Path) -> None:
    """What is not there and what is refused is absent; the first refusal is named, and one that passes is noted."""
    files = files_of(tmp_path)
    assert files.now("absent") is None
    assert files.names("absent") == []
    assert (files.answered, files.refused, files.unsettled) == (0, "", False)
    (tmp_path / "refused").symlink_to(BROKEN)
    assert files.now("refused") is None
    assert files.refused == f"{tmp_path}/refused: Input/output error"
    assert (files.unsettled, files.left_out) == (True, 0)
    files.begin()
    assert (files.refused, files.unsettled) == ("", False)


def test_what_no_driver_says(tmp_path: Path) -> None:
    """A folder in place of an attribute is counted as left out."""
    (tmp_path / "folder").mkdir()
    files = files_of(tmp_path)
    assert files.now("folder") is None
    assert (files.left_out, files.unsettled) == (1, False)


@given(st.binary(max_size=400))
def test_any_line(data: bytes) -> None:
    """A line is bounded and printable, and never empty."""
    line = plain_line(data)
    assert line is None or (line and line.isprintable() and len(line) <= MAX_TEXT_BYTES)
