"""IntelSource: all that i915 and xe tell of their GPUs, and of those who use them."""

from __future__ import annotations

import time

import pytest

from nodescope.devices.gpu_past import GpuPast
from nodescope.devices.intel.source import IntelSource
from nodescope.devices.intel.throttle import throttles
from nodescope.devices.observer import GpuObserver, NoXids, Parts
from nodescope.devices.plausible import Plausible
from nodescope.devices.process_names import Named
from nodescope.devices.source import SourceFailed
from nodescope.health.gpu import GpuHealthRules, changes
from nodescope.host import Absent
from nodescope.records.gpu_snapshot import DroppedReadings, Gpu, GpuProcess, GpuThrottle
from tests.devices.intel.intel_node import LMEM, METEOR_LAKE, IntelNode, i915_fdinfo, xe_fdinfo
from tests.devices.intel.watching import ARC, FLEX, INTERVAL_S, LIMITS, MAX, TIMEOUT_S, report_of, until


def test_flex_under_i915(node: IntelNode, source: IntelSource) -> None:
    """Identity, memory, clocks, sensors, limits, link and throttle reasons are what i915's files say."""
    folder = node.flex()
    node.write(f"{folder}/i915.mei-gscfi.768/mei/mei0/fw_ver", "0:102.1.14.1\n0:0.0.0.0\n")
    observed = source.observe(TIMEOUT_S)
    (identity,) = observed.gpus
    assert (identity.vendor, identity.uuid, identity.pci_address, identity.index) == ("intel", FLEX, FLEX, 0)
    assert (identity.model, identity.architecture) == ("Intel Data Center GPU Flex 170", "Xe-HPG")
    assert (identity.driver_version, identity.firmware_version) == ("i915 6.8.0-45-generic", "102.1.14.1")
    assert (identity.pci_device_id, identity.pci_subsystem_id) == ("0x56C08086", "0x49058086")
    assert (identity.numa_node, identity.cpu_affinity) == (1, "0-31,64-95")
    report = report_of(observed, FLEX)
    assert (report.state, report.reason, report.left_out) == ("ok", "", 0)
    reading = report.reading
    assert (reading.memory_total_bytes, reading.memory_free_bytes) == (LMEM, LMEM // 4)
    assert reading.memory_used_bytes == LMEM - LMEM // 4
    assert (reading.clock_graphics_megahertz, reading.clock_max_graphics_megahertz) == (1550, 2050)
    assert reading.clock_max_memory_megahertz == 9000
    assert reading.driver_fields["gt0_requested_clock_megahertz"] == 2050
    assert (reading.energy_millijoules, reading.power_milliwatts) == (123456789, None)
    assert (reading.power_limit_milliwatts, reading.power_limit_default_milliwatts) == (150_000, 150_000)
    assert (reading.temperature_celsius, reading.voltage_millivolts) == (57.0, 835)
    assert reading.fan_revolutions_per_minute == 1870
    assert (reading.pcie_generation, reading.pcie_width_lanes) == (4, 16)
    assert (reading.pcie_max_generation, reading.pcie_max_width_lanes) == (4, 16)
    told = {one.reason: one.active for one in throttles(identity, reading)}
    assert told["pl1"] == 1
    assert sum(told.values()) == 1
    assert len(told) == 8
    assert Plausible("intel").checked(report) is report


def test_arc_under_xe(node: IntelNode, source: IntelSource) -> None:
    """Of a card with a media GT and labelled channels: both clocks, the card's power, both temperatures."""
    node.arc()
    observed = source.observe(TIMEOUT_S)
    assert observed.gpus[0].model == "Intel Arc B580"
    reading = report_of(observed, ARC).reading
    assert reading.memory_total_bytes == 12 * 1024**3
    assert (reading.memory_used_bytes, reading.memory_free_bytes) == (None, None)
    assert (reading.clock_graphics_megahertz, reading.clock_video_megahertz) == (2850, 0)
    assert (reading.energy_millijoules, reading.power_limit_milliwatts) == (400_000_000, 190_000)
    assert (reading.temperature_celsius, reading.memory_temperature_celsius) == (46.0, 54.0)
    assert (reading.temperature_max_operating_celsius, reading.temperature_slowdown_celsius) == (92.0, 100.0)
    assert (reading.temperature_shutdown_celsius, reading.fan_revolutions_per_minute) == (105.0, 1200)
    assert reading.voltage_millivolts == 947
    told = {one.reason: one.active for one in throttles(observed.gpus[0], reading)}
    assert told
    assert not any(told.values())


def test_max_with_two_tiles(node: IntelNode, source: IntelSource) -> None:
    """Memory is that of both tiles, the clock the faster's, a reason on one tile holds, never asleep is not busy."""
    node.max()
    node.write("sys/module/xe/version", "1.2.3\n")
    source.observe(TIMEOUT_S)
    time.sleep(0.1)
    observed = source.observe(TIMEOUT_S)
    reading = report_of(observed, MAX).reading
    assert observed.gpus[0].driver_version == "xe 1.2.3"
    assert reading.memory_total_bytes == 128 * 1024**3
    assert (reading.clock_graphics_megahertz, reading.clock_max_memory_megahertz) == (1550, 3200)
    assert reading.driver_fields["gt0_actual_clock_megahertz"] == 1500
    assert {one.reason for one in throttles(observed.gpus[0], reading) if one.active} == {"thermal"}
    assert (reading.utilization_percent, reading.memory_temperature_celsius) == (None, None)


def test_integrated_of_an_old_kernel(node: IntelNode, source: IntelSource) -> None:
    """Without hwmon and gt folders the card's own clocks are read, and all else is absent."""
    folder = node.gpu("0000:00:02.0", "i915", METEOR_LAKE, 0, above="pci0000:00")
    node.files(f"{folder}/drm/card0", {"gt_act_freq_mhz": "0", "gt_cur_freq_mhz": "300", "gt_RP0_freq_mhz": "1300"})
    for name in ("current_link_speed", "max_link_speed"):
        node.files(folder, {name: "Unknown"})
    node.files(folder, {"current_link_width": "0", "max_link_width": "255", "numa_node": "-1"})
    observed = source.observe(TIMEOUT_S)
    reading = observed.reports[0].reading
    assert (observed.gpus[0].model, observed.gpus[0].numa_node) == ("Intel Graphics [0x7d55]", None)
    assert (reading.clock_graphics_megahertz, reading.clock_max_graphics_megahertz) == (0, 1300)
    assert (reading.memory_total_bytes, reading.energy_millijoules, reading.temperature_celsius) == (None, None, None)
    assert (reading.pcie_generation, reading.pcie_max_width_lanes) == (None, None)
    assert throttles(observed.gpus[0], reading) == ()


def test_power_and_time_awake_come_from_counters(node: IntelNode, source: IntelSource) -> None:
    """Power is what the counter of energy grew by, utilisation without any process known the time not spent idle."""
    folder = node.arc()
    source.observe(TIMEOUT_S)
    before = time.monotonic()
    time.sleep(0.2)
    node.write(f"{folder}/hwmon/hwmon1/energy1_input", str(400000000000 + 20_000_000))
    node.write(f"{folder}/tile0/gt0/gtidle/idle_residency_ms", "5100")
    node.write(f"{folder}/tile0/gt1/gtidle/idle_residency_ms", "9000")
    report = report_of(source.observe(TIMEOUT_S), ARC)
    elapsed_s = time.monotonic() - before
    assert report.reading.power_milliwatts is not None
    assert 20_000 / elapsed_s / 2 <= report.reading.power_milliwatts <= 20_000 / 0.2
    assert report.reading.utilization_percent is not None
    assert 0 < report.reading.utilization_percent < 100


def test_a_counter_that_begins_anew_gives_no_power(node: IntelNode, source: IntelSource) -> None:
    """After the driver was loaded again energy is less than before: no power until the next sample."""
    folder = node.arc()
    source.observe(TIMEOUT_S)
    time.sleep(0.1)
    node.write(f"{folder}/hwmon/hwmon1/energy1_input", "1000000\n")
    reading = report_of(source.observe(TIMEOUT_S), ARC).reading
    assert (reading.energy_millijoules, reading.power_milliwatts) == (1000, None)


def test_use_by_engine_and_process(node: IntelNode, source: IntelSource) -> None:
    """Engines' use is the sum over clients, each counted once, and utilisation is that of the busiest."""
    node.arc()
    node.client(500, 7, "renderD129", xe_fdinfo(ARC, 3, 1000, 10_000, vram_kib=1024))
    node.client(500, 8, "renderD129", xe_fdinfo(ARC, 3, 1000, 10_000, vram_kib=1024))
    node.client(501, 7, "card1", xe_fdinfo(ARC, 3, 1000, 10_000, vram_kib=1024))
    node.client(502, 9, "renderD129", xe_fdinfo(ARC, 4, 0, 10_000, vram_kib=2048))
    first = until(source, ARC, lambda report: len(report.processes) == 2)
    assert {one.pid: one.memory_used_bytes for one in first.processes} == {500: 1024**2, 502: 2 * 1024**2}
    assert first.processes[0].gtt_used_bytes == 192 * 1024
    assert {one.pid: one.type for one in first.processes} == {500: "compute", 502: "graphics"}
    until(source, ARC, lambda report: report.reading.engines)
    # Of four compute engines the first client has one, the second half of one.
    for fd in (7, 8):
        node.client(500, fd, "renderD129", xe_fdinfo(ARC, 3, 2000, 11_000, vram_kib=1024))
    node.client(502, 9, "renderD129", xe_fdinfo(ARC, 4, 500, 11_000, vram_kib=2048))
    report = until(source, ARC, lambda report: report.reading.engines.get("ccs"))
    engines = report.reading.engines
    assert engines["ccs"] in (pytest.approx(25), pytest.approx(12.5), pytest.approx(37.5))
    assert {name: use for name, use in engines.items() if name != "ccs"} == {"rcs": 0, "bcs": 0, "vcs": 0, "vecs": 0}
    assert report.reading.utilization_percent == engines["ccs"]
    assert report.reading.memory_used_bytes == 3 * 1024**2
    assert source.status().reason == ""


def test_no_client_is_no_use(node: IntelNode, source: IntelSource) -> None:
    """Where all processes could be looked at and none has the GPU open, its engines are at 0."""
    node.flex()
    node.client(77, 3, "renderD140", i915_fdinfo("0000:aa:00.0", 1, 5))
    report = until(source, FLEX, lambda report: report.reading.engines)
    assert report.reading.engines == {"render": 0, "copy": 0, "video": 0, "video-enhance": 0, "compute": 0}
    assert (report.reading.utilization_percent, report.processes, report.processes_told) == (0, (), True)


@pytest.mark.parametrize("said", ["pos:\t0\n", "drm-driver:\ti915\ndrm-client-id:\tx\ndrm-pdev:\t0000:4d:00.0\n"])
def test_a_client_that_does_not_tell_makes_use_unknown(node: IntelNode, source: IntelSource, said: str) -> None:
    """A kernel without fdinfo, or one that prints nonsense, never makes a GPU idle."""
    node.flex()
    node.client(77, 3, "renderD128", said)
    node.client(78, 3, "renderD128", i915_fdinfo(FLEX, 1, 5, 10))
    told = time.monotonic() + 0.4
    report = until(source, FLEX, lambda report: report.processes and time.monotonic() > told)
    assert report.reading.engines == {}
    assert ([one.pid for one in report.processes], report.processes_told) == ([78], False)


def test_no_gpu_is_absent(node: IntelNode, source: IntelSource) -> None:
    """A machine without either driver has none, and says so by `Absent`."""
    with pytest.raises(Absent, match="i915 or xe"):
        source.observe(TIMEOUT_S)
    assert (source.status().state, source.status().gpus) == ("starting", 0)


def test_closed(node: IntelNode, source: IntelSource) -> None:
    """A source that was closed, twice at that, reads nothing more."""
    node.flex()
    source.close()
    source.close()
    with pytest.raises(SourceFailed, match="not read any more"):
        source.observe(TIMEOUT_S)


def test_observing_twice_within_the_interval_waits(node: IntelNode) -> None:
    """Before the interval is over the same is given again, after the time that the caller has."""
    node.flex()
    source = IntelSource(node.host, 60, LIMITS)
    first = source.observe(TIMEOUT_S)
    assert source.observe(0.01) is first
    source.close()


def test_a_kernel_that_tells_no_use_is_said(node: IntelNode, source: IntelSource) -> None:
    """Where an open DRM file says nothing of its client the source says that use is not known, and what to do."""
    node.flex()
    node.client(77, 3, "renderD128", "pos:\t0\n")
    until(source, FLEX, lambda report: "run a later kernel" in source.status().reason)


def test_an_observer_makes_records_of_it(node: IntelNode, source: IntelSource) -> None:
    """The records of a snapshot have the GPU with its nodes, its reasons with their names, and its process."""
    node.arc()
    node.client(500, 7, "renderD129", xe_fdinfo(ARC, 3, 1000, 10_000, vram_kib=1024))
    node.write("proc/500/stat", "500 (python3) S 1" + " 0" * 48)
    node.write("proc/500/status", "Name:\tpython3\nUid:\t0\t0\t0\t0\n")
    until(source, ARC, lambda report: report.processes)
    parts = Parts(
        vendor="intel",
        source=source,
        throttles=throttles,
        xids=NoXids(),
        past=GpuPast(GpuHealthRules()),
        changes=changes,
        named=Named(node.host).named,
        publish=lambda kind, subject, attributes: None,
    )
    records = GpuObserver(node.host, parts, INTERVAL_S, 5.0, 10.0).sample()
    (gpu,) = [record for record in records if isinstance(record, Gpu)]
    assert (gpu.up, gpu.identity.dri_card, gpu.identity.dri_render) == (1, "card1", "renderD129")
    assert [record.reading.name for record in records if isinstance(record, GpuProcess)] == ["python3"]
    assert {record.reason for record in records if isinstance(record, GpuThrottle)} >= {"pl1", "thermal"}
    assert [record for record in records if isinstance(record, DroppedReadings)] == []
