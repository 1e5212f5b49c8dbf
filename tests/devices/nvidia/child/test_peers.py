"""What the GPU child says of pairs of GPUs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.devices.nvidia.child.conftest import Start
from tests.fake_nvml import Script, calls

CALL = "nvmlDeviceGetP2PStatus"
UUIDS = [f"GPU-5c1f0e50-7a2b-4d11-9f00-00000000000{number}" for number in range(4)]


def test_which_gpus_reach_each_other(script: Script, start: Start, counted: Path) -> None:
    """Each GPU has the driver's number for each other one, over NVLink, and is asked for it once, not each cycle."""
    script.set("count", 3)
    script.set("p2p.nvlink:1", 3, gpu=0)
    script.set("p2p.nvlink:0", 5, gpu=2)
    script.write()
    child = start()
    statuses = [report.reading.peer_nvlink_status for report in child.sample().reports]
    assert statuses == [
        {UUIDS[1]: 3, UUIDS[2]: 0},
        {UUIDS[0]: 0, UUIDS[2]: 0},
        {UUIDS[0]: 5, UUIDS[1]: 0},
    ]
    for _ in range(3):
        again = child.sample()
    assert [report.reading.peer_nvlink_status for report in again.reports] == statuses
    assert [calls(counted, CALL, gpu=gpu) for gpu in range(3)] == [2, 2, 2]


@pytest.mark.parametrize("code", [2, 3, 4, 15, 16, 999])
def test_a_pair_that_does_not_tell(script: Script, start: Start, code: int) -> None:
    """What one pair does not tell is absent, whatever the driver says, and costs neither GPU anything else."""
    script.set("count", 3)
    script.set("p2p.nvlink:1", f"error {code}", gpu=0)
    script.write()
    reports = start().sample().reports
    assert [report.state for report in reports] == ["ok", "ok", "ok"]
    assert reports[0].reading.peer_nvlink_status == {UUIDS[2]: 0}
    assert reports[0].reading.temperature_celsius == 40
    assert UUIDS[0] in reports[1].reading.peer_nvlink_status


def test_a_driver_that_has_no_such_call(script: Script, start: Start) -> None:
    """Where the GPU refuses the question, as one that is divided does, nothing is said of pairs."""
    script.error(CALL, 3)
    script.write()
    for report in start().sample().reports:
        assert (report.state, report.left_out, report.reading.peer_nvlink_status) == ("ok", 0, {})


def test_a_call_that_hung_is_left_out(script: Script, start: Start, counted: Path) -> None:
    """A GPU of which the call hung before is not asked again; the others are, of it too."""
    script.hang(CALL, gpu=0)
    script.write()
    reports = start(skip={UUIDS[0]: [CALL]}).sample().reports
    assert [report.state for report in reports] == ["ok", "ok"]
    assert [report.reading.peer_nvlink_status for report in reports] == [{}, {UUIDS[0]: 0}]
    assert calls(counted, CALL, gpu=0) == 0


def test_gpus_that_come_and_are_lost(script: Script, start: Start) -> None:
    """Pairs are asked anew when a GPU comes; of one that is lost or hangs nothing is said, and it is not asked for."""
    child = start()
    assert child.report(0).reading.peer_nvlink_status == {UUIDS[1]: 0}
    script.set("count", 4)
    script.write()
    child.report(0, lambda report: set(report.reading.peer_nvlink_status) == set(UUIDS[1:]))
    script.error("*", 15, gpu=1)
    script.hang("nvmlDeviceGetPowerUsage", gpu=3)
    script.write()
    lost = child.report(0, lambda report: set(report.reading.peer_nvlink_status) == {UUIDS[2]})
    assert lost.state == "ok"
