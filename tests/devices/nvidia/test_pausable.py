"""A source that is given up in a pause."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from nodescope.devices.nvidia.pausable import Pausable
from nodescope.devices.nvidia.pause import PauseFile
from nodescope.devices.source import Observed, SourceFailed
from nodescope.records.gpu_snapshot import GpuSource


class Opened:
    """A source that says whether it is closed."""

    def __init__(self) -> None:
        self.closed = False

    def observe(self, timeout_s: float) -> Observed:
        assert not self.closed
        return Observed(1, (), (), ())

    def status(self) -> GpuSource:
        return GpuSource(vendor="nvidia", kind="nvidia-smi", state="ok")

    def close(self) -> None:
        self.closed = True


def test_a_pause_and_its_end(tmp_path: Path) -> None:
    """In a pause the source is closed and asked nothing; after it there is a new one."""
    opened: list[Opened] = []

    def open_one() -> Opened:
        opened.append(Opened())
        return opened[-1]

    file = PauseFile(str(tmp_path / "paused"))
    source = Pausable(open_one, file)
    assert source.observe(0.0).generation == 1
    file.pause(None)
    for _ in range(2):
        with pytest.raises(SourceFailed, match="resume"):
            source.observe(0.0)
    assert (source.status().state, [one.closed for one in opened]) == ("paused", [True])
    file.resume()
    source.observe(0.0)
    assert (source.status().state, [one.closed for one in opened]) == ("ok", [True, False])
    source.close()
    assert opened[-1].closed


def test_a_pause_ends_by_itself(tmp_path: Path) -> None:
    """A pause for a time is over when the time is."""
    file = PauseFile(str(tmp_path / "paused"))
    source = Pausable(Opened, file)
    file.pause(0.2)
    with pytest.raises(SourceFailed):
        source.observe(0.0)
    deadline = time.monotonic() + 20
    while file.until() is not None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert source.observe(0.0).generation == 1
