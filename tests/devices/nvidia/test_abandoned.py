"""GPU children that SIGKILL does not end, as when they hang in the driver."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nodescope.devices.nvidia.pause import PauseFile
from nodescope.devices.source import SourceFailed
from tests.devices.nvidia.supervised import SHORT, Supervised, processes_of_ours, until
from tests.devices.nvidia.unkillable import Frozen, Traced, unkillable

Make = Callable[..., Supervised]
LIMITS = SHORT._replace(reap_s=0.4, close_s=0.5)


@pytest.fixture(params=["traced", "frozen"])
def holder(request: pytest.FixtureRequest) -> Iterator[Traced | Frozen]:
    with unkillable(request.param) as holder:
        yield holder


def hold(one: Supervised, holder: Traced | Frozen, number: int) -> int:
    """Takes the child of that number out of reach once it gives samples."""
    until(lambda: one.observe() and len(one.starts()) >= number)
    until(lambda: set(one.states().values()) == {"ok"} and one.source.status().starts == number)
    pid: int = one.starts()[number - 1]["pid"]
    holder.hold(pid)
    return pid


def test_a_child_that_does_not_end_is_abandoned(supervised: Make, holder: Traced | Frozen) -> None:
    """It is counted and told of, another takes its place, and it is reaped when it ends at last."""
    one = supervised("good('GPU-0', seconds=2 if NUMBER == 1 else 3600)\nif NUMBER == 1: stay()", limits=LIMITS)
    pid = hold(one, holder, 1)
    until(lambda: one.observe() and one.source.status().abandoned == 1)
    one.until_states(GPU_0="ok")
    assert one.source.status().starts == 2
    assert ("gpu.child_abandoned", "nvidia", {"pid": str(pid)}) in one.changes
    assert pid in processes_of_ours()
    holder.release()
    until(lambda: pid not in processes_of_ours())
    assert one.source.status().abandoned == 1


def test_with_three_abandoned_no_more_are_started(supervised: Make, holder: Traced | Frozen, tmp_path: Path) -> None:
    """The source then says which processes hang and what to do, and goes on once one of them has ended."""
    script = "good('GPU-0', seconds=2 if NUMBER < 4 else 3600)\nif NUMBER < 4: stay()"
    file = PauseFile(str(tmp_path / "run/gpu.paused"))
    one = supervised(script, limits=LIMITS, pause_file=PauseFile(file.path))
    pids = [hold(one, holder, number) for number in (1, 2, 3)]
    until(lambda: one.observe() and one.source.status().state == "abandoned")
    for pid in pids:
        assert str(pid) in one.source.status().reason
    assert "restart the machine" in one.source.status().reason
    time.sleep(1.0)
    assert one.source.status().starts == 3
    assert isinstance(one.observe(), SourceFailed)
    file.pause()
    until(lambda: one.observe() and one.source.status().state == "paused")
    assert str(pids[0]) in one.source.status().reason
    file.resume()
    until(lambda: one.source.status().state == "abandoned")
    holder.release()
    one.until_states(GPU_0="ok")
    assert one.source.status().starts == 4
    assert processes_of_ours() == [one.starts()[-1]["pid"]]


def test_a_hung_gpu_is_not_tried_while_a_child_hangs_in_it(supervised: Make, holder: Traced | Frozen) -> None:
    """A child that hangs in the kernel shows that the call still does: no more are lost to it until it has ended."""
    one = supervised(
        "if NUMBER == 2: time.sleep(1)\ngood('GPU-0', 'GPU-1', busy={'GPU-1': 'nvmlSlow'} if NUMBER == 1 else None)",
        limits=LIMITS._replace(least_silence_s=5.0, quarantine_s=2.0),
    )
    one.until_states(GPU_0="ok", GPU_1="unresponsive")
    holder.hold(one.starts()[0]["pid"])
    until(lambda: one.observe() and one.source.status().abandoned == 1)
    time.sleep(2.0)
    assert one.source.status().starts == 2
    assert one.states() == {"GPU-0": "ok", "GPU-1": "ok"}
    assert one.source.status().state == "ok"
    holder.release()
    until(lambda: one.reports()["GPU-1"].reason == "")
    assert one.source.status().starts == 3


def test_closing_does_not_wait_for_it(supervised: Make, holder: Traced | Frozen) -> None:
    """A source with a child that cannot be ended closes in time; the child is left."""
    one = supervised("good('GPU-0')", limits=LIMITS)
    pid = hold(one, holder, 1)
    one.close()
    assert processes_of_ours() == [pid] or pid in processes_of_ours()
    holder.release()

    until(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid)
