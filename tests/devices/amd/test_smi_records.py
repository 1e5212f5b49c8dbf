"""Answers of amd-smi's commands put together: partitions, broken cards, names of older releases."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodescope.devices.amd.smi_records import Answers, Told, told
from nodescope.records.amd_static import AmdCache, AmdPolicy, AmdSocPstate, Quantity
from nodescope.records.gpu import GpuReading, InstanceReading
from tests.devices.amd.fake_amd_smi import address_of, listed, metric, processes, static, uuid_of

NA_METRIC = {
    "usage": {"gfx_activity": "N/A"},
    "power": {"socket_power": "N/A"},
    "mem_usage": "N/A",
    "temperature": "N/A",
}
VALUES = st.recursive(
    st.sampled_from(["N/A", None, "12 W", 7, -1, 2**64 - 1, 1.5, True, "", "x"]) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["value", "unit", "pid", "clk", "xcp_0", "bdf", "gpu", "partition_id"]), inner
        )
    ),
    max_leaves=8,
)
GROUP_NAMES = (
    "usage power clock temperature pcie ecc ecc_blocks fan energy mem_usage throttle asic bus board limit vram numa "
    "ras partition cache_info xgmi_plpd process_list links link_metrics bdf partition_id soc_pstate driver"
)
GROUPS = st.dictionaries(
    st.sampled_from(GROUP_NAMES.split()),
    VALUES
    | st.dictionaries(st.sampled_from(["gfx_activity", "socket_power", "asic_serial", "gfx_0", "speed"]), VALUES),
)


def cpx(partitions: int = 8, **first: Any) -> Answers:
    """One GPU divided into partitions, as amd-smi has them."""
    busy = {f"xcp_{part}": [{"value": 10 * part, "unit": "%"}, "N/A"] for part in range(partitions)}
    whole = metric(0, **first)
    whole["usage"]["gfx_busy_inst"] = busy
    mode = {"partition": {"compute_partition": "CPX", "memory_partition": "NPS1"}}
    return Answers(
        listed=[listed(part, 0, part) for part in range(partitions)],
        static=[static(part, 0, **mode) for part in range(partitions)],
        metric=[whole, *({"gpu": part, **NA_METRIC} for part in range(1, partitions))],
        process=[processes(part, 100 + part) for part in range(partitions)],
    )


def only(found: tuple[Told, ...]) -> Told:
    (one,) = found
    return one


def test_partitions() -> None:
    """A divided GPU is told of once, with the values of partition 0; its partitions have none of those."""
    one = only(told(cpx(), 7.0))
    assert (one.identity.uuid, one.identity.index, one.identity.pci_address) == (uuid_of(0), 0, address_of(0))
    assert (one.identity.compute_partition, one.identity.memory_partition) == ("CPX", "NPS1")
    assert (one.report.reading.power_milliwatts, one.report.reading.memory_used_bytes) == (100_000, 283 << 20)
    assert [(part.index, part.gpu_instance_id, part.profile) for part in one.instances] == [
        (part, part, "CPX") for part in range(8)
    ]
    assert [part.pci_address for part in one.instances] == [address_of(0, part) for part in range(8)]
    assert one.report.instances == tuple(
        InstanceReading(uuid=f"{uuid_of(0)}-{part}", utilization_percent=10.0 * part) for part in range(8)
    )
    assert len(one.statics) == 8


def test_memory_of_a_partition() -> None:
    """A partition's memory is told where it is less than the GPU's: some releases show the whole in each."""
    answers = cpx(2)
    share = {"total_vram": {"value": 24000, "unit": "MB"}, "used_vram": {"value": 5, "unit": "MB"}}
    answers = answers._replace(metric=[answers.metric[0], {"gpu": 1, "mem_usage": share}])
    assert [part.memory_total_bytes for part in only(told(answers, 7.0)).report.instances] == [None, 24000 << 20]
    whole = answers._replace(metric=[answers.metric[0], metric(1)])
    assert [part.memory_total_bytes for part in only(told(whole, 7.0)).report.instances] == [None, None]


def test_processes_of_partitions() -> None:
    """Each process is told of once, with its partition, also where partition 0 tells of all."""
    answers = cpx(2)._replace(process=[processes(0, 100, 101), processes(1, 101)])
    assert [(one.pid, one.instance_uuid) for one in only(told(answers, 7.0)).report.processes] == [
        (100, f"{uuid_of(0)}-0"),
        (101, f"{uuid_of(0)}-1"),
    ]


def test_processes_that_are_not_told() -> None:
    """Nobody uses a GPU where amd-smi says so; where it says nothing, or not who, that is not known."""
    answers = cpx(1)
    cases: list[tuple[list[Any], bool]] = [
        ([processes(0)], True),
        ([processes(0, 100)], True),
        ([], False),
        ([{"gpu": 0, "process_list": "N/A"}], False),
        ([{"gpu": 0, "process_list": [{"process_info": "N/A"}]}], False),
        ([{"gpu": 0, "process_list": [{"process_info": {"name": "N/A", "pid": "N/A"}}]}], False),
    ]
    for process, expected in cases:
        report = only(told(answers._replace(process=process), 7.0)).report
        assert (report.state, report.processes_told) == ("ok", expected), process
    some = cpx(2)._replace(process=[processes(0)])
    assert not only(told(some, 7.0)).report.processes_told


def test_two_dies_are_two_gpus() -> None:
    """GPUs on a bus of their own are never one GPU, though their board's serial number is the same."""
    board: dict[str, Any] = {"board": {"product_serial": "7001"}, "asic": {"asic_serial": "N/A"}}
    answers = Answers(
        listed=[listed(0), listed(1)], static=[static(n, **board) for n in (0, 1)], metric=[metric(0), metric(1)]
    )
    found = told(answers, 7.0)
    assert [one.identity.uuid for one in found] == ["7001", address_of(1)]
    assert [one.report.uuid for one in found] == ["7001", address_of(1)]


@pytest.mark.parametrize(
    "broken", [{"gpu": 1}, {"gpu": 1, **NA_METRIC}, {"gpu": 1, "usage": 3, "power": []}, "N/A", None]
)
def test_one_broken_card(broken: Any) -> None:
    """A card of which nothing can be read fails alone, with a reason; its neighbours keep their readings."""
    answers = Answers(
        listed=[listed(number) for number in range(3)],
        static=[static(0), static(2)],
        metric=[metric(0), *([broken] if isinstance(broken, dict) else []), metric(2)],
    )
    found = told(answers, 7.0)
    assert [one.identity.pci_address for one in found] == [address_of(number) for number in range(3)]
    assert [one.report.state for one in found] == ["ok", "failed", "ok"]
    assert found[1].report.reason
    assert found[1].report.sampled_monotonic_seconds == 0.0
    assert [one.report.reading.utilization_percent for one in found] == [10, None, 12]


def test_a_card_that_could_not_be_asked() -> None:
    """Why a card could not be asked is its reason."""
    answers = Answers(listed=[listed(0), listed(1)], metric=[metric(0)], failed={1: "it hangs"})
    assert [(one.report.state, one.report.reason) for one in told(answers, 7.0)] == [("ok", ""), ("failed", "it hangs")]


def test_limits_of_the_junction() -> None:
    """The junction's limits are told beside those of the edge, as the driver's sensors have them."""
    degrees = {"slowdown_edge": 100, "shutdown_edge": 105, "slowdown_hotspot": 110, "shutdown_hotspot": "N/A"}
    limit = {f"{name}_temperature": {"value": value, "unit": "C"} for name, value in degrees.items()}
    metrics = {"gpu": 0, "temperature": {"edge": {"value": 60, "unit": "C"}, "hotspot": {"value": 70, "unit": "C"}}}
    (one,) = told(Answers(static=[{"gpu": 0, "limit": limit}], metric=[metrics]), 1.0)
    assert one.report.reading.temperature_slowdown_celsius == 100
    assert one.report.reading.driver_fields == {"junction_temperature_crit_celsius": 110}


def test_names_of_rocm_6_0() -> None:
    """Values under the names of ROCm 5.7 and 6.0 are found."""
    old = {
        "gpu": 0,
        "usage": {"gfx_usage": "7 %", "mem_usage": "3 %", "mm_usage_list": ["1 %", "N/A"]},
        "fb_usage": {"vram_total": 16368, "vram_used": 10},
        "power": {"current_power": "20 W", "current_gfx_voltage": "780 mV", "current_fan_rpm": "900 RPM"},
        "clock": {"gfx": {"cur_clk": 700, "max_clk": 2000}, "mem": {"cur_clk": "96 MHz", "max_clk": "0 MHz"}},
        "temperature": {"edge_temperature": "30", "hotspot_temperature": "33", "mem_temperature": "40"},
        "pcie": {"current_lanes": 16, "current_speed": {"value": 16, "unit": "GT/s"}},
        "replay_count": 4,
        "ecc_block": {"UMC": {"correctable": 2, "uncorrectable": "N/A"}},
        "fan": {"speed": 51, "max": 255},
        "energy": {"total_energy_consumption": "0 J"},
    }
    legacy_static = {
        "gpu": 0,
        "asic": {"market_name": "MI100", "asic_serial": "0x79ccd55167a2124a", "xgmi_physical_id": 3},
        "bus": {"bdf": "0000:83:00.0"},
        "driver": {"driver_name": "amdgpu", "driver_version": "6.3.6"},
        "vram": {"vram_type": "HBM2", "vram_vendor": "SAMSUNG", "vram_size_mb": "32752 MB"},
        "limit": {"max_power": 290, "current_power": 250, "temperature_edge": 99},
        "dpm_policy": {"num_supported": 1, "current_id": 0, "policies": [{"policy_id": 0, "policy_description": "d"}]},
        "cache": {"cache_0": {"cache_size": "16 KB", "cache_level": 1}},
    }
    one = only(told(Answers(static=[legacy_static], metric=[old]), 7.0))
    assert one.report.reading == GpuReading(
        utilization_percent=7,
        memory_utilization_percent=3,
        engines={"gfx": 7, "umc": 3, "mm_0": 1},
        memory_total_bytes=16368 << 20,
        memory_used_bytes=10 << 20,
        power_milliwatts=20_000,
        power_limit_milliwatts=250_000,
        power_limit_max_milliwatts=290_000,
        voltage_millivolts=780,
        fan_revolutions_per_minute=900,
        fan_speed_percent=20,
        clock_graphics_megahertz=700,
        clock_max_graphics_megahertz=2000,
        clock_memory_megahertz=96,
        temperature_celsius=30,
        edge_temperature_celsius=30,
        junction_temperature_celsius=33,
        memory_temperature_celsius=40,
        temperature_slowdown_celsius=99,
        pcie_width_lanes=16,
        pcie_generation=4,
        pcie_replays=4,
    )
    assert [(error.location, error.corrected, error.errors) for error in one.report.ecc] == [("umc", "corrected", 2)]
    assert (one.identity.uuid, one.identity.oam_id, one.identity.driver_version) == ("79ccd55167a2124a", 3, "6.3.6")
    assert (one.identity.memory_type, one.identity.memory_vendor) == ("HBM2", "SAMSUNG")
    (record,) = one.statics
    assert record.soc_pstate == AmdSocPstate(
        num_supported=1, current_id=0, policies=(AmdPolicy(policy_id=0, policy_description="d"),)
    )
    assert record.cache_info == (AmdCache(cache=0, cache_level=1, cache_size=Quantity(16, "KB")),)


def test_throttling_engines_and_links() -> None:
    """Throttle accumulators are milliseconds; each engine is told of; links have what went over them."""
    link = {"gpu": 1, "bdf": address_of(1), "read": {"value": 2000, "unit": "KB"}, "write": "N/A"}
    answers = Answers(
        listed=[listed(0)],
        metric=[
            metric(
                0,
                throttle={"accumulation_counter": 9000, "ppt_accumulated": 12, "hbm_thermal_accumulated": "N/A"},
                energy={"total_energy_consumption": {"value": 12.5, "unit": "J"}},
            )
        ],
        xgmi=[{"gpu": 0, "link_metrics": {"link_type": "XGMI", "max_bandwidth": "512 Gb/s", "links": [link]}}],
    )
    report = only(told(answers, 7.0)).report
    assert report.reading.throttled_ns == {"ppt": 12_000_000}
    assert report.reading.driver_fields == {"accumulation_counter": 9000}
    assert report.reading.energy_millijoules == 12_500
    assert [(one.link, one.rx_kibibytes, one.tx_kibibytes, one.speed_megabytes_per_second) for one in report.links] == [
        (1, 2000, None, 64_000)
    ]


@settings(max_examples=60)
@given(st.lists(st.lists(GROUPS, max_size=3), min_size=6, max_size=6))
def test_anything(groups: list[list[dict[str, Any]]]) -> None:
    """Whatever the groups hold, every GPU is told of once and every report is of one."""
    numbered = [[{**entry, "gpu": number} for number, entry in enumerate(entries)] for entries in groups]
    listing, documents, metrics, process, topology, xgmi = numbered
    found = told(Answers(listing, documents, metrics, process, topology, xgmi), 7.0)
    assert len({one.identity.uuid for one in found}) == len(found)
    assert all(one.report.uuid == one.identity.uuid for one in found)
    assert len({part.uuid for one in found for part in one.instances}) == sum(len(one.instances) for one in found)


@pytest.mark.parametrize(
    ("busy", "engines"),
    [
        ({"xcp_0": ["33 %", "0 %"]}, {"vcn_0": 33, "vcn_1": 0}),
        ({"xcp_0": ["33 %"], "xcp_1": ["4 %"]}, {}),
        ({"xcp_0": "N/A"}, {}),
        ("N/A", {}),
    ],
)
def test_engines_of_the_one_partition(busy: Any, engines: dict[str, float]) -> None:
    """Engines that are told by partition are the GPU's where it has but one, for several may share them."""
    usage = {"vcn_activity": ["N/A", "N/A"], "vcn_busy": busy}
    answers = Answers(listed=[listed(0)], metric=[metric(0, usage=usage)])
    assert only(told(answers, 7.0)).report.reading.engines == engines
