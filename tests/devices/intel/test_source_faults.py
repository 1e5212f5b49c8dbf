"""IntelSource: GPUs that come, go, sleep, hang, are lost or tell nonsense."""

from __future__ import annotations

import os
import time

import pytest

from nodescope.devices.intel.client_scan import ClientScan, Watched
from nodescope.devices.intel.source import IntelSource
from nodescope.host import Absent
from tests.conftest import NoThreads
from tests.devices.intel.intel_node import LMEM, XE_GT, IntelNode, i915_fdinfo, xe_fdinfo
from tests.devices.intel.watching import (
    ARC,
    FLEX,
    INTERVAL_S,
    LIMITS,
    MAX,
    PATIENCE_S,
    TIMEOUT_S,
    newer_than,
    report_of,
    until,
)


def test_hot_plug_and_another_driver(node: IntelNode, source: IntelSource) -> None:
    """A GPU that comes, goes, or is given to another driver makes a new generation; the others stay as they are."""
    node.flex()
    first = source.observe(TIMEOUT_S)
    assert source.observe(TIMEOUT_S).generation == first.generation
    node.arc()
    second = source.observe(TIMEOUT_S)
    assert (second.generation, [gpu.uuid for gpu in second.gpus]) == (first.generation + 1, [ARC, FLEX])
    assert [gpu.index for gpu in second.gpus] == [0, 1]
    node.bind(FLEX, "xe")
    folder = str((node.root / f"sys/bus/pci/devices/{FLEX}").resolve().relative_to(node.root))
    node.files(f"{folder}/tile0/gt0", XE_GT)
    third = source.observe(TIMEOUT_S)
    assert third.generation == second.generation + 1
    assert third.gpus[1].driver_version == "xe 6.8.0-45-generic"
    assert report_of(third, FLEX).reading.clock_graphics_megahertz == 2850
    assert report_of(third, FLEX).reading.energy_millijoules is None
    node.remove(ARC)
    fourth = source.observe(TIMEOUT_S)
    assert (fourth.generation, [gpu.uuid for gpu in fourth.gpus]) == (third.generation + 1, [FLEX])
    node.remove(FLEX)
    with pytest.raises(Absent):
        source.observe(TIMEOUT_S)
    assert source.status().gpus == 0


def test_a_renamed_card_is_found_again(node: IntelNode, source: IntelSource) -> None:
    """After a reload the same GPU may be another card: its clocks come back by themselves."""
    folder = node.flex()
    assert report_of(source.observe(TIMEOUT_S), FLEX).reading.clock_graphics_megahertz == 1550
    (node.root / folder / "drm/card0").rename(node.root / folder / "drm/card7")
    assert report_of(source.observe(TIMEOUT_S), FLEX).reading.clock_graphics_megahertz is None
    until(source, FLEX, lambda report: report.reading.clock_graphics_megahertz == 1550)


def test_a_sleeping_gpu_is_not_woken(node: IntelNode, source: IntelSource) -> None:
    """Of a suspended GPU nothing is opened that would wake it; awake again it is read again."""
    folder = node.flex()
    assert report_of(source.observe(TIMEOUT_S), FLEX).reading.temperature_celsius == 57.0
    node.write(f"{folder}/power/runtime_status", "suspended\n")
    waking = ("hwmon/hwmon0/energy1_input", "drm/card0/gt/gt0/rps_act_freq_mhz", "config", "current_link_speed")
    contents = {name: (node.root / folder / name).read_bytes() for name in waking}
    for name in waking:
        (node.root / folder / name).unlink()
        os.mkfifo(node.root / folder / name)
    for _ in range(3):
        report = report_of(source.observe(TIMEOUT_S), FLEX)
    assert (report.state, report.reason.split(":")[0], report.processes_told) == ("ok", "suspended", False)
    assert (report.reading.memory_total_bytes, report.reading.clock_graphics_megahertz) == (LMEM, None)
    for name, content in contents.items():
        (node.root / folder / name).unlink()
        node.write(f"{folder}/{name}", content)
    node.client(77, 3, "renderD128", i915_fdinfo(FLEX, 1, 5, 10))
    node.write(f"{folder}/power/runtime_status", "active\n")
    assert report_of(source.observe(TIMEOUT_S), FLEX).reading.clock_graphics_megahertz == 1550
    until(source, FLEX, lambda report: report.processes)


def test_asleep_from_the_start(node: IntelNode, source: IntelSource) -> None:
    """A GPU that sleeps when it is seen first is known by its PCI files, and read as soon as it is awake."""
    folder = node.flex()
    node.write(f"{folder}/power/runtime_status", "suspended\n")
    observed = source.observe(TIMEOUT_S)
    assert observed.gpus[0].model == "Intel Data Center GPU Flex 170"
    assert report_of(observed, FLEX).reading.memory_total_bytes is None
    node.write(f"{folder}/power/runtime_status", "active\n")
    assert report_of(source.observe(TIMEOUT_S), FLEX).reading.temperature_celsius == 57.0


@pytest.mark.parametrize(
    "stuck", ["hwmon/hwmon1/temp2_input", "tile0/gt0/freq0/act_freq", "power/runtime_status", "device"]
)
def test_a_file_that_hangs_costs_its_gpu_alone(node: IntelNode, source: IntelSource, stuck: str) -> None:
    """With a FIFO in place of a file its GPU is unresponsive and names it; siblings go on; it comes back by itself."""
    folder = node.arc()
    node.flex()
    node.max()
    path = node.root / folder / stuck
    content = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    report = until(source, ARC, lambda report: report.state == "unresponsive")
    assert stuck.rpartition("/")[2] in report.reason
    assert report.busy_call.endswith(stuck)
    assert report.busy_seconds > 0
    for address in (FLEX, MAX):
        sampled = report_of(source.observe(TIMEOUT_S), address).sampled_monotonic_seconds
        until(source, address, newer_than(sampled))
        assert report_of(source.observe(TIMEOUT_S), address).state == "ok"
    assert source.status().hung_calls >= 1
    os.rename(path, path.with_name("fifo"))
    path.write_bytes(content)
    os.close(os.open(path.with_name("fifo"), os.O_WRONLY))
    until(source, ARC, lambda report: report.state == "ok" and report.reading.temperature_celsius == 46.0)


def test_clients_that_hang_cost_their_gpu_s_use_alone(node: IntelNode, source: IntelSource) -> None:
    """A client's file that never answers leaves its GPU's sensors and the other GPU's use; the source says which."""
    node.arc()
    node.flex()
    node.client(77, 3, "renderD129", xe_fdinfo(ARC, 1, 5, 5))
    fifo = node.root / "proc/77/fdinfo/3"
    fifo.unlink()
    os.mkfifo(fifo)
    until(source, FLEX, lambda report: report.reading.engines and "77/fdinfo/3" in source.status().reason)
    report = report_of(source.observe(TIMEOUT_S), ARC)
    assert (report.state, report.reading.engines, report.reading.temperature_celsius) == ("ok", {}, 46.0)
    os.close(os.open(fifo, os.O_WRONLY))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\n", b"twelve\n", b"-" * 5000, b"99999999999999999999999\n"])
def test_nonsense_costs_its_value_alone(node: IntelNode, source: IntelSource, content: bytes) -> None:
    """A file that holds no number leaves its field absent and is counted; the rest of the GPU is there."""
    folder = node.arc()
    for name in ("hwmon/hwmon1/temp2_input", "tile0/gt0/freq0/act_freq", "hwmon/hwmon1/power1_max"):
        node.write(f"{folder}/{name}", content)
    report = report_of(source.observe(TIMEOUT_S), ARC)
    assert (report.state, report.left_out) == ("ok", 3)
    assert (report.reading.temperature_celsius, report.reading.clock_graphics_megahertz) == (None, None)
    assert (report.reading.power_limit_milliwatts, report.reading.voltage_millivolts) == (None, 947)


def test_off_the_bus(node: IntelNode, source: IntelSource) -> None:
    """A GPU whose configuration space is all ones is lost, without the readings that it cannot have."""
    folder = node.arc()
    node.flex()
    node.write(f"{folder}/config", b"\xff" * 64)
    observed = source.observe(TIMEOUT_S)
    report = report_of(observed, ARC)
    assert (report.state, report.reading.temperature_celsius) == ("lost", None)
    assert ARC in report.reason
    assert report_of(observed, FLEX).state == "ok"


def test_a_gpu_whose_files_all_fail(node: IntelNode, source: IntelSource) -> None:
    """Where not one file can be read the GPU has failed, and its siblings have not."""
    folder = node.gpu(ARC, "xe", 0xE20B, 1)
    node.files(f"{folder}/tile0/gt0", {"freq0/act_freq": "1", "gtidle/name": "gt0-rc"})
    node.flex()
    source.observe(TIMEOUT_S)
    path = node.root / folder / "tile0/gt0/freq0/act_freq"
    path.unlink()
    path.mkdir()
    observed = source.observe(TIMEOUT_S)
    assert report_of(observed, ARC).state == "failed"
    assert "act_freq" in report_of(observed, ARC).reason
    assert report_of(observed, FLEX).state == "ok"


def test_a_moment_without_threads(node: IntelNode, source: IntelSource, no_threads: NoThreads) -> None:
    """Once there are threads again the GPU is read, and so is what its clients use."""
    node.arc()
    node.client(500, 7, "renderD129", xe_fdinfo(ARC, 3, 1000, 10_000, vram_kib=1024))
    with no_threads(), pytest.raises(RuntimeError, match="thread"):
        source.observe(TIMEOUT_S)
    until(source, ARC, lambda report: report.processes)


def test_a_scan_without_a_thread_is_begun_again(node: IntelNode, no_threads: NoThreads) -> None:
    """A look at the clients for which there was no thread does not keep later ones from beginning."""
    node.arc()
    node.client(500, 7, "renderD129", xe_fdinfo(ARC, 3, 1000, 10_000, vram_kib=1024))
    scan = ClientScan(node.host, LIMITS.scan)
    watched = {ARC: Watched("xe", frozenset({"renderD129"}), ("ccs",))}
    with no_threads():
        scan.start_if_due(watched)
    deadline = time.monotonic() + PATIENCE_S
    while scan.use(ARC) is None:
        assert time.monotonic() < deadline
        time.sleep(INTERVAL_S)
        scan.start_if_due(watched)
