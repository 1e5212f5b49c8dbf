"""Cards that a whole simulated node does not have: of desktops, older ones, processors with graphics, guests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from nodescope.devices.amd.sysfs_source import SysfsSource
from nodescope.devices.plausible import Plausible
from nodescope.records.gpu import GpuReport
from nodescope.simulate.amd_gpu_metrics import encode
from tests.devices.amd.amd_node import BROKEN, BUSES, CALM, KFD, WAIT_S, AmdNode, Content, hwmon

ADDRESS = "0000:03:00.0"
SENSORS: dict[str, Content] = {
    **{f"temp{n}_label": label for n, label in ((1, "edge"), (2, "junction"), (3, "mem"))},
    **{f"temp{n}_input": 40_000 + 1000 * n for n in (1, 2, 3)},
    **{f"temp{n}_crit": 100_000 + 1000 * n for n in (1, 2, 3)},
    **{f"temp{n}_emergency": 110_000 + 1000 * n for n in (1, 2, 3)},
    "power1_average": 31_500_000,
    "power1_cap": 339_000_000,
    "power1_cap_max": 389_000_000,
    "power1_cap_min": 305_000_000,
    "power1_cap_default": 339_000_000,
    "freq1_label": "sclk",
    "freq1_input": 2_482_000_000,
    "freq2_label": "mclk",
    "freq2_input": 1_249_000_000,
    "in0_label": "vddgfx",
    "in0_input": 731,
    "fan1_input": 1204,
    "pwm1": 51,
}
MEMORY: dict[str, Content] = {
    "mem_info_vram_total": 24 << 30,
    "mem_info_vram_used": 2 << 30,
    "mem_info_vis_vram_total": 256 << 20,
    "mem_info_vis_vram_used": 14 << 20,
    "mem_info_gtt_total": 16 << 30,
    "mem_info_gtt_used": 1 << 20,
}
LINK: dict[str, Content] = {
    "current_link_speed": "16.0 GT/s PCIe",
    "current_link_width": 16,
    "max_link_speed": "16.0 GT/s PCIe",
    "max_link_width": 16,
    "pcie_replay_count": 3,
}


def only_report(node: AmdNode) -> GpuReport:
    (report,) = node.observed().reports
    assert report.state == "ok"
    assert Plausible("amd").checked(report) is report
    return report


def test_a_desktop_card(tmp_path: Path) -> None:
    """All that hwmon and single files say of a card without gpu_metrics is in its reading, its limits too."""
    node = AmdNode(tmp_path)
    levels = {
        "pp_dpm_sclk": "0: 500Mhz\n1: 2482Mhz *\n2: 2525Mhz",
        "pp_dpm_mclk": "0: 96Mhz\n1: 1249Mhz *",
        "pp_dpm_socclk": "S: 19Mhz *\n0: 500Mhz",
        "power_dpm_force_performance_level": "manual",
    }
    busy: dict[str, Content] = {"gpu_busy_percent": 12, "mem_busy_percent": 4, "unique_id": "4F5B9E3D1A2C0001"}
    node.gpu(ADDRESS, {**busy, **MEMORY, **LINK, **levels, **hwmon(SENSORS)})
    reading = only_report(node).reading
    assert (reading.utilization_percent, reading.memory_utilization_percent) == (12, 4)
    assert (reading.memory_total_bytes, reading.memory_free_bytes) == (24 << 30, 22 << 30)
    assert (reading.bar1_total_bytes, reading.bar1_used_bytes) == (256 << 20, 14 << 20)
    assert (reading.gtt_total_bytes, reading.gtt_used_bytes) == (16 << 30, 1 << 20)
    assert reading.temperature_celsius == 41
    assert (reading.junction_temperature_celsius, reading.memory_temperature_celsius) == (42, 43)
    assert (reading.temperature_slowdown_celsius, reading.temperature_shutdown_celsius) == (101, 111)
    assert reading.memory_temperature_max_operating_celsius == 103
    assert reading.driver_fields["junction_temperature_crit_celsius"] == 102
    assert (reading.power_milliwatts, reading.power_average_milliwatts) == (31_500, 31_500)
    assert reading.power_instant_milliwatts is None
    assert (reading.power_limit_milliwatts, reading.power_limit_max_milliwatts) == (339_000, 389_000)
    assert (reading.power_limit_min_milliwatts, reading.power_limit_default_milliwatts) == (305_000, 339_000)
    assert (reading.clock_graphics_megahertz, reading.clock_max_graphics_megahertz) == (2482, 2525)
    assert (reading.clock_memory_megahertz, reading.clock_soc_megahertz) == (1249, 19)
    assert (reading.voltage_millivolts, reading.fan_revolutions_per_minute, reading.fan_speed_percent) == (
        731,
        1204,
        20,
    )
    assert (reading.pcie_generation, reading.pcie_width_lanes, reading.pcie_replays) == (4, 16, 3)
    assert (reading.pcie_max_generation, reading.pcie_max_width_lanes) == (4, 16)
    assert reading.driver_fields["performance_level"] == 2
    assert reading.driver_fields["utilization_source"] == 2
    assert (reading.energy_millijoules, reading.ecc_mode, reading.retired_pages_uncorrected) == (None, None, None)


def test_gpu_metrics_come_first(tmp_path: Path) -> None:
    """What gpu_metrics tells is from there; sensors fill in the rest alone."""
    node = AmdNode(tmp_path)
    metrics = encode(
        1,
        3,
        {
            "temperature_edge": 50,
            "temperature_hotspot": 61,
            "average_gfx_activity": 97,
            "average_umc_activity": 33,
            "average_socket_power": 270,
            "energy_accumulator": 10 << 16,
            "current_gfxclk": 1700,
            "pcie_link_width": 8,
            "pcie_link_speed": 160,
        },
    )
    node.gpu(ADDRESS, {**MEMORY, **LINK, **hwmon(SENSORS), "gpu_metrics": metrics, "gpu_busy_percent": 99})
    reading = only_report(node).reading
    assert (reading.utilization_percent, reading.driver_fields["gpu_busy_percent"]) == (97, 99)
    assert (reading.temperature_celsius, reading.junction_temperature_celsius) == (50, 61)
    assert reading.memory_temperature_celsius == 43
    assert (reading.power_milliwatts, reading.energy_millijoules) == (270_000, 10_000)
    assert (reading.clock_graphics_megahertz, reading.clock_memory_megahertz) == (1700, 1249)
    assert (reading.pcie_width_lanes, reading.pcie_max_width_lanes) == (8, 16)
    assert reading.throttled_ns == {}


def test_a_processor_with_graphics(tmp_path: Path) -> None:
    """One without a board's memory, hwmon and marketing name has what is left, under its PCI address."""
    node = AmdNode(tmp_path)
    files: dict[str, Content] = {"device": "0x164e", "mem_info_vram_total": 512 << 20, "mem_info_vram_used": 20 << 20}
    node.gpu(ADDRESS, {**files, "gpu_busy_percent": 0, "unique_id": "", "product_name": "", "serial_number": ""})
    report = only_report(node)
    assert report.uuid == ADDRESS
    assert (report.reading.utilization_percent, report.reading.power_milliwatts) == (0, None)
    assert report.reading.temperature_celsius is None
    identity = node.observed().gpus[0]
    assert (identity.model, identity.serial, identity.pci_device_id) == (None, None, "0x164E1002")


def test_the_power_of_a_processor_with_graphics(tmp_path: Path) -> None:
    """Its sensor tells its power, and gpu_metrics, which has watts with some firmware, where there is no sensor."""
    node = AmdNode(tmp_path)
    metrics = encode(2, 2, {"average_socket_power": 15})
    folder = node.gpu(ADDRESS, {**hwmon({"power1_average": 15_200_000}), "gpu_metrics": metrics})
    reading = only_report(node).reading
    assert (reading.power_milliwatts, reading.power_average_milliwatts) == (15_200, 15_200)
    shutil.rmtree(tmp_path / folder / "hwmon")
    reading = only_report(node).reading
    assert (reading.power_milliwatts, reading.power_average_milliwatts) == (15, 15)


def test_an_accelerator_before_partitions(tmp_path: Path) -> None:
    """An MI210 of class 0380 with cards above ten: power is the average, its KFD node is the GPU and no instance."""
    node = AmdNode(tmp_path)
    files = {"device": "0x740f", "class": "0x038000", "serial_number": "PCB052", "unique_id": "18f68e602b8a790f"}
    labels = {name: value for name, value in SENSORS.items() if name.startswith(("temp", "power1_average"))}
    node.gpu("0002:c3:00.0", {**files, **MEMORY, **hwmon(labels), "drm/card12/dev": "", "drm/renderD140/dev": ""})
    node.kfd(0, 0, {"simd_count": 0, "location_id": 0})
    properties = {"simd_count": 416, "simd_per_cu": 4, "gfx_target_version": 90_010, "drm_render_minor": 140}
    node.kfd(1, 51_003, {**properties, "location_id": 0xC300, "domain": 2, "unique_id": 0x18F68E602B8A790F})
    observed = node.observed()
    (identity,) = observed.gpus
    assert (identity.uuid, identity.serial) == ("18f68e602b8a790f", "PCB052")
    assert (identity.architecture, identity.compute_units) == ("gfx90a", 104)
    assert (identity.dri_card, identity.dri_render) == ("card12", "renderD140")
    assert observed.instances == ()
    assert observed.reports[0].reading.power_average_milliwatts == 31_500


def test_the_second_die_of_a_board(tmp_path: Path) -> None:
    """An MI250's second die, which has neither power nor a limit of its own and says 0, has neither here."""
    node = AmdNode(tmp_path)
    caps = dict.fromkeys(("power1_cap", "power1_cap_max", "power1_cap_default", "power1_cap_min"), 0)
    power = {"average_socket_power": 0, "energy_accumulator": 0, "temperature_edge": 40}
    metrics = encode(1, 3, {**power, "temperature_hotspot": 45})
    node.gpu(ADDRESS, {**MEMORY, **hwmon({**SENSORS, **caps, "power1_average": 0}), "gpu_metrics": metrics})
    reading = only_report(node).reading
    assert (reading.power_milliwatts, reading.power_average_milliwatts, reading.energy_millijoules) == (None,) * 3
    assert (reading.power_limit_milliwatts, reading.power_limit_enforced_milliwatts) == (None, None)
    assert (reading.power_limit_max_milliwatts, reading.power_limit_default_milliwatts) == (None, None)
    assert (reading.power_limit_min_milliwatts, reading.temperature_celsius) == (0, 40)
    assert reading.driver_fields["power_of_other_die"] == 1


def test_a_guest(tmp_path: Path) -> None:
    """In a virtual machine without sensors, numbers and KFD the GPU goes by its address and has its memory."""
    node = AmdNode(tmp_path)
    node.gpu("1a2b:00:02.0", {"device": "0x74b5", "class": "0x120000", **MEMORY, "hwmon/hwmon2/name": "other"})
    report = only_report(node)
    assert report.uuid == "1a2b:00:02.0"
    assert (report.reading.memory_used_bytes, report.reading.power_milliwatts) == (2 << 30, None)


@pytest.mark.parametrize("location", [0x0303, 0x3000_0300])
def test_one_partition_of_another(tmp_path: Path, location: int) -> None:
    """A container that sees one partition of eight sees an instance with its own number, not a whole GPU."""
    node = AmdNode(tmp_path)
    files: dict[str, Content] = {
        "unique_id": "00000000000000aa",
        "current_compute_partition": "CPX",
        "gpu_busy_percent": 1,
    }
    node.gpu(ADDRESS, files)
    node.kfd(7, 9, {"location_id": location, "simd_count": 152, "simd_per_cu": 4, "unique_id": 0xAA})
    observed = node.observed()
    (instance,) = observed.instances
    assert (instance.uuid, instance.index, instance.pci_address) == ("00000000000000aa-3", 3, "0000:03:00.3")
    assert instance.profile == "CPX"


def test_a_partition_tells_of_its_memory(tmp_path: Path) -> None:
    """A partition's memory is that of its KFD node, with what is used where the driver says it."""
    node = AmdNode(tmp_path)
    node.gpu(ADDRESS, {"unique_id": "aa", "current_compute_partition": "DPX", "gpu_busy_percent": 1})
    for index in (0, 1):
        folder = f"sys/class/kfd/kfd/topology/nodes/{index}"
        node.kfd(index, 10 + index, {"location_id": 0x0300 + index, "unique_id": 0xAA})
        node.write(f"{folder}/mem_banks/0/properties", "heap_type 1\nsize_in_bytes 1000\nwidth 8192")
        node.write(f"{folder}/mem_banks/0/used_memory", 100 * index)
    report = only_report(node)
    memory = [(one.memory_total_bytes, one.memory_used_bytes, one.memory_free_bytes) for one in report.instances]
    assert memory == [(1000, 0, 1000), (1000, 100, 900)]


def test_broken_attributes_cost_themselves(tmp_path: Path) -> None:
    """Attributes that fail, say nonsense or are of an unknown layout are absent; the rest of the reading is there."""
    node = AmdNode(tmp_path)
    files: dict[str, Content] = {**MEMORY, **LINK, **hwmon(SENSORS), "gpu_busy_percent": "busy"}
    files["gpu_metrics"] = b"\x04\x00\x63\x63"
    folder = tmp_path / node.gpu(ADDRESS, {**files, "pp_dpm_sclk": "nonsense", "ras/umc_err_count": "nonsense"})
    for name in ("mem_info_gtt_used", "hwmon/hwmon4/temp1_input"):
        (folder / name).unlink()
        (folder / name).symlink_to(BROKEN)
    report = only_report(node)
    reading = report.reading
    assert (reading.utilization_percent, reading.gtt_used_bytes) == (None, None)
    assert (reading.memory_used_bytes, reading.power_milliwatts) == (2 << 30, 31_500)
    # Of the sensors the junction's is left to stand for the GPU.
    assert reading.temperature_celsius == reading.junction_temperature_celsius == 42
    assert (report.ecc, reading.ecc_corrected_volatile_errors) == ((), None)
    # gpu_metrics, the levels each time they are read, and the block's count.
    assert report.left_out == 3


def test_links_keep_their_numbers(tmp_path: Path) -> None:
    """Links that gpu_metrics has told of are not replaced by the topology's while it cannot be read."""
    node, addresses = AmdNode(tmp_path), (ADDRESS, "0000:04:00.0")
    metrics = encode(1, 8, {"xgmi_link_status": [1, 0], "xgmi_read_data_acc": [7, 8], "average_gfx_activity": 1})
    for number, address in enumerate(addresses):
        files: dict[str, Content] = {**MEMORY, **({} if number else {"gpu_metrics": metrics})}
        node.gpu(address, files)
        node.kfd(number, 100 + number, {"simd_count": 4, "location_id": 0x300 + 0x100 * number})
        link = f"type 11\nnode_to {1 - number}\nmax_bandwidth 50000"
        node.write(f"{KFD}/topology/nodes/{number}/io_links/0/properties", link)
    source = SysfsSource(node.host, 0.0, CALM)
    first, other = source.observe(WAIT_S).reports
    assert [(link.link, link.active, link.remote_pci_address) for link in first.links] == [(0, 1, None), (1, 0, None)]
    assert [(link.link, link.active, link.remote_pci_address) for link in other.links] == [(0, None, ADDRESS)]
    node.write(f"{BUSES}/devices/{ADDRESS}/gpu_metrics", b"")
    assert source.observe(WAIT_S).reports[0].links == ()
    node.write(f"{BUSES}/devices/{ADDRESS}/gpu_metrics", metrics)
    assert source.observe(WAIT_S).reports[0].links == first.links


def test_a_captured_card(tmp_path: Path, shared: Path) -> None:
    """A Vega 10 as another project captured it: every value is the file's, and none is 0 for unknown."""
    node = AmdNode(tmp_path)
    captured = shared / "captures/amd/prometheus_procfs_drm/sys/class/drm/card0/device"
    folder = node.gpu("0000:09:00.0", {})
    shutil.copytree(captured, tmp_path / folder, dirs_exist_ok=True)
    report = only_report(node)
    identity = node.observed().gpus[0]
    assert (report.uuid, identity.vbios_version) == ("0123456789abcdef", "115-D050PIL-100")
    assert (identity.memory_vendor, identity.cpu_affinity, identity.numa_node) == ("samsung", "0-15", None)
    assert (identity.model, identity.serial, identity.part_number) == (None, None, None)
    reading = report.reading
    assert (reading.utilization_percent, reading.memory_used_bytes) == (4, 1_490_378_752)
    assert (reading.clock_graphics_megahertz, reading.clock_max_graphics_megahertz) == (852, 1630)
    assert (reading.clock_memory_megahertz, reading.clock_soc_megahertz) == (167, 720)
    assert (reading.pcie_generation, reading.pcie_width_lanes, reading.pcie_replays) == (3, 16, 0)
    assert (reading.power_milliwatts, reading.temperature_celsius, reading.ecc_mode) == (None, None, None)


def test_slow_facts_are_kept(tmp_path: Path) -> None:
    """What hardly ever changes is not read with each sample, and what moves is."""
    node = AmdNode(tmp_path)
    folder = node.gpu(ADDRESS, {**MEMORY, **hwmon(SENSORS), "gpu_busy_percent": 1})
    source = node.source()
    source.observe(WAIT_S)
    node.write(f"{folder}/hwmon/hwmon4/power1_cap", 100_000_000)
    node.write(f"{folder}/gpu_busy_percent", 55)
    reading = source.observe(WAIT_S).reports[0].reading
    assert (reading.power_limit_milliwatts, reading.utilization_percent) == (339_000, 55)


def test_a_chip_that_has_another_number(tmp_path: Path) -> None:
    """After the driver was bound anew, which gives the chip of sensors another number, they are found with the next
    sample but one, though nothing else has changed."""
    node = AmdNode(tmp_path)
    folder = tmp_path / node.gpu(ADDRESS, {"gpu_busy_percent": 5, **hwmon(SENSORS)})
    source = node.source()
    assert source.observe(WAIT_S).reports[0].reading.power_milliwatts == 31_500
    (folder / "hwmon/hwmon4").rename(folder / "hwmon/hwmon9")
    node.host.forget(str(folder))
    assert source.observe(WAIT_S).reports[0].reading.power_milliwatts is None
    assert source.observe(WAIT_S).reports[0].reading.power_milliwatts == 31_500
