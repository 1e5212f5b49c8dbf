"""Every capture of amd-smi says in records what it says in JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from nodescope.devices.amd.smi_json import documents, gpu_entries
from nodescope.devices.amd.smi_records import Answers, Told, told
from nodescope.devices.amd.smi_static import static
from nodescope.records.amd_static import AmdPolicy, Quantity
from nodescope.records.gpu import EccReading, GpuReading, LinkReading, ProcessReading

FOLDER = "captures/amd/amd_smi_json"
GIB = 1 << 30

METRICS: dict[str, dict[str, Any]] = {
    "metric_mem_mi300x_gpu_data_rocm7.json": {
        "memory_total_bytes": 196288 << 20,
        "memory_used_bytes": 2531 << 20,
    },
    "metric_mi350x_shape_rocm72.json": {
        "utilization_percent": 0,
        "memory_utilization_percent": 0,
        "engines": {"gfx": 0, "umc": 0},
        "power_milliwatts": 140_000,
        "clock_graphics_megahertz": 132,
        "clock_max_graphics_megahertz": 2100,
        "temperature_celsius": 37,
        "junction_temperature_celsius": 37,
        "memory_temperature_celsius": 42,
        "pcie_width_lanes": 16,
        "pcie_generation": 5,
        "pcie_replays": 0,
        "ecc_corrected_volatile_errors": 0,
        "ecc_uncorrected_volatile_errors": 0,
        "memory_total_bytes": 192 * GIB,
        "memory_used_bytes": 0,
        "memory_free_bytes": 192 * GIB,
        "driver_fields": {
            "ubb_power_milliwatts": 1_200_000,
            "pcie_bandwidth_inst": 512_000,
            "pcie_l0_to_recov_count_acc": 0,
            "pcie_replay_rover_count_acc": 0,
            "pcie_nak_sent_count_acc": 0,
            "pcie_nak_rcvd_count_acc": 0,
            "pcie_lc_perf_other_end_recovery": 1,
            "ecc_deferred_volatile_errors": 0,
        },
    },
    "metric_navi3x_gpu_data_partial.json": {
        "power_milliwatts": 9000,
        "voltage_millivolts": 706,
        "driver_fields": {"voltage_soc": 704, "voltage_mem": 678},
        "clock_graphics_megahertz": 49,
        "clock_max_graphics_megahertz": 2645,
        "clock_fabric_megahertz": 1000,
        "clock_soc_megahertz": 600,
    },
    "metric_power_list_rocm61.json": {
        "power_milliwatts": 10_000,
        "voltage_millivolts": 6,
        "driver_fields": {"voltage_soc": 918, "voltage_mem": 1250},
    },
    "metric_usage_w7700_list_rocm63.json": {
        "utilization_percent": 42,
        "memory_utilization_percent": 1,
        "engines": {"gfx": 42, "umc": 1, "mm": 0, "vcn_0": 0},
    },
}


def read(shared: Path, name: str) -> list[dict[str, Any]]:
    return gpu_entries((shared / FOLDER / name).read_bytes(), name)


def only(found: tuple[Told, ...]) -> Told:
    (one,) = found
    return one


@pytest.mark.parametrize("name", sorted(METRICS))
def test_metrics(shared: Path, name: str) -> None:
    """A reading has each value that the capture has and nothing else: what is N/A or not there is None, not 0."""
    one = only(told(Answers(metric=read(shared, name)), 7.0))
    assert one.report.reading == GpuReading(**METRICS[name])
    assert (one.report.state, one.report.sampled_monotonic_seconds, one.identity.index) == ("ok", 7.0, 0)


def test_ecc_by_block(shared: Path) -> None:
    """Errors by block are those of the capture."""
    one = only(told(Answers(metric=read(shared, "metric_mi350x_shape_rocm72.json")), 7.0))
    assert one.report.ecc == tuple(
        EccReading(location="umc", corrected=kind, life="volatile", errors=0)
        for kind in ("corrected", "uncorrected", "deferred")
    )


def test_processes(shared: Path) -> None:
    """Processes of the nested and of the flat form; on an idle GPU there is none."""
    nested = only(told(Answers(process=read(shared, "process_list_rocm62.json")), 7.0))
    assert nested.report.state == "failed"
    with_metric = Answers(metric=[{"gpu": 0, "usage": {"gfx_activity": 1}}])
    one = only(told(with_metric._replace(process=read(shared, "process_list_rocm62.json")), 7.0))
    assert one.report.processes == (
        ProcessReading(pid=420157, type="compute", memory_used_bytes=0, name="TransferBench"),
        ProcessReading(pid=420315, type="compute", memory_used_bytes=0, name="rvs"),
    )
    flat = only(told(with_metric._replace(process=read(shared, "process_flat_form.json")), 7.0))
    assert flat.report.processes == (
        ProcessReading(
            pid=4242,
            type="compute",
            memory_used_bytes=2048,
            gtt_used_bytes=0,
            compute_units_used=12,
            engine_ns={"gfx": 1_000_000, "enc": 0},
            name="python",
        ),
    )
    assert only(told(with_metric._replace(process=read(shared, "process_idle.json")), 7.0)).report.processes == ()


def test_static(shared: Path) -> None:
    """The whole static document is in the record, null where it says N/A."""
    (entry,) = read(shared, "static_mi210_gpu_data.json")
    found = msgspec.json.decode(msgspec.json.encode(static(entry)))
    left_out = {"cpu_affinity", "socket_affinity"}
    for group in ("asic", "bus", "vbios", "limit", "driver", "board", "numa", "vram", "ras"):
        for key, value in entry[group].items():
            if key in left_out:
                continue
            absent = value == "N/A" or (isinstance(value, dict) and value.get("value") == "N/A")
            expected = (
                None if absent else {k.upper(): v for k, v in value.items()} if key == "ecc_block_state" else value
            )
            assert found[group][key] == expected, (group, key)
    assert found["cache_info"] == entry["cache_info"]
    assert (found["process_isolation"], found["soc_pstate"]) == ("Disabled", None)
    policies = static(entry)
    assert policies is not None
    assert policies.xgmi_plpd is not None
    assert policies.xgmi_plpd.plpds == (
        AmdPolicy(policy_id=0, policy_description="plpd_disallow"),
        AmdPolicy(policy_id=0),
    )


def test_identity_of_static(shared: Path) -> None:
    """What the static document tells of a GPU is its identity; a serial number of 0 is none."""
    one = only(
        told(Answers(static=read(shared, "static_mi210_gpu_data.json"), metric=[{"gpu": 0, "fan": {"rpm": 1}}]), 7.0)
    )
    gpu, reading = one.identity, one.report.reading
    assert (gpu.model, gpu.architecture, gpu.serial, gpu.oam_id) == ("AMD Instinct MI210", "gfx90a", None, None)
    assert (gpu.compute_units, gpu.numa_node, gpu.pci_device_id) == (104, 1, "0x740f")
    assert (gpu.memory_type, gpu.memory_vendor, gpu.memory_bit_width) == ("HBM", "HYNIX", 4096)
    assert (reading.power_limit_milliwatts, reading.power_limit_max_milliwatts) == (300_000, 300_000)
    assert (reading.temperature_slowdown_celsius, reading.temperature_shutdown_celsius) == (99, 99)
    assert (reading.pcie_max_width_lanes, reading.pcie_max_generation) == (16, 4)
    assert reading.memory_total_bytes == 65520 << 20


def test_limits_of_two_generations(shared: Path) -> None:
    """Power limits are found under their old names and under those of ROCm 7."""
    (document,) = documents((shared / FOLDER / "static_limits_two_generations.json").read_bytes(), "limits")
    found = {key: static({"gpu": 0, **document[key]}) for key in ("legacy", "rocm7")}
    assert [(s.limit.max_power, s.limit.min_power, s.limit.socket_power) for s in found.values() if s] == [
        (Quantity(550, "W"), Quantity(0, "W"), Quantity(0, "W")),
        (Quantity(750, "W"), Quantity(0, "W"), Quantity(600, "W")),
    ]


def test_several_documents(shared: Path) -> None:
    """Each of several documents is read, the legend behind them is not."""
    raw = (shared / FOLDER / "partition_multi_document.txt").read_bytes()
    assert [len(document) for document in documents(raw, "partition")] == [1, 1]
    (entry,) = gpu_entries(raw, "partition")
    assert (entry["memory_partition"], entry["compute_partition"]) == ("NPS1", "CPX_DISABLED")


def test_links(shared: Path) -> None:
    """A way by XGMI to another GPU is a link, with the greatest of its bandwidths; the way to itself is none."""
    topology = read(shared, "topology_rocm62.json")
    one = only(told(Answers(metric=[{"gpu": 0, "fan": {"rpm": 1}}], topology=topology), 7.0))
    assert one.identity.pci_address == "0000:01:00.0"
    assert one.report.links == (
        LinkReading(
            link=1, active=1, remote_type="gpu", remote_pci_address="0001:01:00.0", speed_megabytes_per_second=100_000
        ),
    )


def test_every_capture_is_one_of_these(shared: Path) -> None:
    """No capture is forgotten: each that tells of a GPU gives one, with its number."""
    for path in sorted((shared / FOLDER).iterdir()):
        if path.name != "static_limits_two_generations.json":
            assert [entry["gpu"] for entry in read(shared, path.name)] == [0], path.name
