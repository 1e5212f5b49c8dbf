"""The GPU child and the driver's events."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from nodescope.devices.nvidia.frame import Xid
from tests.devices.nvidia.child.conftest import Start
from tests.fake_nvml import Script, called, calls

UUID = "GPU-5c1f0e50-7a2b-4d11-9f00-00000000000{}"


def test_xids_are_told(script: Script, start: Start) -> None:
    """An XID is a frame with its GPU and time; of an instance with its ids, of the whole GPU without."""
    script.xid(79, gpu=1)
    script.xid(31, gpu=0, gi=7, ci=0)
    script.write()
    child = start()
    first, second = child.next(Xid), child.next(Xid)
    assert (first.uuid, first.xid, first.gpu_instance_id, first.compute_instance_id) == (UUID.format(1), 79, None, None)
    assert (second.uuid, second.xid) == (UUID.format(0), 31)
    assert (second.gpu_instance_id, second.compute_instance_id) == (7, 0)
    assert abs(time.time() - second.time_seconds) < 60


def test_a_storm_is_told_whole(script: Script, start: Start) -> None:
    """Ten thousand XIDs at once all arrive, in order, and the samples go on."""
    script.xid(31, gpu=0, count=10000)
    script.xid(79, gpu=1)
    script.write()
    child = start()
    found: list[Xid] = []
    while not found or found[-1].xid != 79:
        found.append(child.next(Xid))
    assert Counter(each.xid for each in found) == {31: 10000, 79: 1}
    assert child.report(0).state == "ok"


def test_other_events_are_no_xids(script: Script, start: Start) -> None:
    """ECC events make no frame: the counters tell of them."""
    script.event(2, 0, gpu=0)
    script.xid(48, gpu=0)
    script.write()
    child = start()
    assert child.next(Xid).xid == 48


@pytest.mark.parametrize("call", ["nvmlDeviceRegisterEvents", "nvmlDeviceGetSupportedEventTypes"])
def test_a_gpu_that_hangs_when_asked_for_events(script: Script, start: Start, call: str) -> None:
    """Its readings go on and say so, the others' XIDs come, and its own do when the call has returned."""
    script.hang(call, gpu=0)
    script.xid(79, gpu=1)
    script.write()
    child = start()
    assert child.next(Xid).uuid == UUID.format(1)
    child.report(0, lambda report: "events" in report.reason and report.state == "ok")
    script.no_hang(call, gpu=0)
    script.write()
    child.report(0, lambda report: report.reason == "")
    while UUID.format(0) not in {frame.uuid for frame in child.frames if isinstance(frame, Xid)}:
        # As with the driver, one that comes before the events are asked for again is not told.
        script.xid(31, gpu=0)
        script.write()
        child.sample()


@pytest.mark.parametrize("call", ["nvmlDeviceRegisterEvents", "nvmlDeviceGetSupportedEventTypes"])
def test_a_gpu_without_events_costs_no_other(script: Script, start: Start, call: str) -> None:
    """Where one GPU has no events those of the others come."""
    script.error(call, 3, gpu=0)
    script.xid(79, gpu=1)
    script.write()
    assert start().next(Xid).uuid == UUID.format(1)


def test_events_that_cannot_be_registered(script: Script, start: Start, counted: Path) -> None:
    """UNKNOWN at registration: the set is freed, nothing waits for it, and samples go on."""
    script.error("nvmlDeviceRegisterEvents", 999)
    script.write()
    child = start()
    for _ in range(3):
        assert child.report(0).state == "ok"
    made = called(counted)
    assert made["nvmlEventSetFree"] == 1
    assert "nvmlEventSetWait_v2" not in made


def test_a_wait_that_fails_is_not_repeated_at_once(script: Script, start: Start, counted: Path) -> None:
    """Where waiting fails there is no busy loop, and samples go on."""
    script.error("nvmlEventSetWait_v2", 15)
    script.write()
    child = start()
    for _ in range(5):
        assert child.report(0).state == "ok"
    assert calls(counted, "nvmlEventSetWait_v2") <= 4


def test_a_lost_gpu_costs_no_other_its_events(script: Script, start: Start, counted: Path) -> None:
    """Where waiting says that a GPU is lost, the events of the others are asked for again without it."""
    child = start()
    child.sample()
    script.error("nvmlEventSetWait_v2", 15)
    script.error("*", 15, gpu=0)
    script.write()
    child.report(0, lambda report: report.state == "lost" and called(counted)["nvmlEventSetCreate"] > 1)
    script.no_error("nvmlEventSetWait_v2")
    script.write()
    while UUID.format(1) not in {frame.uuid for frame in child.frames if isinstance(frame, Xid)}:
        # As with the driver, one that comes before the events are asked for again is not told.
        script.xid(79, gpu=1)
        script.write()
        child.sample()


def test_a_gpu_whose_events_fail_costs_no_other_its_own(script: Script, start: Start) -> None:
    """UNKNOWN of one GPU at registration is told of that one, and the others' events are asked for again without it."""
    script.error("nvmlDeviceRegisterEvents", 999, gpu=0)
    script.write()
    child = start()
    child.report(0, lambda report: "events" in report.reason and report.state == "ok")
    while UUID.format(1) not in {frame.uuid for frame in child.frames if isinstance(frame, Xid)}:
        script.xid(79, gpu=1)
        script.write()
        child.sample()
    assert child.report(1).reason == ""
