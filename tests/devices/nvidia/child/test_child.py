"""The GPU child against the fake driver: what it tells of healthy GPUs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodescope.devices.nvidia.frame import Hello
from nodescope.records.gpu import EccReading, GpuReading, ProcessReading
from tests.devices import other_vendors
from tests.devices.nvidia.child.conftest import Start
from tests.fake_nvml import Script, called


@pytest.fixture
def sleeper() -> Iterator[int]:
    """A process that exists."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process.pid
        process.kill()


def test_it_says_hello_inventory_and_samples(script: Script, start: Start) -> None:
    """Versions come first, then who the GPUs are, then a sample of all of them, numbered from 1."""
    script.set("cpu.affinity", "0-55,112-167", gpu=1)
    script.write()
    child = start()
    hello = child.next(Hello)
    assert hello == Hello(
        pid=child.process.pid, driver_version="570.86.10", library_version="12.570.86.10", cuda_version="12.8"
    )
    inventory = child.inventory()
    assert inventory.generation == 1
    gpu = inventory.gpus[1]
    assert (gpu.vendor, gpu.index, gpu.minor, gpu.device) == ("nvidia", 1, 1, "nvidia1")
    assert gpu.uuid == "GPU-5c1f0e50-7a2b-4d11-9f00-000000000001"
    assert (gpu.pci_address, gpu.pci_device_id, gpu.pci_subsystem_id) == ("0000:1c:00.0", "0x233510DE", "0x18BE10DE")
    assert (gpu.model, gpu.brand, gpu.architecture) == ("NVIDIA H200", "NVIDIA", "Hopper")
    assert (gpu.compute_capability, gpu.driver_version, gpu.cuda_version) == ("9.0", "570.86.10", "12.8")
    assert (gpu.serial, gpu.board_id, gpu.part_number) == ("1654225000001", "0x1c00", "695-2G520-0280-001")
    assert (gpu.vbios_version, gpu.firmware_version) == ("96.00.A5.00.03", "570.86.10")
    assert (gpu.inforom_image_version, gpu.inforom_ecc_version) == ("G520.0280.02.02", "7.16")
    assert gpu.inforom_power_version is None
    assert gpu.cpu_affinity == "0-55,112-167"
    first, second = child.sample(), child.sample()
    assert (first.number, second.number, second.generation) == (1, 2, 1)
    assert [report.uuid for report in second.reports] == [each.uuid for each in inventory.gpus]
    assert second.cpu_seconds >= first.cpu_seconds > 0
    assert second.reports[0].sampled_monotonic_seconds > first.reports[0].sampled_monotonic_seconds > 0
    assert first.reports[0].left_out == 0


def test_a_reading_is_complete(script: Script, start: Start) -> None:
    """Each sample has what is read each cycle, what is read seldom, and what never changes."""
    script.set("fan.speed", 30, gpu=0)
    script.set("fans", 1, gpu=0)
    script.field(230, 2, gpu=0)
    script.set("license.supported", 1, gpu=0)
    script.set("repair.tpc", 1, gpu=0)
    script.set("unrepairable", 1, gpu=0)
    script.write()
    child = start()
    child.sample()
    report = child.report(0)
    assert (report.state, report.reason, report.busy_call) == ("ok", "", "")
    reading = report.reading
    never = {
        "retired_pages_corrected",  # the fake is a Hopper: rows are remapped, pages are not retired
        "retired_pages_uncorrected",
        "retired_pages_pending",
        "pcie_tx_kilobytes_per_second",  # the parent's
        "pcie_rx_kilobytes_per_second",
        "nvlink_megabytes_per_second",
        "nvlink_rx_megabytes_per_second",
        "nvlink_tx_megabytes_per_second",
    }
    unknown = {name for name in GpuReading.__struct_fields__ if getattr(reading, name) is None}
    assert unknown == never | other_vendors.READING
    assert (reading.utilization_percent, reading.memory_utilization_percent) == (40, 24)
    assert reading.memory_total_bytes == 150754820096
    assert reading.memory_used_bytes == 51539607552
    assert reading.temperature_celsius == 40
    assert reading.memory_temperature_celsius == 48
    assert (reading.power_milliwatts, reading.power_limit_max_milliwatts) == (322200, 700000)
    assert reading.energy_millijoules == 123456789
    assert (reading.clock_sm_megahertz, reading.clock_max_memory_megahertz) == (999, 3201)
    assert (reading.power_violation_ns, reading.recovery_action, reading.fan_speed_percent) == (1200000, 2, 30)
    assert (reading.pcie_generation, reading.pcie_width_lanes) == (5, 16)
    assert (reading.fabric_state, reading.remap_banks_max) == (3, 3072)
    assert (reading.channel_repair_pending, reading.tpc_repair_pending, reading.memory_unrepairable) == (0, 1, 1)
    assert reading.driver_fields["nvlink_throughput_data_tx"] == 1000000
    assert reading.driver_fields["temperature_shutdown_tlimit"] == -8
    assert reading.driver_fields["ecc_current"] == 1


def test_errors_are_told_by_place(script: Script, start: Start) -> None:
    """ECC errors come by location, kind and life; what the GPU does not count has no row."""
    script.set("ecc.corrected.aggregate.at:2", 7, gpu=0)
    script.write()
    ecc = start().report(0).ecc
    assert EccReading(location="dram", corrected="corrected", life="aggregate", errors=7) in ecc
    assert {each.location for each in ecc} >= {"dram", "sram", "sram_l2"}
    assert "cbu" not in {each.location for each in ecc}
    assert len({(each.location, each.corrected, each.life) for each in ecc}) == len(ecc)


def test_links_have_traffic_and_errors(script: Script, start: Start) -> None:
    """Each NVLink is told with its state; those that are up with bytes, speed, errors and the other end."""
    script.set("nvlink.state:4", 0, gpu=0)
    script.field(138, "5000 + 100000/s", gpu=0, scope=3)
    script.write()
    child = start()
    first, second = child.report(0).links, child.report(0).links
    assert [link.link for link in second] == list(range(18))
    assert (second[4].active, second[4].tx_kibibytes, second[4].version) == (0, None, None)
    link = second[3]
    assert (link.active, link.version, link.remote_type, link.remote_pci_address) == (
        1,
        "4.0",
        "switch",
        "0000:07:00.0",
    )
    assert link.speed_megabytes_per_second == 26562
    assert (first[3].tx_kibibytes or 0) < (link.tx_kibibytes or 0)
    assert (link.crc_flit_errors, link.replay_errors, link.recovery_errors) == (0, 0, 0)


def test_profiling_comes_with_the_second_sample(script: Script, start: Start) -> None:
    """Two samples make a metric: there is none in the first; one that the driver does not have is left out."""
    script.gpm(2, 43.5, gpu=0)
    script.gpm(3, "error 21", gpu=0)
    script.write()
    child = start()
    assert child.report(0).reading.profiling == {}
    profiling = child.report(0).reading.profiling
    assert profiling["sm_util"] == 43.5
    assert "sm_occupancy" not in profiling
    assert profiling["pcie_tx_per_sec"] > 0


def test_profiling_and_processes_can_be_left_out(script: Script, start: Start, sleeper: int, counted: Path) -> None:
    """What is switched off is not asked for at all."""
    script.process(sleeper, gpu=0)
    script.write()
    child = start(processes=False, profiling=False)
    child.sample()
    report = child.report(0)
    assert report.processes == ()
    assert report.reading.profiling == {}
    assert [name for name in called(counted) if "Gpm" in name or "Process" in name] == []


def test_a_gpu_without_profiling(script: Script, start: Start, counted: Path) -> None:
    """A GPU that has no GPM is asked whether it has, and nothing more."""
    script.set("gpm.supported", 0, gpu="*")
    script.write()
    child = start()
    child.sample()
    assert child.report(0).reading.profiling == {}
    assert called(counted)["nvmlGpmQueryDeviceSupport"] == 2
    assert "nvmlGpmSampleGet" not in called(counted)


def test_processes_are_merged_by_number(script: Script, start: Start, sleeper: int) -> None:
    """A process that computes and draws is one; unknown memory is absent; those that do not exist are dropped."""
    script.process(sleeper, gpu=0, memory=1 << 30, sm=40, mem=10, enc=1, dec=2)
    script.set(f"process 0{sleeper}", f"type=graphics memory={1 << 30}", gpu=0)
    script.process(4194000, gpu=0)
    script.process(os.getpid(), gpu=0, type="graphics", memory="na")
    script.write()
    report = start().report(0)
    by_pid = {process.pid: process for process in report.processes}
    assert by_pid[sleeper] == ProcessReading(
        pid=sleeper,
        type="compute,graphics",
        memory_used_bytes=1 << 30,
        sm_utilization_percent=40,
        memory_utilization_percent=10,
        encoder_utilization_percent=1,
        decoder_utilization_percent=2,
    )
    assert len(report.processes) == 2
    assert by_pid[os.getpid()] == ProcessReading(pid=os.getpid(), type="graphics")


def test_nothing_blocks_on_purpose(start: Start, counted: Path) -> None:
    """The calls that sleep in the driver are never made, and what a GPU refuses is asked for once."""
    child = start()
    for _ in range(5):
        child.sample()
    made = called(counted)
    assert "nvmlDeviceGetPcieThroughput" not in made
    assert made["nvmlDeviceGetFanSpeed_v2"] == 2
    assert made["nvmlDeviceGetSerial"] == 2


def test_without_gpus_it_stays(script: Script, start: Start) -> None:
    """A driver that has no GPU makes an empty inventory and empty samples."""
    script.set("count", 0)
    script.write()
    child = start()
    assert child.inventory().gpus == ()
    assert child.sample().reports == ()


def test_standard_output_is_for_frames_alone(start: Start) -> None:
    """What the driver's library prints goes to standard error, not between the frames."""
    child = start()
    child.sample()
    folder = Path(f"/proc/{child.process.pid}/fd")
    assert (folder / "1").readlink() == (folder / "2").readlink()


def test_it_ends_with_its_input(start: Start) -> None:
    """When standard input ends it exits at once, with status 0."""
    child = start()
    child.sample()
    assert child.close_input() == 0
