"""A source that is given up in a pause."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nodescope.devices.nvidia.pausable import Pausable
from nodescope.devices.nvidia.pause import PauseFile
from nodescope.devices.nvidia.smi.source import SmiSource
from nodescope.devices.source import Observed, SourceFailed
from nodescope.records.gpu import GpuIdentity, GpuReport
from nodescope.records.gpu_snapshot import GpuSource
from tests.devices.nvidia.smi.fake_nvidia_smi import empty_host, gpu_xml, log_xml

PAUSE_S = 2.0
WAIT_S = 20.0
HOLDER = """#!/bin/sh
here="$(dirname "$0")"
[ -f "$here/answer" ] && exec cat "$here/answer"
exec 9< "$here/device"
sleep 30 &
echo $! $$ > "$here/pids.new"
mv "$here/pids.new" "$here/pids"
wait
"""
"""A program that holds a file open for half a minute, and so does what it starts."""


GPU = GpuIdentity(vendor="nvidia", uuid="GPU-a")


class Opened:
    """A source that says whether it is closed."""

    def __init__(self, state: str = "ok") -> None:
        self.closed = False
        self.state = state
        self.gpus: tuple[GpuIdentity, ...] = ()
        self.meanwhile: Callable[[], object] = lambda: None

    def observe(self, timeout_s: float) -> Observed:
        assert not self.closed
        self.meanwhile()
        return Observed(1, self.gpus, (), tuple(GpuReport(uuid=gpu.uuid) for gpu in self.gpus))

    def status(self) -> GpuSource:
        return GpuSource(vendor="nvidia", kind="nvidia-smi", state=self.state)

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


def test_gpus_stay_known(tmp_path: Path) -> None:
    """In a pause the GPUs that were known are told of as paused, then as starting until the source has read again."""
    opened: list[Opened] = []

    def open_one() -> Opened:
        opened.append(Opened("starting" if opened else "ok"))
        return opened[-1]

    file = PauseFile(str(tmp_path / "paused"))
    source = Pausable(open_one, file)
    opened[0].gpus = (GPU,)
    assert told(source.observe(0.0)) == ("GPU-a", "ok")
    # It begins while the source is asked, whose run is ended by it: that is no failure of the GPU.
    opened[0].meanwhile = lambda: file.pause(None)
    assert [told(source.observe(0.0)) for _ in range(2)] == [("GPU-a", "paused")] * 2
    file.resume()
    assert told(source.observe(0.0)) == ("GPU-a", "starting")
    opened[1].gpus = (GPU,)
    assert told(source.observe(0.0)) == ("GPU-a", "ok")
    opened[1].gpus, opened[1].state = (), "ok"
    assert source.observe(0.0).gpus == ()
    file.pause(None)
    with pytest.raises(SourceFailed, match="resume"):
        source.observe(0.0)


def told(observed: Observed) -> tuple[str, str]:
    """UUID and state of the one GPU."""
    (gpu,), (report,) = observed.gpus, observed.reports
    assert report.uuid == gpu.uuid
    return gpu.uuid, report.state


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


def holding(device: Path) -> list[str]:
    """Processes that have the file open."""
    found = []
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            open_files = [entry.readlink() for entry in folder.iterdir()]
        except OSError:
            continue
        if device in open_files:
            found.append(folder.parent.name)
    return found


def until(done: Callable[[], bool], limit_s: float = WAIT_S) -> None:
    deadline = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_pause_ends_the_program_that_runs(tmp_path: Path) -> None:
    """A run that holds the driver is over within 2 s of the pause, with what it started, though nobody asks for it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program, device = folder / "nvidia-smi", folder / "device"
    program.write_text(HOLDER)
    program.chmod(0o755)
    device.touch()
    file = PauseFile(str(tmp_path / "paused"))
    mine = PauseFile(file.path)
    host = empty_host(tmp_path)
    source = Pausable(lambda: SmiSource(host, str(program), 1.0, is_paused=mine.is_paused), file)
    assert source.observe(0.0).gpus == ()
    until(lambda: len(holding(device)) == 2)
    file.pause(None)
    until(lambda: holding(device) == [], PAUSE_S)
    with pytest.raises(SourceFailed, match="resume"):
        source.observe(0.0)
    assert source.status().state == "paused"
    (folder / "answer").write_text(log_xml(gpu_xml(0)))
    file.resume()
    assert len(source.observe(WAIT_S).gpus) == 1
    source.close()


def test_the_end_of_a_source_ends_the_program_that_runs(tmp_path: Path) -> None:
    """So it is where the source is closed, in a pause or at the agent's end."""
    program = tmp_path / "nvidia-smi"
    program.write_text(HOLDER)
    program.chmod(0o755)
    (tmp_path / "device").touch()
    source = SmiSource(empty_host(tmp_path), str(program), 1.0)
    source.observe(0.0)
    until(lambda: len(holding(tmp_path / "device")) == 2)
    source.close()
    assert holding(tmp_path / "device") == []
    with pytest.raises(SourceFailed, match="given the driver up"):
        source.observe(0.0)
