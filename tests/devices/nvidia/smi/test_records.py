from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.nvidia.smi.ecc import PLACES
from nodescope.devices.nvidia.smi.fields import READING
from nodescope.devices.nvidia.smi.log import TEXT, XML, GpuLog, Log
from nodescope.devices.nvidia.smi.records import NO_LISTING, Told, told
from nodescope.devices.nvidia.smi.text import Listed, Listing
from nodescope.devices.nvidia.smi.xml import parse_xml
from nodescope.records.gpu import EccReading, InstanceIdentity, InstanceReading, ProcessReading
from tests.devices.nvidia.smi.fake_nvidia_smi import gpu_xml, log_xml, mig_xml, uuid_of

MIB = 1024 * 1024
ALIVE = (
    "temperature/gpu_temp",
    "utilization/gpu_util",
    "clocks/sm_clock",
    "performance_state",
    "power_readings/power_draw",
)


def one(values: Mapping[str, str], form: str = XML, top: Mapping[str, str] | None = None) -> Told:
    """The only GPU of a log with these values."""
    gpu = GpuLog("00000000:01:00.0", {"uuid": "GPU-1", "gpu uuid": "GPU-1", **values}, [], [])
    (found,) = told(Log(form, dict(top or {}), [gpu], 0), NO_LISTING, 5.0)
    return found


def of_xml(*gpus: str, listing: Listing = NO_LISTING, attached: int | None = None) -> tuple[Told, ...]:
    return told(parse_xml(log_xml(*gpus, attached=attached).encode(), "nvidia-smi"), listing, 5.0)


def test_names_over_time() -> None:
    """A value is found under each name that it had, and the first that is known counts."""
    for values, milliwatts in (
        ({"power_readings/power_draw": "25.58 W"}, 25_580),
        ({"gpu_power_readings/power_draw": "22.78 W"}, 22_780),
        ({"gpu_power_readings/average_power_draw": "1 W", "gpu_power_readings/instant_power_draw": "2 W"}, 1000),
        ({"gpu_power_readings/average_power_draw": "N/A", "gpu_power_readings/instant_power_draw": "2 W"}, 2000),
        ({"power_readings/power_draw": "N/A"}, None),
    ):
        assert one(values).report.reading.power_milliwatts == milliwatts
    old = one({"clocks_throttle_reasons/clocks_throttle_reason_sw_power_cap": "Active"})
    new = one({"clocks_event_reasons/clocks_event_reason_sw_power_cap": "Active"})
    text = one({"clocks throttle reasons/hw slowdown/hw thermal slowdown": "Active"}, TEXT)
    assert (old.report.reading.throttle_reasons, new.report.reading.throttle_reasons) == (4, 4)
    assert text.report.reading.throttle_reasons == 0x40
    assert one({}).report.reading.throttle_reasons is None


@pytest.mark.parametrize(
    ("said", "told"),
    [("None", True), ("", True), ("N/A", False), ("[Not Supported]", False), ("Insufficient Permissions", False)],
)
def test_processes_that_are_not_told(said: str, told: bool) -> None:
    """That no process is there is said in other words than that nothing is known of them."""
    assert one({"processes": said}).report.processes_told is told


def test_every_reason_and_its_absence() -> None:
    """All nine reasons together are the mask 0x1FF, and none of them is 0."""
    names = (
        "gpu_idle", "applications_clocks_setting", "sw_power_cap", "hw_slowdown", "sync_boost", "sw_thermal_slowdown",
        "hw_thermal_slowdown", "hw_power_brake_slowdown", "display_clocks_setting",
    )  # fmt: skip
    for word, mask in (("Active", 0x1FF), ("Not Active", 0), ("N/A", None)):
        values = {f"clocks_event_reasons/clocks_event_reason_{name}": word for name in names}
        assert one(values).report.reading.throttle_reasons == mask


def test_versions() -> None:
    """The driver's advice behind a version is no part of it; where the old name is gone the new one counts."""
    first = one({}, TEXT, {"driver version": "610.57.04 [Deprecated; use KMD Version]", "cuda version": "13.3"})
    later = one({}, TEXT, {"kmd version": "620.1", "cuda umd version": "14.0"})
    assert (first.identity.driver_version, first.identity.cuda_version) == ("610.57.04", "13.3")
    assert (later.identity.driver_version, later.identity.cuda_version) == ("620.1", "14.0")


def test_part_number() -> None:
    """The board's number, which had the chip's name before the board had one; never the chip's."""
    assert one({"gpu_part_number": "900-2G133"}).identity.part_number == "900-2G133"
    assert one({"gpu_part_number": "2216-202-A1", "board_part_number": "N/A"}).identity.part_number is None


def test_ecc_of_old_boards() -> None:
    """Single and double bits at eight places, with the driver's own totals."""
    values = {
        f"ecc_errors/{life}/{bits}_bit/{place}": str(count)
        for count, (life, bits, place) in enumerate(
            (life, bits, place)
            for life in ("volatile", "aggregate")
            for bits in ("single", "double")
            for place in ("device_memory", "register_file", "l2_cache", "texture_shm", "cbu", "total")
        )
    }
    report = one(values).report
    assert EccReading(location="dram", corrected="corrected", life="volatile", errors=0) in report.ecc
    assert (
        EccReading(location="texture_shared_memory", corrected="uncorrected", life="aggregate", errors=21) in report.ecc
    )
    assert len(report.ecc) == 20
    assert report.reading.ecc_corrected_volatile_errors == 5
    assert report.reading.ecc_uncorrected_aggregate_errors == 23
    text = one({"ecc errors/volatile/single bit/device memory": "7", "ecc errors/volatile/single bit/total": "9"}, TEXT)
    assert text.report.ecc == (EccReading(location="dram", corrected="corrected", life="volatile", errors=7),)
    assert text.report.reading.ecc_corrected_volatile_errors == 9


def test_ecc_in_parts() -> None:
    """SRAM's uncorrectable errors are the sum of parity and SEC-DED; without one of them they, and the total, are
    unknown."""
    whole = {
        "ecc_errors/volatile/sram_uncorrectable_parity": "2",
        "ecc_errors/volatile/sram_uncorrectable_secded": "3",
        "ecc_errors/volatile/dram_uncorrectable": "10",
    }
    assert one(whole).report.reading.ecc_uncorrected_volatile_errors == 15
    counts = {error.location: error.errors for error in one(whole).report.ecc}
    assert counts == {"dram": 10, "sram": 5, "sram_parity": 2, "sram_secded": 3}
    half = one({**whole, "ecc_errors/volatile/sram_uncorrectable_secded": "N/A"}).report
    assert half.reading.ecc_uncorrected_volatile_errors is None
    assert {error.location for error in half.ecc} == {"dram", "sram_parity"}
    assert len({place[:3] for place in PLACES}) == len(PLACES)


def test_fabric() -> None:
    """Health is NVML's mask of what is told; the status counts only where the registration is complete."""
    health = {
        "fabric/health/bandwidth": "Full",
        "fabric/health/route_recovery_in_progress": "False",
        "fabric/health/route_unhealthy": "True",
        "fabric/health/access_timeout_recovery": "False",
        "fabric/health/incorrect_configuration": "None",
        "fabric/health/partition_assigned": "N/A",
    }
    done = one({"fabric/state": "Completed", "fabric/status": "Unknown Error", **health}).report.reading
    assert (done.fabric_state, done.fabric_status) == (3, 999)
    assert done.fabric_health_mask == 2 | 2 << 2 | 1 << 4 | 2 << 6 | 1 << 8
    early = one({"fabric/state": "In Progress", "fabric/status": "Success"}).report.reading
    assert (early.fabric_state, early.fabric_status, early.fabric_health_mask) == (2, None, None)


def test_driver_610() -> None:
    """Power limits below the heading of driver 610 are limits, and T.Limit temperatures are margins."""
    reading = one(
        {
            "gpu power readings/gpu ceiling power limit/current power limit": "250.00 W",
            "gpu power readings/gpu ceiling power limit/requested power limit": "240.00 W",
            "gpu power readings/min power limit": "105.00 W",
            "temperature/gpu current t.limit temp": "46 C",
            "temperature/gpu shutdown t.limit temp": "-8 C",
        },
        TEXT,
    ).report.reading
    assert reading.power_limit_enforced_milliwatts == 250_000
    assert reading.power_limit_milliwatts == 240_000
    assert reading.power_limit_min_milliwatts == 105_000
    assert reading.temperature_margin_celsius == 46.0
    assert reading.temperature_shutdown_celsius is None
    assert reading.driver_fields == {"temperature_shutdown_tlimit": -8.0}


@pytest.mark.parametrize(
    ("recommended", "told", "action"),
    [("Yes", "", 4), ("No", "", None), ("N/A", "", None), ("Yes", "None", 0), ("Yes", "Reboot", 2)],
)
def test_a_drain_that_is_recommended(recommended: str, told: str, action: int | None) -> None:
    """What drivers before 570 recommend is the recovery action of that name, unless there is one."""
    for form, name in ((XML, "gpu_reset_status/drain_and_reset_recommended"), (TEXT, "")):
        said = {name or "gpu reset status/drain and reset recommended": recommended}
        said |= {"gpu_recovery_action" if form == XML else "gpu recovery action": told} if told else {}
        assert one(said, form).report.reading.recovery_action == action


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("GPU is lost", "lost"), ("[GPU is lost]", "lost"), ("[GPU requires reset]", "reset_required"),
        ("GPU requires reset", "reset_required"), ("[Unknown Error]", "failed"), ("ERR!", "failed"),
        ("Insufficient Permissions", "denied"), ("N/A", "ok"), ("Some Error Of Tomorrow", "failed"),
    ],
)  # fmt: skip
def test_states(said: str, state: str) -> None:
    """What stands in the place of all readings is the state, with a reason; nothing of it is a reading."""
    report = one(dict.fromkeys(ALIVE, said) | {"fb_memory_usage/used": "4 MiB"}).report
    assert report.state == state
    assert bool(report.reason) == (state != "ok")
    assert report.left_out == (0 if state == "ok" else len(ALIVE))
    assert report.reading.memory_used_bytes == 4 * MIB
    known = [field.name for field in READING if getattr(report.reading, field.name) is not None]
    assert known == ["memory_used_bytes"]


def test_one_error_is_no_state() -> None:
    """A GPU of which one value could not be had is well; one that says so of itself needs a reset all the same."""
    values = dict.fromkeys(ALIVE, "N/A") | {"temperature/gpu_temp": "40 C", "fan_speed": "ERR!"}
    assert (one(values).report.state, one(values).report.left_out) == ("ok", 1)
    assert one(values | {"performance_state": "[GPU requires reset]"}).report.state == "reset_required"
    assert one(values | {"gpu_reset_status/reset_required": "Yes"}).report.state == "reset_required"
    assert one(values | {"gpu_reset_status/reset_required": "No"}).report.state == "ok"


def test_no_memory_used_is_not_believed_of_a_broken_gpu() -> None:
    """0 MiB is what a GPU says that needs a reset: it is unknown then, and 0 on a GPU that is well."""
    memory = {
        "fb_memory_usage/used": "0 MiB",
        "fb_memory_usage/free": "81000 MiB",
        "fb_memory_usage/total": "81559 MiB",
    }
    broken = one(memory | {"temperature/gpu_temp": "[GPU requires reset]"}).report.reading
    assert (broken.memory_used_bytes, broken.memory_free_bytes) == (None, None)
    assert broken.memory_total_bytes == 81559 * MIB
    assert one(memory | {"temperature/gpu_temp": "30 C"}).report.reading.memory_used_bytes == 0


def test_one_lost_among_healthy_ones() -> None:
    """A GPU that is lost costs the others nothing."""
    gpus = of_xml(gpu_xml(0), gpu_xml(1, temperature="GPU is lost"), gpu_xml(2))
    assert [gpu.report.state for gpu in gpus] == ["ok", "lost", "ok"]
    assert [gpu.report.reading.temperature_celsius for gpu in gpus] == [40.0, None, 40.0]
    assert [gpu.identity.index for gpu in gpus] == [0, 1, 2]


def test_identity() -> None:
    """A GPU is known by its UUID; without one, or with that of another, by its PCI address."""
    gpus = of_xml(gpu_xml(0), gpu_xml(1, uuid="N/A"), gpu_xml(2, uuid=uuid_of(0)))
    assert [gpu.identity.uuid for gpu in gpus] == [uuid_of(0), "0000:02:00.0", "0000:03:00.0"]
    assert [gpu.report.uuid for gpu in gpus] == [gpu.identity.uuid for gpu in gpus]
    first = gpus[0].identity
    assert (first.vendor, first.minor, first.device, first.model) == ("nvidia", 0, "nvidia0", "NVIDIA X0")
    assert (first.driver_version, first.cuda_version, first.pci_address) == ("570.1", "12.8", "0000:01:00.0")


def test_indices_where_gpus_are_missing() -> None:
    """The place in the output is the index only where all GPUs are in it; else -L tells it, or nothing does."""
    listing = Listing({uuid_of(3): 3}, {})
    gpus = of_xml(gpu_xml(0), gpu_xml(3), attached=4, listing=listing)
    assert [gpu.identity.index for gpu in gpus] == [None, 3]


def test_mig_devices_of_xml() -> None:
    """MIG devices have the UUIDs and profiles of -L, else ids as older drivers wrote; processes run in them."""
    processes = "".join(
        f"<process_info><gpu_instance_id>{gi}</gpu_instance_id><compute_instance_id>{ci}</compute_instance_id>"
        f"<pid>{pid}</pid><type>{kind}</type><used_memory>{memory}</used_memory></process_info>"
        for gi, ci, pid, kind, memory in (
            (1, 0, 10, "C", "5 MiB"), (2, 1, 11, "M+C", "N/A"),
            ("N/A", "N/A", 12, "C+G", "0 MiB"), (1, 0, 13, "N/A", ""),
        )
    )  # fmt: skip
    broken = "<mig_device><index>3</index></mig_device>"
    devices = f"<mig_devices>{mig_xml(0, 1, 0)}{mig_xml(4, 2, 1)}{mig_xml(4, 2, 1)}{broken}</mig_devices>"
    body = f"<mig_mode><current_mig>Enabled</current_mig></mig_mode>{devices}<processes>{processes}</processes>"
    listing = Listing({}, {(uuid_of(0), 0): Listed("MIG-real", "1g.5gb")})
    (gpu,) = of_xml(gpu_xml(0, body), listing=listing)
    old = f"MIG-{uuid_of(0)}/2/1"
    assert gpu.instances == (
        InstanceIdentity(
            gpu_uuid=uuid_of(0), uuid="MIG-real", index=0, gpu_instance_id=1, compute_instance_id=0, profile="1g.5gb",
            multiprocessors=14,
        ),
        InstanceIdentity(
            gpu_uuid=uuid_of(0), uuid=old, index=4, gpu_instance_id=2, compute_instance_id=1, multiprocessors=14
        ),
    )  # fmt: skip
    assert gpu.report.instances[1] == InstanceReading(
        uuid=old,
        memory_total_bytes=4864 * MIB,
        memory_used_bytes=7 * MIB,
        memory_free_bytes=4857 * MIB,
        memory_reserved_bytes=0,
        bar1_total_bytes=8191 * MIB,
        bar1_used_bytes=0,
        bar1_free_bytes=8191 * MIB,
        ecc_uncorrected_volatile_errors=3,
    )
    assert gpu.report.processes == (
        ProcessReading(pid=10, type="compute", instance_uuid="MIG-real", memory_used_bytes=5 * MIB),
        ProcessReading(pid=11, type="compute", instance_uuid=old),
        ProcessReading(pid=12, type="compute,graphics", memory_used_bytes=0),
    )
    assert gpu.report.left_out == 3
    assert gpu.report.reading.mig_mode == 1


WORDS = st.sampled_from(
    ["N/A", "0", "12 MiB", "-3 C", "GPU is lost", "Unknown Error", "1e9 W", "99999999999999999999 MiB", "Enabled", ""]
)
PATHS = st.sampled_from(
    [path for field in READING for form in (XML, TEXT) for paths in field.paths(form) for path in paths]
)
BLOCKS = st.lists(st.dictionaries(st.sampled_from(["pid", "type", "index", "gpu_instance_id"]), WORDS), max_size=3)


@given(st.lists(st.tuples(st.dictionaries(PATHS, WORDS), BLOCKS, BLOCKS), max_size=3), st.sampled_from([XML, TEXT]))
def test_any_log(gpus: list[tuple[dict[str, str], list[dict[str, str]], list[dict[str, str]]]], form: str) -> None:
    """Whatever a log says there is one record for each GPU, with a state and a UUID of its own."""
    log = Log(form, {}, [GpuLog(f"0000:0{n}:00.0", *gpu) for n, gpu in enumerate(gpus)], 0)
    found = told(log, NO_LISTING, 1.0)
    assert len({gpu.identity.uuid for gpu in found}) == len(gpus)
    assert {gpu.report.state for gpu in found} <= {"ok", "lost", "failed"}
