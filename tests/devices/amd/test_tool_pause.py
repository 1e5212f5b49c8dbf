"""AMD's tools in a pause and at the end of their source."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nodescope.devices.amd.amd_smi import amd_smi_source
from nodescope.devices.amd.amd_static import AmdStaticSampler
from nodescope.devices.amd.rocm_smi import rocm_smi_source
from nodescope.devices.amd.tool_source import ToolSource
from nodescope.devices.nvidia.pause import PauseFile
from nodescope.devices.source import SourceFailed
from nodescope.host import Host

PAUSE_S = 2.0
WAIT_S = 20.0
HOLDER = """#!/bin/sh
here="$(dirname "$0")"
echo "$*" >> "$here/runs"
exec sleep 30
"""


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """A program that takes half a minute, whatever it is asked."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "smi").write_text(HOLDER)
    (folder / "smi").chmod(0o755)
    return folder / "smi"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    for name in ("proc", "sys"):
        (tmp_path / name).mkdir()
    return Host(procfs=str(tmp_path / "proc"), sysfs=str(tmp_path / "sys"))


def runs(tool: Path) -> int:
    file = tool.parent / "runs"
    return len(file.read_text().splitlines()) if file.exists() else 0


def sleeping() -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if file.read_bytes() == b"sleep\x0030\x00":
                found.append(file.parent.name)
        except OSError:
            continue
    return found


def until(done: Callable[[], bool], limit_s: float = WAIT_S) -> None:
    deadline = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("opened", [amd_smi_source, rocm_smi_source])
def test_a_pause_ends_the_run(tool: Path, host: Host, tmp_path: Path, opened: Callable[..., ToolSource]) -> None:
    """Within 2 s of the pause nothing runs, and none of the other commands of the round is begun."""
    before = set(sleeping())
    file = PauseFile(str(tmp_path / "paused"))
    source = opened(host, str(tool), is_paused=PauseFile(file.path).is_paused)
    source.observe(0.0)
    until(lambda: runs(tool) == 1 and not before.issuperset(sleeping()))
    file.pause(None)
    until(lambda: before.issuperset(sleeping()), PAUSE_S)
    with pytest.raises(SourceFailed, match="no longer wanted"):
        source.observe(WAIT_S)
    assert runs(tool) == 1
    source.close()


@pytest.mark.parametrize("opened", [amd_smi_source, rocm_smi_source])
def test_the_end_of_a_source_ends_the_run(tool: Path, host: Host, opened: Callable[..., ToolSource]) -> None:
    """A source that is closed leaves no tool behind, and begins no other command of the round."""
    before = set(sleeping())
    source = opened(host, str(tool))
    source.observe(0.0)
    until(lambda: runs(tool) == 1 and not before.issuperset(sleeping()))
    source.close()
    assert before.issuperset(sleeping())
    assert runs(tool) == 1


def test_a_pause_ends_what_is_asked_now_and_then(tool: Path, host: Host, tmp_path: Path) -> None:
    """So it is with what amd-smi is asked each few minutes; what was told last stays, and nobody is told of a failure
    while the pause lasts."""
    file = PauseFile(str(tmp_path / "paused"))
    sampler = AmdStaticSampler(host, str(tool), interval_s=0.01, pause_file=PauseFile(file.path))
    file.pause(None)
    assert sampler.sample() == ()
    assert runs(tool) == 0
    file.resume()
    thread = threading.Thread(target=sampler.refresh)
    thread.start()
    until(lambda: runs(tool) == 1)
    file.pause(None)
    thread.join(PAUSE_S)
    assert not thread.is_alive()
