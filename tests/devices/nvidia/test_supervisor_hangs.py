"""The supervisor over scripted children of which a call hangs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from tests.devices.nvidia.supervised import SHORT, Supervised, processes_of_ours, until

Make = Callable[..., Supervised]


def test_one_call_that_hangs_costs_one_value(supervised: Make) -> None:
    """The others go on without a gap, the culprit is back without that call, and later with it."""
    one = supervised(
        "if NUMBER == 2: time.sleep(0.7)\ngood('GPU-0', 'GPU-1', busy={'GPU-1': 'nvmlSlow'} if NUMBER < 3 else None)"
    )
    one.until_states(GPU_0="ok", GPU_1="unresponsive")
    assert "nvmlSlow has not returned" in one.reports()["GPU-1"].reason
    worst = 0.0
    while "left out" not in (reports := one.reports())["GPU-1"].reason:
        worst = max(worst, time.monotonic() - reports["GPU-0"].sampled_monotonic_seconds)
    assert reports["GPU-1"].state == "ok"
    assert reports["GPU-1"].reason.startswith("nvmlSlow is left out")
    assert reports["GPU-1"].reading.power_milliwatts == 2000
    assert worst < SHORT.least_silence_s
    until(lambda: one.reports()["GPU-1"].reason == "")
    assert [start["skip"] for start in one.starts()] == [{}, {"GPU-1": ["nvmlSlow"]}, {}]
    assert one.changes == [("gpu.call_hung", "GPU-1", {"call": "nvmlSlow"})]
    status = one.source.status()
    assert (status.state, status.hung_calls, status.starts) == ("ok", 1, 3)
    until(lambda: len(processes_of_ours()) == 1)


def test_a_call_that_hangs_again_waits_longer(supervised: Make) -> None:
    """A try that hangs is given up beside the child that is well, and the next one comes after twice the time."""
    one = supervised("good('GPU-0', 'GPU-1', busy={'GPU-1': 'nvmlSlow'})")
    until(lambda: one.observe() and len(one.starts()) == 4)
    skips = [start["skip"] for start in one.starts()]
    assert skips == [{}, {"GPU-1": ["nvmlSlow"]}, {}, {}]
    made = [os.stat(one.folder / f"start-{number}").st_mtime for number in range(1, 5)]
    assert made[3] - made[2] > 1.9
    assert one.states() == {"GPU-0": "ok", "GPU-1": "ok"}
    assert one.reports()["GPU-0"].reading.power_milliwatts == 2000
    assert one.kinds() == ["gpu.call_hung"] * 2


def test_a_second_call_that_hangs_costs_the_gpu(supervised: Make) -> None:
    """A GPU that hangs in two calls is left alone altogether, and says so; the others go on."""
    one = supervised(
        "good('GPU-0', 'GPU-1', busy={'GPU-1': 'nvmlSecond' if SKIP.get('GPU-1') == ['nvmlFirst'] else 'nvmlFirst'})",
        limits=SHORT._replace(quarantine_s=15.0),
    )
    until(lambda: "tried again later" in one.reports().get("GPU-1", one.reports()["GPU-0"]).reason)
    report = one.reports()["GPU-1"]
    assert report.state == "unresponsive"
    assert report.reason.startswith("nvmlFirst and nvmlSecond did not return")
    assert one.starts()[-1]["skip"] == {"GPU-1": ["*"]}
    assert one.states()["GPU-0"] == "ok"
    assert one.source.status().hung_calls == 2


def test_a_child_that_hangs_while_its_replacement_starts(supervised: Make) -> None:
    """Where the child that is asked fails for good, the replacement that was starting takes its place."""
    one = supervised(
        "if NUMBER == 1: good('GPU-0', busy={'GPU-0': 'nvmlSlow'}, seconds=0.7)\n"
        "else: time.sleep(0.8); good('GPU-0', busy={'GPU-0': 'nvmlSlow'})",
        limits=SHORT._replace(quarantine_s=60.0, back_off_s=30.0),
    )
    one.until_states(GPU_0="unresponsive")
    one.until_states(GPU_0="ok")
    assert one.source.status().starts == 2
    assert one.kinds() == ["gpu.call_hung", "gpu.source_failed", "gpu.source_back"]
