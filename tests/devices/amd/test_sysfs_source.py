"""The source over whole simulated nodes of MI300X, and over devices that hang, vanish and change."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from nodescope.devices.amd.sysfs_source import SysfsLimits, SysfsSource
from nodescope.devices.plausible import Plausible
from nodescope.devices.source import SourceFailed
from nodescope.host import Absent, Host
from nodescope.simulate.amd_board import GTT_BYTES, VRAM_BYTES, Options
from nodescope.simulate.amd_tree import AmdPart, update, write_mi300x
from nodescope.simulate.written import START_SECONDS
from tests.devices.amd.amd_node import (
    BROKEN,
    CALM,
    QUICK,
    WAIT_S,
    AmdNode,
    by_uuid,
    hang,
    heal,
    observed_when,
    states,
    until_sampled,
)


def host_of(root: Path) -> Host:
    return Host(str(root / "proc"), str(root / "sys"), str(root), str(root / "run/udev/data"))


def source_of(root: Path, limits: SysfsLimits = CALM) -> SysfsSource:
    return SysfsSource(host_of(root), 0.0, limits)


def folder(root: Path, part: AmdPart, number: int) -> Path:
    return root / part.boards[number].pci.folder


def test_a_whole_node(tmp_path: Path) -> None:
    """Eight GPUs are told of with what their files say, in the records' units, and all of it can be."""
    part = write_mi300x(tmp_path)
    observed = source_of(tmp_path).observe(WAIT_S)
    boards = part.boards
    assert [gpu.uuid for gpu in observed.gpus] == [f"{board.unique_id:016x}" for board in boards]
    assert [gpu.pci_address for gpu in observed.gpus] == [board.pci.address for board in boards]
    assert [gpu.dri_render for gpu in observed.gpus] == [f"renderD{board.render(0)}" for board in boards]
    assert [gpu.index for gpu in observed.gpus] == list(range(8))
    gpu = observed.gpus[0]
    assert (gpu.model, gpu.architecture, gpu.compute_units) == ("AMD Instinct MI300X OAM", "gfx942", 304)
    assert (gpu.compute_partition, gpu.memory_partition, gpu.driver_version) == ("SPX", "NPS1", "6.12.12")
    assert (gpu.memory_vendor, gpu.memory_bit_width, gpu.numa_node, gpu.oam_id) == ("hynix", 8192, 0, 0)
    assert observed.instances == ()
    assert set(states(observed).values()) == {"ok"}
    truths = {
        (metric, labels["pci_address"]): value
        for metric, labels, value in part.gpu_truths(START_SECONDS)
        if "pci_address" in labels
    }
    for identity, report in zip(observed.gpus, observed.reports, strict=True):
        reading, at = report.reading, identity.pci_address or ""
        assert reading.power_milliwatts == truths["amd_power_watts", at] * 1000
        assert reading.utilization_percent == truths["amd_utilization_percent", at]
        assert reading.junction_temperature_celsius == truths["amd_junction_celsius", at]
        assert reading.memory_used_bytes == truths["amd_vram_used_bytes", at]
        assert (reading.memory_total_bytes, reading.gtt_total_bytes) == (VRAM_BYTES, GTT_BYTES)
        assert (reading.pcie_generation, reading.pcie_max_width_lanes) == (5, 16)
        assert (reading.temperature_slowdown_celsius, reading.temperature_shutdown_celsius) == (100, 105)
        assert (reading.power_limit_milliwatts, reading.power_limit_min_milliwatts) == (750_000, 0)
        assert (len(report.links), report.left_out) == (8, 0)
        assert len(report.ecc) == 2 * 20 + 1 - 2 * 1
        assert Plausible("amd").checked(report) is report


def test_partitions_and_processes(tmp_path: Path) -> None:
    """In CPX mode each GPU has eight instances, and each process is of one of them."""
    part = write_mi300x(tmp_path, compute_partition="CPX", memory_partition="NPS4")
    observed = source_of(tmp_path).observe(WAIT_S)
    assert (len(observed.gpus), len(observed.instances)) == (8, 64)
    board, report = part.boards[1], observed.reports[1]
    slots = [instance for instance in observed.instances if instance.gpu_uuid == report.uuid]
    assert [slot.index for slot in slots] == list(range(8))
    assert {(slot.profile, slot.compute_units) for slot in slots} == {("CPX", 38)}
    assert [slot.dri_render for slot in slots] == [f"renderD{board.render(index)}" for index in range(8)]
    assert [slot.dri_card for slot in slots] == [f"card{board.card(index)}" for index in range(8)]
    assert [one.uuid for one in report.instances] == [slot.uuid for slot in slots]
    assert {one.memory_total_bytes for one in report.instances} == {VRAM_BYTES // 8}
    assert all(one.utilization_percent is not None for one in report.instances)
    assert [(one.pid, one.instance_uuid) for one in report.processes] == [
        (30_100 + index, slot.uuid) for index, slot in enumerate(slots)
    ]
    assert all(one.memory_used_bytes and one.type == "compute" for one in report.processes)
    # The last GPU of the simulated node has no work.
    assert observed.reports[7].processes == ()


def test_partition_change(tmp_path: Path) -> None:
    """A new mode is a new generation, though no GPU came or went; the same inventory again is not."""
    part = write_mi300x(tmp_path, gpus=2)
    source = source_of(tmp_path, CALM._replace(inventory_s=60.0))
    first = source.observe(WAIT_S)
    assert source.observe(WAIT_S).generation == first.generation
    update(tmp_path, AmdPart(part.options._replace(compute_partition="CPX")), START_SECONDS)
    second = source.observe(WAIT_S)
    assert second.generation == first.generation + 1
    assert [gpu.uuid for gpu in second.gpus] == [gpu.uuid for gpu in first.gpus]
    assert {gpu.compute_partition for gpu in second.gpus} == {"CPX"}
    assert len(second.instances) == 16


def test_errors_and_bad_pages(tmp_path: Path) -> None:
    """Errors are told by block, in sums over the blocks, and pages out of use are counted."""
    write_mi300x(tmp_path, gpus=2, options=Options(broken=(1,)))
    well, broken = (report.reading for report in source_of(tmp_path).observe(WAIT_S).reports)
    assert (well.ecc_uncorrected_volatile_errors, well.retired_pages_uncorrected) == (0, 0)
    assert (broken.ecc_uncorrected_volatile_errors, broken.ecc_corrected_volatile_errors) == (1, 5)
    assert (broken.retired_pages_uncorrected, broken.retired_pages_pending) == (1, 0)
    assert broken.driver_fields["ecc_deferred_volatile_errors"] == 1
    assert broken.ecc_mode == 1


def test_suspended(tmp_path: Path) -> None:
    """A GPU in runtime suspend is ok for the reason "suspended", has no reading, and is the one that it was."""
    part = write_mi300x(tmp_path, gpus=2, options=Options(suspended=(1,)))
    source = source_of(tmp_path)
    asleep = source.observe(WAIT_S)
    report = asleep.reports[1]
    assert (report.state, report.reason, report.reading.power_milliwatts) == ("ok", "suspended", None)
    assert report.reading.throttled_ns == {}
    assert report.sampled_monotonic_seconds > 0
    # Nothing was read that would wake it: neither limits nor the partitions' mode.
    assert asleep.gpus[1].compute_partition is None
    assert asleep.gpus[1].uuid == f"{part.boards[1].unique_id:016x}"
    (folder(tmp_path, part, 1) / "power/runtime_status").write_text("active\n")
    awake = source.observe(WAIT_S)
    assert awake.reports[1].reading.power_milliwatts
    assert awake.gpus[1].compute_partition == "SPX"
    (folder(tmp_path, part, 1) / "power/runtime_status").write_text("suspended\n")
    again = source.observe(WAIT_S)
    assert (again.reports[1].reason, again.gpus) == ("suspended", awake.gpus)


@pytest.mark.parametrize("name", ["gpu_metrics", "power/runtime_status", "mem_info_vram_used", "ras/umc_err_count"])
def test_a_file_that_hangs_costs_its_gpu_alone(tmp_path: Path, name: str) -> None:
    """The GPU is unresponsive and the file is named; its siblings go on being read; it heals when the read returns."""
    part = write_mi300x(tmp_path, gpus=3)
    uuids = [f"{board.unique_id:016x}" for board in part.boards]
    path = folder(tmp_path, part, 1) / name
    content = hang(path)
    source = source_of(tmp_path, QUICK)
    stuck = dict.fromkeys(uuids, "ok") | {uuids[1]: "unresponsive"}
    observed = observed_when(source, stuck)
    report = by_uuid(observed)[uuids[1]]
    assert name in report.reason
    assert report.busy_call.endswith(name)
    assert report.busy_seconds > 0
    assert [gpu.uuid for gpu in observed.gpus] == uuids
    until_sampled(source, (uuids[0], uuids[2]), time.monotonic())
    assert source.status().hung_calls == 1
    heal(path, content)
    healed = observed_when(source, dict.fromkeys(uuids, "ok"))
    assert by_uuid(healed)[uuids[1]].reading.power_milliwatts
    source.close()


def test_a_known_gpu_that_hangs_keeps_its_reading(tmp_path: Path) -> None:
    """While a GPU hangs its last reading stays, with the time when it was taken."""
    part = write_mi300x(tmp_path, gpus=1)
    source = source_of(tmp_path, QUICK)
    first = observed_when(source, {f"{part.boards[0].unique_id:016x}": "ok"}).reports[0]
    path = folder(tmp_path, part, 0) / "gpu_metrics"
    content = hang(path)
    stuck = observed_when(source, {first.uuid: "unresponsive"}).reports[0]
    assert (stuck.reading, stuck.sampled_monotonic_seconds) == (first.reading, first.sampled_monotonic_seconds)
    heal(path, content)
    observed_when(source, {first.uuid: "ok"})


def test_processes_that_hang(tmp_path: Path) -> None:
    """A process that cannot be looked at costs no GPU anything; the status says what is not known."""
    part = write_mi300x(tmp_path, gpus=2)
    pid, gpu_id = 30_000, part.boards[0].gpu_id(0)
    path = tmp_path / f"sys/devices/virtual/kfd/kfd/proc/{pid}/vram_{gpu_id}"
    content = hang(path)
    source = source_of(tmp_path, QUICK)
    observed_when(source, {f"{board.unique_id:016x}": "ok" for board in part.boards})
    assert f"vram_{gpu_id}" in source.status().reason
    assert [report.processes_told for report in source.observe(WAIT_S).reports] == [False, False]
    heal(path, content)
    deadline = time.monotonic() + WAIT_S
    while not (processes := source.observe(WAIT_S).reports[0].processes):
        assert time.monotonic() < deadline
    assert [one.pid for one in processes] == [pid]
    assert [report.processes_told for report in source.observe(WAIT_S).reports] == [True, True]


def test_a_topology_that_hangs(tmp_path: Path) -> None:
    """Where KFD hangs from the start there is nothing to tell, and why; where it does so later, readings go on."""
    uuid = f"{write_mi300x(tmp_path, gpus=1).boards[0].unique_id:016x}"
    path = tmp_path / "sys/devices/virtual/kfd/kfd/topology/nodes/2/properties"
    content = hang(path)
    source = source_of(tmp_path, QUICK)
    with pytest.raises(SourceFailed, match="nodes/2/properties"):
        source.observe(WAIT_S)
    heal(path, content)
    first = observed_when(source, {uuid: "ok"})
    content = hang(path)
    until_sampled(source, [uuid], time.monotonic())
    second = source.observe(WAIT_S)
    assert (second.gpus, second.generation) == (first.gpus, first.generation)
    heal(path, content)


def test_a_lost_card_vanishes(tmp_path: Path) -> None:
    """A GPU that is gone from the bus is gone, in a new generation; its sibling never notices."""
    node = AmdNode(tmp_path)
    for bus in (3, 4):
        node.gpu(f"0000:0{bus}:00.0", {"unique_id": f"00000000000000a{bus}", "gpu_busy_percent": bus})
    source = node.source()
    first = source.observe(WAIT_S)
    assert [gpu.uuid[-1] for gpu in first.gpus] == ["3", "4"]
    node.remove("0000:03:00.0")
    second = source.observe(WAIT_S)
    assert [gpu.uuid[-1] for gpu in second.gpus] == ["4"]
    assert second.reports[0].reading.utilization_percent == 4
    assert second.generation == first.generation + 1
    node.remove("0000:04:00.0")
    with pytest.raises(Absent):
        source.observe(WAIT_S)
    node.gpu("0000:04:00.0", {"unique_id": "00000000000000a4", "gpu_busy_percent": 9})
    assert source.observe(WAIT_S).reports[0].reading.utilization_percent == 9


def test_a_gpu_that_refuses_everything(tmp_path: Path) -> None:
    """While a driver refuses every reading, as in a reset, its GPU has failed and why; afterwards it is ok again."""
    node = AmdNode(tmp_path)
    folder = node.gpu("0000:03:00.0", {"gpu_busy_percent": 1, "power/runtime_status": "active"})
    source = node.source()
    assert source.observe(WAIT_S).reports[0].state == "ok"
    path = tmp_path / folder / "gpu_busy_percent"
    path.unlink()
    path.symlink_to(BROKEN)
    report = source.observe(WAIT_S).reports[0]
    assert report.state == "failed"
    assert "gpu_busy_percent: Input/output error" in report.reason
    path.unlink()
    gone = source.observe(WAIT_S).reports[0]
    assert gone.state == "lost"
    assert folder in gone.reason
    path.write_text("7\n")
    assert source.observe(WAIT_S).reports[0].reading.utilization_percent == 7


def test_a_gpu_without_a_driver(tmp_path: Path) -> None:
    """One whose driver did not start has failed; one that another driver has is not told of."""
    node = AmdNode(tmp_path)
    node.gpu("0000:03:00.0", {"gpu_busy_percent": 3})
    node.gpu("0000:04:00.0", {}, driver="")
    node.gpu("0000:05:00.0", {}, driver="vfio-pci")
    observed = node.observed()
    assert [gpu.pci_address for gpu in observed.gpus] == ["0000:03:00.0", "0000:04:00.0"]
    assert [report.state for report in observed.reports] == ["ok", "failed"]
    assert "no driver" in observed.reports[1].reason


def test_two_boards_of_one_number(tmp_path: Path) -> None:
    """No card is lost where two say that they have the same number: the second goes by its address."""
    node = AmdNode(tmp_path)
    for bus in (3, 4):
        node.gpu(f"0000:0{bus}:00.0", {"serial_number": "0123456789", "gpu_busy_percent": bus})
    source = node.source()
    source.observe(WAIT_S)
    observed = source.observe(WAIT_S)
    assert [gpu.uuid for gpu in observed.gpus] == ["0123456789", "0000:04:00.0"]
    assert [report.reading.utilization_percent for report in observed.reports] == [3, 4]
    assert source.observe(WAIT_S).generation == observed.generation


def test_absent(tmp_path: Path) -> None:
    """Without the driver, and with it but no GPU, there is nothing to observe; no thread is left."""
    (tmp_path / "sys/bus/pci/devices").mkdir(parents=True)
    threads = threading.active_count()
    with pytest.raises(Absent):
        source_of(tmp_path).observe(WAIT_S)
    with pytest.raises(Absent):
        AmdNode(tmp_path / "loaded").observed()
    assert threading.active_count() <= threads + 1


def test_closed(tmp_path: Path) -> None:
    """After close nothing is read; it may be called twice."""
    node = AmdNode(tmp_path)
    node.gpu("0000:03:00.0", {"gpu_busy_percent": 3})
    source = node.source()
    source.observe(WAIT_S)
    source.close()
    source.close()
    with pytest.raises(SourceFailed):
        source.observe(WAIT_S)
    assert source.status().gpus == 1


def test_pace(tmp_path: Path) -> None:
    """A sample that is not due within the time given is not awaited: the one before is given again."""
    node = AmdNode(tmp_path)
    node.gpu("0000:03:00.0", {"gpu_busy_percent": 3})
    source = SysfsSource(node.host, 3600.0)
    assert source.status().state == "starting"
    first = source.observe(WAIT_S)
    assert source.observe(0.0) is first
    status = source.status()
    assert (status.vendor, status.kind, status.state, status.interval_seconds) == ("amd", "sysfs", "ok", 3600.0)
    assert (status.gpus, status.driver_version) == (1, "6.8.0-47-generic")


def test_no_device_node_is_opened(tmp_path: Path) -> None:
    """Nothing below the node's /dev is opened: there FIFOs would keep the source waiting for ever."""
    write_mi300x(tmp_path, gpus=1)
    for path in [tmp_path / "dev/kfd", *(tmp_path / "dev/dri").iterdir()]:
        if path.is_file() and not path.is_symlink():
            path.unlink()
            os.mkfifo(path)
    assert states(source_of(tmp_path).observe(WAIT_S))
    assert not any(os.readlink(f"/proc/self/fd/{fd}").startswith(f"{tmp_path}/dev") for fd in open_files())


def open_files() -> list[str]:
    return [fd for fd in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{fd}")]
