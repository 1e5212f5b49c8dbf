"""What releases of amd-smi named otherwise than those that captures are of: ROCm 5.7, 6.0 and 6.1."""

from __future__ import annotations

from typing import Any

import pytest

from nodescope.devices.amd import smi_metric, smi_process
from nodescope.devices.amd.smi_identity import identity_of
from nodescope.devices.amd.smi_json import Entry
from nodescope.devices.amd.smi_static import static

GIB = 1 << 30


def test_metric_of_rocm_5_7() -> None:
    """Memory, link, errors by block and voltage are found under the names of ROCm 5.7, whose numbers have no units."""
    entry: Entry = {
        "gpu": 0,
        "usage": {"gfx_activity": 97, "umc_activity": 12, "mm_activity": 65535},
        "power": {"average_socket_power": 289, "gfx_voltage": 806, "soc_voltage": "AMDSMI_STATUS_NOT_YET_IMPLEMENTED"},
        "ecc_block": {"UMC": {"correctable": 3, "uncorrectable": 0}},
        "pcie": {"pcie_lanes": 16, "pcie_speed": 16},
        "mem_usage": {"vram": 65536, "vis_vram": 256, "gtt": 512, "used_vram": 1024, "used_vis_vram": 2, "used_gtt": 4},
    }
    found = smi_metric.reading(entry)
    assert (found.memory_total_bytes, found.memory_used_bytes) == (64 * GIB, GIB)
    assert (found.bar1_total_bytes, found.bar1_used_bytes) == (256 << 20, 2 << 20)
    assert (found.gtt_total_bytes, found.gtt_used_bytes) == (512 << 20, 4 << 20)
    assert (found.pcie_width_lanes, found.pcie_generation) == (16, 4)
    assert (found.power_milliwatts, found.voltage_millivolts) == (289_000, 806)
    assert found.engines == {"gfx": 97, "umc": 12}
    assert [(one.location, one.corrected, one.errors) for one in smi_metric.ecc(entry)] == [
        ("umc", "corrected", 3),
        ("umc", "uncorrected", 0),
    ]


def test_metric_of_rocm_6_0() -> None:
    """Errors in all and the use of the video engines are found under the names of ROCm 6.0."""
    entry: Entry = {
        "usage": {"gfx_usage": 5, "mem_usage": 1, "mm_ip_usage": 7},
        "ecc": {"total_correctable": 4, "total_uncorrectable": 1, "cache_correctable": 1, "cache_uncorrectable": 0},
        "pcie": {"current_lanes": 8, "current_speed": 32},
    }
    found = smi_metric.reading(entry)
    assert (found.ecc_corrected_volatile_errors, found.ecc_uncorrected_volatile_errors) == (4, 1)
    assert found.engines["mm"] == 7
    assert (found.pcie_width_lanes, found.pcie_generation) == (8, 5)


def test_static_of_rocm_5_7() -> None:
    """The state of each block is a list there, and a board without a serial number has 0x, which is none."""
    told = static({
        "gpu": 0,
        "ras": [{"block": "UMC", "status": "ENABLED"}, {"block": "SDMA", "status": "DISABLED"}],
        "board": {"product_serial": "0x"},
        "bus": {"bdf": "0000:03:00.0"},
    })  # fmt: skip
    assert told is not None
    assert told.ras.ecc_block_state == {"UMC": "ENABLED", "SDMA": "DISABLED"}
    identity = identity_of(told)
    assert (identity.serial, identity.uuid) == (None, "0000:03:00.0")


def info(pid: int, mem: Any) -> Entry:
    return {"process_info": {"name": "python", "pid": pid, "mem_usage": mem, "usage": {"gfx": 7, "enc": 0}}}


@pytest.mark.parametrize(
    ("entry", "pids", "told"),
    [
        ({"values": [info(7, 4096), info(9, 0)]}, [7, 9], True),
        (info(7, 4096), [7], True),
        ({"process_info": "Not Found"}, [], True),
        ({"process_info": "No running processes detected"}, [], True),
        ({"process_info": "N/A"}, [], False),
        ({"values": [{"process_info": "AMDSMI_STATUS_NO_PERM - Permission Denied"}]}, [], False),
        (info(7, {"value": 4096, "unit": "B"}), [7], False),
    ],
    ids=["several", "one", "none of 6.0", "none of 6.1", "unknown", "refused", "the last of 6.1"],
)
def test_processes_without_a_list(entry: Entry, pids: list[int], told: bool) -> None:
    """Before ROCm 6.2 processes are told of elsewhere; of 6.1, which has the last alone, they are not all told."""
    found = smi_process.processes({"gpu": 0, **entry})
    assert [process.pid for process in found] == pids
    assert all(process.memory_used_bytes in (0, 4096) and process.engine_ns["gfx"] == 7 for process in found)
    assert smi_process.are_told({"gpu": 0, **entry}) is told
