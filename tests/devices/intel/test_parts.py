"""Parts of reading an Intel GPU: its link behind its own switch, its sensors, its model, who has its nodes open."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.intel import gt, hwmon, pcie_link
from nodescope.devices.intel.attributes import Attributes
from nodescope.devices.intel.client_scan import ScanLimits
from nodescope.devices.intel.drm_files import open_files
from nodescope.devices.intel.models import model
from nodescope.devices.intel.power import Power
from nodescope.devices.intel.source import IntelLimits, IntelSource
from nodescope.host import Host
from nodescope.simulate.intel_tree import write_intel
from tests.devices.intel.intel_node import IntelNode, xe_fdinfo

ARC = "0000:03:00.0"
NOBODY = 65534


def test_the_link_of_a_card_with_a_switch_is_that_switch_s(node: IntelNode) -> None:
    """A GPU that says 2.5 GT/s x1 of itself has the link of the port two devices above."""
    upstream = "pci0000:00/0000:00:01.0/0000:01:00.0"
    real = {"current_link_speed": "8.0 GT/s PCIe", "current_link_width": "8", "max_link_width": "16"}
    node.pci("0000:01:00.0", "pci0000:00/0000:00:01.0", **real, max_link_speed="16.0 GT/s PCIe")
    folder = node.gpu(ARC, "xe", 0xE20B, 1, above=f"{upstream}/0000:02:01.0")
    for name in ("current", "max"):
        node.files(folder, {f"{name}_link_speed": "2.5 GT/s PCIe", f"{name}_link_width": "1"})
    source = IntelSource(node.host, 1.0)
    reading = source.observe(5).reports[0].reading
    assert (reading.pcie_generation, reading.pcie_width_lanes) == (3, 8)
    assert (reading.pcie_max_generation, reading.pcie_max_width_lanes) == (4, 16)
    source.close()


def test_a_slow_link_without_a_switch_is_its_own(node: IntelNode) -> None:
    """Without two bridges above a GPU what it says of itself is believed."""
    folder = node.gpu(ARC, "xe", 0xE20B, 1, above="pci0000:00")
    own = {"pcie_max_generation": 1, "pcie_max_width_lanes": 1}
    path = str(node.root / folder)
    assert pcie_link.link_folder(path, own) == path


@pytest.mark.parametrize(
    ("speed", "generation"),
    [("2.5 GT/s", 1), ("8 GT/s", 3), ("64.0 GT/s PCIe", 6), ("Unknown", None), ("7 GT/s", None), ("nan GT/s", None)],
)
def test_generations(node: IntelNode, speed: str, generation: int | None) -> None:
    """The generation follows from the speed, as old and new kernels write it."""
    node.files("device", {"current_link_speed": speed})
    assert pcie_link.link(Attributes(node.host), str(node.root / "device")).get("pcie_generation") == generation


def test_unlabelled_channels_of_xe(node: IntelNode) -> None:
    """Where xe has no labels yet its channels' numbers say what they are of; the package stands in for the card."""
    files = {
        "name": "xe",
        "energy2_input": "5",
        "power2_max": "120000000",
        "temp2_input": "1000",
        "temp3_input": "2000",
    }
    node.files("device/hwmon/hwmon3", {**files, "in1_input": "700"})
    attributes = Attributes(node.host)
    sensors = hwmon.find(attributes, str(node.root / "device"), "xe")
    assert sensors.energy.endswith("energy2_input")
    assert hwmon.limits(attributes, sensors) == {"power_limit_milliwatts": 120_000}
    assert hwmon.readings(attributes, sensors) == {
        "temperature_celsius": 1.0,
        "memory_temperature_celsius": 2.0,
        "voltage_millivolts": 700,
    }


def test_the_hottest_channel_of_the_memory_counts(node: IntelNode) -> None:
    """Of a memory that tells each channel the hottest is the memory's temperature."""
    channels = {"temp6_input": "50000", "temp6_label": "vram_ch_0", "temp7_input": "61000", "temp7_label": "vram_ch_1"}
    node.files("device/hwmon/hwmon3", {"name": "xe", **channels})
    attributes = Attributes(node.host)
    sensors = hwmon.find(attributes, str(node.root / "device"), "xe")
    assert hwmon.readings(attributes, sensors) == {"memory_temperature_celsius": 61.0}


@pytest.mark.parametrize(
    ("device_id", "name", "architecture"),
    [
        (0x0BDA, "Intel Data Center GPU Max 1100", "Xe-HPC"),
        (0x56C1, "Intel Data Center GPU Flex 140", "Xe-HPG"),
        (0x56A0, "Intel Arc A770", "Xe-HPG"),
        (0xE212, "Intel Arc Pro B50", "Xe2-HPG"),
        (0xE221, "Intel Graphics [0xe221]", "Xe2-HPG"),
        (0x9A49, "Intel Graphics [0x9a49]", None),
    ],
)
def test_models(device_id: int, name: str, architecture: str | None) -> None:
    """Known ids have their name, others their number; only discrete GPUs have an architecture."""
    assert model(device_id) == (name, architecture)


def test_power_over_a_very_short_time_is_the_one_before() -> None:
    """Samples within 50 ms give the last power again, and energy that cannot be read gives nothing."""
    power = Power()
    assert power.fields(1_000_000, 10.0) == {"energy_millijoules": 1000}
    assert power.fields(3_000_000, 11.0) == {"energy_millijoules": 3000, "power_milliwatts": 2000}
    assert power.fields(3_500_000, 11.01) == {"energy_millijoules": 3500, "power_milliwatts": 2000}
    assert power.fields(None, 12.0) == {}
    assert power.fields(4_000_000, 13.0) == {"energy_millijoules": 4000}


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 2**63)), max_size=8))
def test_time_awake_is_a_share(samples: list[tuple[int, int]]) -> None:
    """Whatever a counter of idle time does, the share is from 0 to 100, or unknown."""
    idle, now = gt.Idle(), 0.0
    one = gt.Gt("gt0", False, "", "", "", "", "r", "", {})
    for milliseconds, counter in samples:
        now += milliseconds / 1000
        percent = idle.awake_percent([gt.GtReading(one, None, None, counter, {})], now)
        assert percent is None or 0 <= percent <= 100


def test_files_of_other_devices_are_not_clients(node: IntelNode) -> None:
    """Descriptors of other DRM nodes, of files of like names, and of processes that ended are passed over."""
    node.client(5, 3, "renderD128", "")
    node.client(5, 4, "renderD200", "")
    (node.root / "proc/5/fd/6").symlink_to("/home/x/renderD128")
    (node.root / "proc/5/fd/7").symlink_to("socket:[12]")
    (node.root / "proc/6").mkdir()
    found = open_files(node.host, {"renderD128", "card0"}, 5)
    assert (found.files, found.denied, found.cut) == ({"renderD128": [(5, 3)]}, 0, False)
    assert open_files(node.host, {"renderD128"}, -1).cut


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="nodescope-intel-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_processes_of_others_make_use_unknown(open_folder: Path) -> None:
    """Where a process may not be looked at use by engine is absent, never less than it is, and the source says why."""
    if os.geteuid() != 0:
        pytest.skip("only root can become a user who may not look at root's files")
    node = IntelNode(open_folder)
    node.arc()
    node.client(5, 3, "renderD129", xe_fdinfo(ARC, 1, 5, 10))
    node.client(6, 3, "renderD129", xe_fdinfo(ARC, 2, 5, 10))
    (open_folder / "proc/5/fd").chmod(0o700)
    source = IntelSource(node.host, 0.02, IntelLimits(scan=ScanLimits(0.06, 0.06)))
    os.seteuid(NOBODY)
    try:
        reports = [source.observe(5).reports[0] for _ in range(20)]
        status = source.status()
    finally:
        os.seteuid(0)
        source.close()
    assert "1 processes may not be looked at" in status.reason
    assert [one.pid for one in reports[-1].processes] == [6]
    assert not reports[-1].processes_told
    assert (reports[-1].state, reports[-1].reading.engines, reports[-1].reading.memory_used_bytes) == ("ok", {}, None)


def test_a_simulated_machine_is_read_whole(tmp_path: Path) -> None:
    """Of the simulated Flex 170, Arc A770 and Arc B580 sensors, clocks, link, process and reasons are there."""
    write_intel(tmp_path)
    source = IntelSource(
        Host(str(tmp_path / "proc"), str(tmp_path / "sys"), str(tmp_path)),
        0.05,
        IntelLimits(scan=ScanLimits(0.06, 0.06)),
    )
    for _ in range(10):
        observed = source.observe(5)
    source.close()
    assert [gpu.model for gpu in observed.gpus] == [
        "Intel Data Center GPU Flex 170",
        "Intel Arc A770",
        "Intel Arc B580",
    ]
    for report in observed.reports:
        reading = report.reading
        assert (report.state, report.left_out, len(report.processes)) == ("ok", 0, 1)
        assert None not in (reading.energy_millijoules, reading.temperature_celsius, reading.voltage_millivolts)
        assert (reading.pcie_max_generation, reading.clock_graphics_megahertz is None) == (4, False)
        assert reading.memory_used_bytes == report.processes[0].memory_used_bytes
        assert len([name for name in reading.driver_fields if name.startswith("throttle_reason_")]) == 8
