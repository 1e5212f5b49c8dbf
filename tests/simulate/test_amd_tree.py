"""A simulated node with MI300X: its files agree with each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.devices.amd import gpu_metrics_reading
from nodescope.devices.amd.gpu_metrics import decode, decode_partition
from nodescope.simulate.amd_activity import DRIVER_BYTES
from nodescope.simulate.amd_board import VRAM_BYTES, Options
from nodescope.simulate.amd_tree import AmdPart, update, write_mi300x
from nodescope.simulate.written import START_SECONDS
from tests.simulate.trees import content, dangling, number

PARTITIONS = {"SPX": 1, "DPX": 2, "QPX": 4, "CPX": 8}


def properties(node: Path) -> dict[str, int]:
    return {
        name: int(value)
        for name, value in (line.split() for line in (node / "properties").read_text().split("\n") if line)
    }


@pytest.fixture(scope="module", params=PARTITIONS)
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    write_mi300x(folder, compute_partition=request.param)
    return folder


def devices(root: Path) -> list[Path]:
    """The GPUs' folders, by PCI address."""
    found = sorted((root / "sys/bus/pci/devices").iterdir())
    return [path for path in found if (path / "vendor").read_text() == "0x1002\n"]


def test_links_lead_somewhere(root: Path) -> None:
    """Every link below /sys and /dev leads to something."""
    assert dangling(root) == []


def test_sensors_agree(root: Path) -> None:
    """gpu_metrics, hwmon and the driver's own files say the same power, clocks, temperatures and use."""
    for device in devices(root):
        metrics = decode((device / "gpu_metrics").read_bytes(), "gpu_metrics")
        reading = gpu_metrics_reading.reading(metrics)
        (hwmon,) = (device / "hwmon").iterdir()
        assert reading.power_milliwatts == number(hwmon / "power1_input") // 1000
        assert reading.junction_temperature_celsius == number(hwmon / "temp2_input") // 1000
        assert reading.memory_temperature_celsius == number(hwmon / "temp3_input") // 1000
        assert reading.utilization_percent == number(device / "gpu_busy_percent")
        assert reading.memory_utilization_percent == number(device / "mem_busy_percent")
        assert reading.clock_graphics_megahertz == number(hwmon / "freq1_input") // 1_000_000
        assert reading.pcie_replays == number(device / "pcie_replay_count")
        assert f"{metrics.each('current_gfxclk')[0]}Mhz *" in (device / "pp_dpm_sclk").read_text()
        assert reading.power_milliwatts is not None
        assert 0 < reading.power_milliwatts <= number(hwmon / "power1_cap") // 1000


def test_memory_adds_up(root: Path) -> None:
    """Used memory is that of KFD's processes and the driver's, and there is more in all; no process without /proc."""
    kfd = root / "sys/class/kfd/kfd"
    used = {number(node / "gpu_id"): 0 for node in (kfd / "topology/nodes").iterdir()}
    for process in (kfd / "proc").iterdir():
        assert (root / "proc" / process.name / "comm").read_text() == "python3\n"
        for file in process.glob("vram_*"):
            used[int(file.name.removeprefix("vram_"))] += number(file)
    by_minor = {
        properties(node)["drm_render_minor"]: used[number(node / "gpu_id")]
        for node in (kfd / "topology/nodes").iterdir()
        if number(node / "gpu_id")
    }
    for device in devices(root):
        (first,) = [int(path.name.removeprefix("renderD")) for path in (device / "drm").glob("renderD*")]
        mine = sum(used for minor, used in by_minor.items() if first <= minor < first + 8)
        assert number(device / "mem_info_vram_used") == mine + DRIVER_BYTES <= VRAM_BYTES


def test_topology(root: Path) -> None:
    """Each partition is a node of KFD with a render node of its own; those of a GPU share its unique id and bus."""
    parts = PARTITIONS[(devices(root)[0] / "current_compute_partition").read_text().strip()]
    nodes = sorted((root / "sys/class/kfd/kfd/topology/nodes").iterdir(), key=lambda node: int(node.name))
    told = [properties(node) for node in nodes]
    assert [one["simd_count"] == 0 for one in told] == [number(node / "gpu_id") == 0 for node in nodes]
    gpus = [one for one in told if one["simd_count"]]
    assert len(gpus) == 8 * parts
    assert len({number(node / "gpu_id") for node in nodes}) == 8 * parts + 1
    assert len({one["drm_render_minor"] for one in gpus}) == 8 * parts
    assert sum(one["simd_count"] for one in gpus) == 8 * 304 * 4
    for device, first in zip(devices(root), range(0, 8 * parts, parts), strict=True):
        mine = gpus[first : first + parts]
        assert {f"{one['unique_id']:016x}\n" for one in mine} == {(device / "unique_id").read_text()}
        bus = int(device.name.split(":")[1], 16)
        assert [one["location_id"] for one in mine] == [bus << 8 | part for part in range(parts)]
        assert all((root / f"sys/class/drm/renderD{one['drm_render_minor']}/dev").exists() for one in mine)


def test_partitions_agree(root: Path) -> None:
    """What gpu_metrics says of a partition is what its own file says."""
    platforms = root / "sys/devices/platform"
    for index, device in enumerate(devices(root)):
        found = gpu_metrics_reading.partitions(decode((device / "gpu_metrics").read_bytes(), "gpu_metrics"))
        for part in found:
            folder = platforms / f"amdgpu_xcp_{index * 7 + part.number - 1}" if part.number else device
            own = decode_partition((folder / "xcp/xcp_metrics").read_bytes(), "xcp_metrics")
            assert gpu_metrics_reading.partition(own, part.number) == part
        assert len(found) == decode((device / "gpu_metrics").read_bytes(), "gpu_metrics").number("num_partition")


def test_numbers_of_cards(root: Path) -> None:
    """Cards go beyond card9, have a hole, and begin with a display that has no render node."""
    cards = {int(path.name[4:]) for path in (root / "sys/class/drm").glob("card*") if path.name[4:].isdigit()}
    assert len(cards) == 65
    assert set(range(max(cards) + 1)) - cards == {25}
    assert (root / "sys/class/drm/card0/device/vendor").read_text() == "0x1a03\n"
    assert len(list((root / "sys/class/drm").glob("renderD*"))) == 64


def test_time_goes_on(tmp_path: Path) -> None:
    """An update writes only what changed, leaves no other file behind, and energy grows with power."""
    part = write_mi300x(tmp_path, gpus=2, compute_partition="QPX")
    names = content(tmp_path).keys()
    before = decode((devices(tmp_path)[0] / "gpu_metrics").read_bytes(), "gpu_metrics")
    assert update(tmp_path, part, START_SECONDS) == 0
    assert 0 < update(tmp_path, part, START_SECONDS + 1) < 100
    after = decode((devices(tmp_path)[0] / "gpu_metrics").read_bytes(), "gpu_metrics")
    assert content(tmp_path).keys() == names
    energies = [metrics.number("energy_accumulator") or 0 for metrics in (before, after)]
    assert (energies[1] - energies[0]) / 2**16 == pytest.approx(after.number("curr_socket_power"), rel=0.02)


@pytest.mark.parametrize("content_revision", [6, 7, 8])
def test_versions_of_gpu_metrics(tmp_path: Path, content_revision: int) -> None:
    """A node tells the version it is asked for."""
    write_mi300x(tmp_path, gpus=1, options=Options(metrics=(1, content_revision)))
    metrics = decode((devices(tmp_path)[0] / "gpu_metrics").read_bytes(), "gpu_metrics")
    assert metrics.content == content_revision
    assert gpu_metrics_reading.reading(metrics).utilization_percent is not None


def test_states(tmp_path: Path) -> None:
    """A domain, a removed GPU, one in suspend, one with errors, and the other name of partitions, as asked for."""
    options = Options(domain=0x10, removed=(1,), suspended=(2,), broken=(0,), dot=True)
    write_mi300x(tmp_path, gpus=3, options=options)
    first, third = devices(tmp_path)
    assert (first.name, third.name) == ("0010:15:00.0", "0010:55:00.0")
    assert (first / "ras/umc_err_count").read_text() == "ue: 1\nce: 4\nde: 0\n"
    assert (third / "power/runtime_status").read_text() == "suspended\n"
    assert (tmp_path / "sys/devices/platform/amdgpu_xcp.0/drm").exists()
    domains = {properties(node)["domain"] for node in (tmp_path / "sys/class/kfd/kfd/topology/nodes").iterdir()}
    assert domains == {0, 0x10}
    assert dangling(tmp_path) == []


@pytest.mark.parametrize(
    "options", [Options(compute_partition="TPX"), Options(memory_partition="NPS9"), Options(gpus=9), Options(gpus=-1)]
)
def test_what_cannot_be(options: Options) -> None:
    """A partition mode that there is not and too many GPUs are refused, with what is expected."""
    with pytest.raises(ValueError, match=r"^MI300X: expected "):
        AmdPart(options)
