"""The GPU child where GPUs and their instances come and go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nodescope.devices.nvidia.child.errors import text_of
from nodescope.records.gpu import InstanceIdentity, ProcessReading
from tests.devices.nvidia.child.conftest import Start
from tests.fake_nvml import Script, called

UUID = "GPU-5c1f0e50-7a2b-4d11-9f00-00000000000{}"


def test_a_gpu_that_comes(script: Script, start: Start) -> None:
    """A new GPU makes a new generation, in which it is listed and read."""
    script.set("count", 1)
    script.write()
    child = start()
    assert len(child.sample().reports) == 1
    script.set("count", 2)
    script.write()
    inventory = child.inventory()
    assert inventory.generation == 2
    assert [gpu.uuid for gpu in inventory.gpus] == [UUID.format(0), UUID.format(1)]
    sample = child.sample()
    assert sample.generation == 2
    assert [report.state for report in sample.reports] == ["ok", "ok"]


def test_a_gpu_that_goes(script: Script, start: Start) -> None:
    """A GPU that is taken out is no longer listed; those behind it keep their identity under another index."""
    script.set("count", 3)
    script.write()
    child = start()
    assert len(child.inventory().gpus) == 3
    child.sample()
    script.set("absent", 1, gpu=1)
    script.write()
    inventory = child.inventory(lambda inventory: len(inventory.gpus) == 2)
    assert [(gpu.index, gpu.uuid) for gpu in inventory.gpus] == [(0, UUID.format(0)), (1, UUID.format(2))]
    sample = child.sample()
    assert [report.uuid for report in sample.reports] == [UUID.format(0), UUID.format(2)]
    assert [report.state for report in sample.reports] == ["ok", "ok"]


@pytest.mark.parametrize("code", [15, 999])
def test_a_gpu_that_cannot_be_opened_costs_no_other(script: Script, start: Start, code: int) -> None:
    """One index that fails is not listed; the others are."""
    script.error("nvmlDeviceGetHandleByIndex_v2", code, gpu=0)
    script.write()
    child = start()
    assert [gpu.uuid for gpu in child.inventory().gpus] == [UUID.format(1)]
    assert child.report(0).state == "ok"


@pytest.mark.parametrize(
    ("code", "state"), [(6, "lost"), (8, "failed"), (15, "lost"), (16, "reset_required"), (999, "failed")]
)
def test_a_gpu_that_was_never_opened_is_told(script: Script, start: Start, code: int, state: str) -> None:
    """One that the driver counts and that fails from the start on is told by its index and why."""
    script.error("nvmlDeviceGetHandleByIndex_v2", code, gpu=0)
    script.write()
    child = start()
    (unopened,) = child.inventory().unopened
    assert (unopened.index, unopened.state) == (0, state)
    assert unopened.reason == f"nvmlDeviceGetHandleByIndex_v2: {text_of(code)}"


def test_gpus_none_of_which_may_be_opened(script: Script, start: Start) -> None:
    """Where this process may open none of those that are counted, all are told as denied: there are GPUs."""
    script.error("nvmlDeviceGetHandleByIndex_v2", 4)
    script.write()
    assert [(one.index, one.state) for one in start().inventory().unopened] == [(0, "denied"), (1, "denied")]


def test_a_gpu_that_opens_later(script: Script, start: Start) -> None:
    """One that could not be opened is tried again, and is then as any other."""
    script.error("nvmlDeviceGetHandleByIndex_v2", 15, gpu=0)
    script.write()
    child = start()
    assert len(child.inventory().unopened) == 1
    script.no_error("nvmlDeviceGetHandleByIndex_v2", gpu=0)
    script.write()
    inventory = child.inventory(lambda inventory: len(inventory.gpus) == 2)
    assert inventory.unopened == ()


@pytest.mark.parametrize("code", [2, 4, 17])
def test_a_gpu_that_is_not_given_to_it(script: Script, start: Start, code: int) -> None:
    """One that this process may not open, or that is not there, is none of its own."""
    script.error("nvmlDeviceGetHandleByIndex_v2", code, gpu=0)
    script.write()
    assert start().inventory().unopened == ()


@pytest.mark.parametrize(
    ("code", "state"),
    [(6, "lost"), (15, "lost"), (16, "reset_required"), (4, "denied"), (17, "denied"), (999, "failed")],
)
def test_a_known_gpu_that_cannot_be_opened_any_more(script: Script, start: Start, code: int, state: str) -> None:
    """A GPU that fails when all are opened anew keeps its identity, and its state says why."""
    child = start()
    known = child.inventory().gpus[0]
    child.sample()
    script.error("nvmlDeviceGetHandleByIndex_v2", code, gpu=0)
    script.set("count", 3)
    script.write()
    inventory = child.inventory()
    assert len(inventory.gpus) == 3
    assert inventory.gpus[0] == known
    sample = child.sample()
    assert [report.state for report in sample.reports] == [state, "ok", "ok"]
    assert "nvmlDeviceGetHandleByIndex_v2" in sample.reports[0].reason


def test_instances_are_listed_and_read(script: Script, start: Start) -> None:
    """Slots may be empty; two compute instances of one GPU instance share its memory and its profiling."""
    script.mig(0, {0: (7, 0, "1g.18gb"), 3: (2, 0, "1c.3g.71gb"), 4: (2, 1, "2c.3g.71gb")})
    script.gpm(2, 55.5, gpu=0, instance=3)
    script.set("memory.used", 1 << 30, gpu=0, instance=3)
    script.process(os.getpid(), gpu=0, memory=1 << 20, gi=2, ci=1)
    script.write()
    child = start()
    instances = child.inventory().instances
    assert [each.index for each in instances] == [0, 3, 4]
    assert instances[1] == InstanceIdentity(
        gpu_uuid=UUID.format(0),
        uuid=instances[1].uuid,
        index=3,
        gpu_instance_id=2,
        compute_instance_id=0,
        profile="1c.3g.71gb",
        multiprocessors=instances[1].multiprocessors,
    )
    assert (instances[2].compute_instance_id, instances[2].profile) == (1, "2c.3g.71gb")
    child.sample()
    report = child.report(0)
    assert (report.state, report.left_out) == ("ok", 0)
    assert report.reading.mig_mode == 1
    assert report.reading.utilization_percent is None
    readings = {reading.uuid: reading for reading in report.instances}
    first, second, third = (readings[each.uuid] for each in instances)
    assert second.memory_used_bytes == third.memory_used_bytes == 1 << 30
    assert second.profiling["sm_util"] == third.profiling["sm_util"] == 55.5
    assert first.profiling["sm_util"] != 55.5
    assert (first.ecc_uncorrected_volatile_errors, first.bar1_used_bytes) == (0, 0)
    assert report.processes == (
        ProcessReading(pid=os.getpid(), type="compute", instance_uuid=instances[2].uuid, memory_used_bytes=1 << 20),
    )


def test_what_one_instance_refuses_others_have(script: Script, start: Start) -> None:
    """A metric that one GPU instance does not have, for its profile, is still asked of the others, and told."""
    script.mig(0, {0: (7, 0, "1g.18gb+gfx"), 1: (2, 0, "3g.71gb")})
    script.gpm(2, 55.5, gpu=0)
    script.set("gpm 2", "error 3", gpu=0, instance=0)
    script.write()
    child = start()
    child.inventory()
    for _ in range(2):
        report = child.report(0, lambda report: all("sm_occupancy" in one.profiling for one in report.instances))
        assert [one.profiling.get("sm_util") for one in report.instances] == [None, 55.5]


def test_processes_of_instances_where_the_gpu_may_not_be_asked(script: Script, start: Start) -> None:
    """A divided GPU that tells its processes only to the privileged is asked instance by instance."""
    script.mig(0, {0: (7, 0, "1g.18gb"), 1: (8, 0, "1g.18gb")})
    script.process(os.getpid(), gpu=0, memory=1 << 20, gi=8, ci=0)
    script.error("nvmlDeviceGetComputeRunningProcesses_v3", 4, gpu=0)
    for slot in (0, 1):
        script.set("error nvmlDeviceGetComputeRunningProcesses_v3", "0 after 0", gpu=0, instance=slot)
    script.write()
    child = start()
    instances = child.inventory().instances
    child.sample()
    (process,) = child.report(0).processes
    assert (process.pid, process.instance_uuid) == (os.getpid(), instances[1].uuid)


def test_the_driver_tells_of_a_gpu_that_is_divided_anew(script: Script, start: Start) -> None:
    """An event makes a GPU be looked at at once; other instances make a new generation, in which they are read."""
    child = start()
    assert child.inventory().instances == ()
    child.sample()
    script.mig(1, {0: (7, 0, "1g.18gb")})
    script.event(0x100, 0, gpu=1)
    script.write()
    inventory = child.inventory()
    assert [each.gpu_uuid for each in inventory.instances] == [UUID.format(1)]
    report = child.report(1, lambda report: report.reading.mig_mode == 1)
    assert len(report.instances) == 1
    assert report.reading.utilization_percent is None
    script.no_mig(1)
    script.event(0x100, 1, gpu=1)
    script.write()
    assert child.inventory().instances == ()
    assert child.report(1, lambda report: report.reading.mig_mode == 0).reading.utilization_percent == 40


def test_a_layout_that_is_not_told_for_a_moment(script: Script, start: Start, counted: Path) -> None:
    """Instances stay while the driver does not say how the GPU is divided; what it then says counts."""
    call = "nvmlDeviceGetMaxMigDeviceCount"
    script.mig(0, {0: (1, 0, "3g.71gb"), 1: (2, 0, "3g.71gb")})
    script.write()
    child = start()
    assert len(child.inventory().instances) == 2
    asked = called(counted)[call]
    script.error(call, 27, gpu=0)
    script.write()
    sample = child.sample(lambda sample: called(counted)[call] > asked)
    sample = child.sample(lambda later: later.number > sample.number + 1)
    assert (sample.generation, len(sample.reports[0].instances)) == (1, 2)
    script.mig(0, {1: (2, 0, "3g.71gb")})
    script.no_error(call, gpu=0)
    script.write()
    assert [instance.index for instance in child.inventory().instances] == [1]


def test_a_mode_that_changes_is_seen_without_being_told(script: Script, start: Start) -> None:
    """A GPU that is divided, if only in name, is learnt anew: what it refused before it may have now."""
    script.mig(1, {})
    script.write()
    child = start()
    assert child.report(1).reading.utilization_percent is None
    script.no_mig(1)
    script.write()
    assert child.inventory(lambda inventory: inventory.generation == 2).instances == ()
    assert child.report(1).reading.utilization_percent == 40


def test_sums_over_links_outlive_a_change_of_mig(script: Script, start: Start) -> None:
    """A link that is down keeps its errors in the sum when the GPU is learnt anew."""
    script.set("nvlink.errors.crc", 5, gpu=1)
    script.write()
    child = start()
    name = "nvlink_error_dl_crc"
    before = child.report(1, lambda report: name in report.reading.driver_fields).reading.driver_fields[name]
    assert before > 5
    script.set("nvlink.state:3", 0, gpu=1)
    script.mig(1, {0: (7, 0, "1g.18gb")})
    script.event(0x100, 0, gpu=1)
    script.write()
    child.report(1, lambda report: report.reading.mig_mode == 1)
    script.no_mig(1)
    script.event(0x100, 1, gpu=1)
    script.write()
    report = child.report(1, lambda report: report.reading.mig_mode == 0)
    assert [link.active for link in report.links if link.link == 3] == [0]
    assert report.reading.driver_fields[name] == before
