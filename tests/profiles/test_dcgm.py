"""Profile dcgm: every field of DCGM that NVML can give, against the map of DCGM's fields."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import pytest

from nodescope.collectors.gpu.gpu_dcgm import GpuDcgmCollector
from nodescope.profiles.dcgm import DEFAULT, FIELDS, PROFILE, default_selection
from nodescope.profiles.dcgm_names import NOT_OF_NVML, OF_1, SINCE_4_6
from nodescope.profiles.dcgm_selection import select
from nodescope.records.dcgm import DcgmEntity
from nodescope.records.gpu import GpuIdentity, GpuReading, LinkReading
from nodescope.records.gpu_snapshot import Gpu, GpuLink, GpuThrottle, XidCount
from tests.collectors.gpu.gpu_snapshot import shown

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs/dcgm.md"
MIB: Final = 1024 * 1024

CONVERSIONS: Final[dict[str, Callable[[Any], float]]] = {
    "none": lambda value: value,
    "mW / 1000 (float)": lambda value: value / 1000,
    "mW / 1000": lambda value: value / 1000,
    "mW // 1000": lambda value: value // 1000,
    "mW // 1000 (DCGM truncates)": lambda value: value // 1000,
    "bytes // 1048576": lambda value: value // MIB,
    "bytes // 1048576 (integer truncation)": lambda value: value // MIB,
    "percent / 100": lambda value: value / 100,
    "MiB/s * 1048576": lambda value: value * MIB,
    "MiB/s * 1048576 -> int": lambda value: int(value * MIB),
    # The sampler has made the rate, in KiB a second divided by 1000.
    "(d(TX+RX KiB)/dt) / 1000 -> int": int,
    "as TOTAL for link 0": int,
    "computed": lambda value: value / (200_000 * MIB - 1_000 * MIB),
}

OF_FIELD_ID: Final = {
    "1": "ecc_mode", "2": "ecc_mode_pending", "3": "ecc_corrected_volatile_errors",
    "4": "ecc_uncorrected_volatile_errors", "5": "ecc_corrected_aggregate_errors",
    "6": "ecc_uncorrected_aggregate_errors", "29": "retired_pages_corrected", "30": "retired_pages_uncorrected",
    "31": "retired_pages_pending", "74": "power_violation_ns", "75": "thermal_violation_ns",
    "76": "sync_boost_violation_ns", "77": "board_limit_violation_ns", "78": "low_utilization_violation_ns",
    "79": "reliability_violation_ns", "80": "total_app_clocks_violation_ns", "81": "total_base_clocks_violation_ns",
    "82": "memory_temperature_celsius", "83": "energy_millijoules", "94": "pcie_replays",
    "138": "nvlink_megabytes_per_second", "142": "remapped_rows_corrected", "143": "remapped_rows_uncorrected",
    "144": "remapped_rows_pending", "145": "remapped_rows_failure", "186": "power_instant_milliwatts",
    "187": "power_limit_min_milliwatts", "188": "power_limit_max_milliwatts", "189": "power_limit_default_milliwatts",
    "190": "power_limit_enforced_milliwatts", "193": "temperature_shutdown_celsius",
    "194": "temperature_slowdown_celsius", "230": "recovery_action",
}  # fmt: skip
"""NVML's number of a field that a reading has -> that field; all others are in `driver_fields` by their names."""

OF_CALL: Final = (
    (r"GetClockInfo\(NVML_CLOCK_SM", "clock_sm_megahertz"), (r"GetClockInfo\(NVML_CLOCK_MEM", "clock_memory_megahertz"),
    (r"^nvmlDeviceGetTemperatureV", "temperature_celsius"), (r"GetPowerUsage", "power_milliwatts"),
    (r"GetUtilizationRates\(\)\.gpu", "utilization_percent"),
    (r"GetUtilizationRates\(\)\.memory", "memory_utilization_percent"),
    (r"GetEncoderUtilization", "encoder_utilization_percent"),
    (r"GetDecoderUtilization", "decoder_utilization_percent"),
    (r"GetMemoryInfo_v2\(\)\.free", "memory_free_bytes"), (r"GetMemoryInfo_v2\(\)\.used", "memory_used_bytes"),
    (r"GetMemoryInfo_v2\(\)\.reserved", "memory_reserved_bytes"),
    (r"GetMemoryInfo_v2\(\)\.total", "memory_total_bytes"), (r"^used/\(total-reserved\)", "memory_used_bytes"),
    (r"GetGridLicensableFeatures", "vgpu_license_status"), (r"GetPowerManagementLimit$", "power_limit_milliwatts"),
    (r"GetCurrentClocksEventReasons \(", "throttle_reasons"), (r"GetPerformanceState", "performance_state"),
    (r"GetFanSpeed", "fan_speed_percent"), (r"GetCurrPcieLinkGeneration", "pcie_generation"),
    (r"GetCurrPcieLinkWidth", "pcie_width_lanes"), (r"GetMaxPcieLinkGeneration", "pcie_max_generation"),
    (r"GetMaxPcieLinkWidth", "pcie_max_width_lanes"), (r"GetMarginTemperature", "temperature_margin_celsius"),
    (r"GetPcieThroughput\(TX", "pcie_tx_kilobytes_per_second"),
    (r"GetPcieThroughput\(RX", "pcie_rx_kilobytes_per_second"), (r"FabricInfoV\.state", "fabric_state"),
    (r"FabricInfoV\.status", "fabric_status"), (r"GetConfComputeState", "cc_mode"), (r"GetMigMode", "mig_mode"),
    (r"GetPersistenceMode", "persistence_mode"), (r"GetComputeMode", "compute_mode"),
)  # fmt: skip
"""NVML's call, where a field has no number -> field of a reading."""

OF_LABEL: Final = {
    "DCGM_FI_DRIVER_VERSION": "driver_version", "DCGM_FI_NVML_VERSION": "library_version",
    "DCGM_FI_DEV_BRAND": "brand", "DCGM_FI_DEV_SERIAL": "serial",
    "DCGM_FI_DEV_OEM_INFOROM_VER": "inforom_oem_version", "DCGM_FI_DEV_ECC_INFOROM_VER": "inforom_ecc_version",
    "DCGM_FI_DEV_POWER_INFOROM_VER": "inforom_power_version",
    "DCGM_FI_DEV_INFOROM_IMAGE_VER": "inforom_image_version", "DCGM_FI_DEV_VBIOS_VERSION": "vbios_version",
}  # fmt: skip
BAR1: Final = {"DCGM_FI_DEV_BAR1_USED": "bar1_used_bytes", "DCGM_FI_DEV_BAR1_TOTAL": "bar1_total_bytes"}
OF_LINK: Final = (
    (r"NVLINK_BANDWIDTH_L(\d+)$", "throughput_megabytes_per_second"),
    (r"NVLINK_CRC_FLIT_ERROR_COUNT_L(\d+)$", "crc_flit_errors"),
    (r"NVLINK_CRC_DATA_ERROR_COUNT_L(\d+)$", "crc_data_errors"),
    (r"NVLINK_REPLAY_ERROR_COUNT_L(\d+)$", "replay_errors"),
    (r"NVLINK_RECOVERY_ERROR_COUNT_L(\d+)$", "recovery_errors"),
)
NOT_AS_MAPPED: Final = {"DCGM_FI_PROF_NVLINK_TX_BYTES_PER_LINK", "DCGM_FI_PROF_NVLINK_RX_BYTES_PER_LINK"}
"""Fields of DCGM's link entities, for which the map has the metric of another field."""

OTHERS: Final = {"DCGM_FI_DEV_XID_ERRORS", *(name for name in FIELDS if "_EXP_" in name)}
GPU: Final = GpuIdentity(vendor="nvidia", uuid="GPU-0", index=0)


class Mapped(NamedTuple):
    """A row of the map, and the number that the test puts in."""

    row: dict[str, str]
    value: Any

    @property
    def name(self) -> str:
        return self.row["dcgm_field"]


@pytest.fixture(scope="module")
def mapped(shared: Path) -> list[Mapped]:
    with (shared / "facts/dcgm_map.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [Mapped(row, 123_456_789_012 + 4_567_890_123 * number) for number, row in enumerate(rows)]


def obtainable(mapped: list[Mapped]) -> Iterator[Mapped]:
    for entry in mapped:
        if entry.row["obtainable_via_nvml"] != "no" and entry.name not in NOT_AS_MAPPED | OTHERS:
            yield entry


def records_with(entry: Mapped) -> list[Any]:
    """A GPU of which nothing is read but what the row says, by the map's own columns."""
    if entry.name in OF_LABEL:
        identity = msgspec.structs.replace(GPU, **{OF_LABEL[entry.name]: f"v{entry.value}"})
        return [gpu(GpuReading(utilization_percent=1), identity)]
    for pattern, field in OF_LINK:
        found = re.search(pattern, entry.name)
        if found:
            link = LinkReading(link=int(found[1]), **{field: entry.value})
            return [gpu(GpuReading()), GpuLink(identity=GPU, reading=link)]
    return [gpu(reading_with(entry))]


def reading_with(entry: Mapped) -> GpuReading:
    row, value = entry.row, entry.value
    if row["nvml_gpm_metric_id"]:
        return GpuReading(profiling={row["nvml_gpm_metric_id"].split()[1].lower(): value + 0.75})
    field = BAR1.get(entry.name)
    number, _, name = row["nvml_field_value_id"].partition(" ")
    if row["nvml_call"].startswith("nvmlDeviceGetTemperatureThreshold"):
        field = "temperature_slowdown_celsius" if "SLOWDOWN" in row["nvml_call"] else "temperature_shutdown_celsius"
    field = field or OF_FIELD_ID.get(number)
    if field is None and number:
        return GpuReading(driver_fields={re.sub("NVML_FI_(DEV_)?", "", name).lower(): value})
    if field is None:
        (field,) = [found for pattern, found in OF_CALL if re.search(pattern, row["nvml_call"])]
    if row["conversion"] == "computed":
        return GpuReading(memory_used_bytes=value, memory_total_bytes=200_000 * MIB, memory_reserved_bytes=1_000 * MIB)
    return GpuReading(**{field: value})


def gpu(reading: GpuReading, identity: GpuIdentity = GPU) -> Gpu:
    return Gpu(identity=identity, state="ok", reason="", up=1, reading=reading)


def shown_as(name: str, kind: str, records: list[Any]) -> str:
    selection = select(f"{name},{kind},Help.\nDCGM_FI_DEV_GPU_UTIL,gauge,U".encode(), "fields.csv")
    assert selection.not_obtainable == ()
    return shown(lambda loop: GpuDcgmCollector(loop, selection, "node1"), *records)


def expected(entry: Mapped) -> float:
    value = entry.value + 0.75 if entry.row["nvml_gpm_metric_id"] else entry.value
    if entry.row["conversion"].startswith("DCGM remaps"):
        return float(value)
    return CONVERSIONS[entry.row["conversion"]](value)


def test_every_field_that_nvml_gives(mapped: list[Mapped]) -> None:
    """Each row of the map is shown under its name and under the one since DCGM 4.6, in DCGM's unit, with its type."""
    entries = list(obtainable(mapped))
    assert len(entries) > 280
    for entry in entries:
        kind = entry.row["prom_type_in_dcgm_exporter"].split(";")[-1]
        for name in filter(None, (entry.name, entry.row["dcgm46_canonical_name"])):
            text = shown_as(name, kind, records_with(entry))
            if kind == "label":
                assert f'{name}="v{entry.value}"' in text, name
                continue
            found = re.search(rf"^# TYPE {name} {kind}\n{name}\{{[^}}]*\}} (\S+)$", text, re.MULTILINE)
            assert found, (name, text)
            assert float(found[1]) == pytest.approx(expected(entry), rel=1e-12, abs=1e-12), name


def test_types_and_helps_of_the_fields(mapped: list[Mapped]) -> None:
    """Without a file a field has the type and the help text that dcgm-exporter's own files give it."""
    for entry in obtainable(mapped):
        kind = entry.row["prom_type_in_dcgm_exporter"].split(";")[-1]
        if kind != "label":
            _, row = FIELDS[entry.name]
            assert (row.type, bool(row.help)) == (kind, True), entry.name
            words = re.findall(r"[a-z]+", entry.row["help_short"].lower())
            assert words[:3] == re.findall(r"[a-z]+", row.help.lower())[: len(words[:3])], entry.name


def test_compute_modes() -> None:
    """DCGM numbers compute modes in its own way: prohibited is 1, one process alone is 2."""
    for nvml, dcgm in ((0, 0), (2, 1), (3, 2)):
        text = shown_as("DCGM_FI_DEV_COMPUTE_MODE", "gauge", [gpu(GpuReading(compute_mode=nvml))])
        assert text.endswith(f"}} {dcgm}\n")


def test_what_is_on_by_default(mapped: list[Mapped]) -> None:
    """The default is what is on in dcgm-exporter's lists, with ECC errors and PCIe throughput."""
    names = {entry.name for entry in mapped if "on" in re.findall(r"(?:default|dcp):(\w+)", entry.row["set"])}
    more = {"DCGM_FI_DEV_PCIE_TX_THROUGHPUT", "DCGM_FI_DEV_PCIE_RX_THROUGHPUT"} | {
        f"DCGM_FI_DEV_ECC_{bits}_{life}_TOTAL" for bits in ("SBE", "DBE") for life in ("VOL", "AGG")
    }
    selection = default_selection()
    assert {row.name for row in selection.rows[DcgmEntity]} == set(DEFAULT)
    assert set(DEFAULT) | {name for name, _ in selection.labels} == names | more


def test_fields_made_by_the_exporter(mapped: list[Mapped]) -> None:
    """What dcgm-exporter computes itself can be chosen, with the totals that its newest release has."""
    own = {entry.name for entry in mapped if entry.row["obtainable_via_nvml"] == "computed by dcgm-exporter"}
    newest = {"DCGM_EXP_XID_ERRORS_TOTAL", "DCGM_EXP_CLOCK_EVENTS_TOTAL"}
    assert own | newest == {name for name in FIELDS if "_EXP_" in name}
    throttle = GpuThrottle(identity=GPU, reason="hw_slowdown", active=1, window_count=3, begun_count=4)
    xid = XidCount(
        identity=GPU, xid=79, xid_class="", severity="", count=9, last_seen_seconds=1, last=1, window_count=2
    )
    records = [gpu(GpuReading()), throttle, xid]
    for name, value in (
        ("DCGM_EXP_XID_ERRORS_COUNT", 2), ("DCGM_EXP_CLOCK_EVENTS_COUNT", 3), ("DCGM_FI_DEV_XID_ERRORS", 79),
        ("DCGM_FI_DEV_XID_ERROR", 79), ("DCGM_EXP_XID_ERRORS_TOTAL", 9), ("DCGM_EXP_CLOCK_EVENTS_TOTAL", 4),
    ):  # fmt: skip
        assert shown_as(name, "gauge", records).endswith(f"}} {value}\n")


@pytest.mark.parametrize(
    ("raw", "rate"), [(0, 0.0), (0x101, 0.1), (1000, 3e-232), (1025, 0.4), (2048, 8.0), (0xF0C, 15e-12)]
)
def test_bit_error_rates(raw: int, rate: float) -> None:
    """DCGM's rates are what NVML's number encodes: what the higher bits say, divided by ten as often as the lower."""
    for field, names in (
        ("nvlink_count_symbol_ber", ("COUNT_SYMBOL_BER_FLOAT", "SYMBOL_BER_RATIO")),
        ("nvlink_count_effective_ber", ("COUNT_EFFECTIVE_BER_FLOAT", "EFFECTIVE_BER_RATIO")),
    ):
        for name in names:
            text = shown_as(f"DCGM_FI_DEV_NVLINK_{name}", "gauge", [gpu(GpuReading(driver_fields={field: raw}))])
            assert float(text.rpartition(" ")[2]) == rate


def test_what_cannot_be_given_is_documented(mapped: list[Mapped]) -> None:
    """docs/dcgm.md has every field that is not given with its reason, and nothing else; the map knows no other."""
    table = re.findall(r"^\| `(DCGM_[A-Z0-9_]+)`(?: and on)? \| (.+) \|$", DOCUMENT.read_text(), re.MULTILINE)
    assert table == list(NOT_OF_NVML)
    text = DOCUMENT.read_text()
    for entry in mapped:
        if entry.row["obtainable_via_nvml"] == "no":
            words = re.findall(r"NVSWITCH|CPU|IMEX|CONNECTX|DIAG|SYNC_BOOST|PROF_|HEALTH_STATUS", entry.name)
            # What DCGM works out of what NVML gives, so is here.
            assert words or "BER_RATIO" in entry.name, entry.name
            assert all(word in text for word in words), entry.name


def test_names() -> None:
    """No field has two rows, and every other name is of a field that there is."""
    rows = [row.name for rows in PROFILE.values() for row in rows]
    assert len(rows) == len(set(rows)) == len(FIELDS)
    for name in (*SINCE_4_6, *OF_1):
        kind = "label" if re.search("VER|SERIAL|BRAND|NAME|UUID|BUS_ID", name) else "gauge"
        assert select(f"{name},{kind},H".encode(), "f").not_obtainable == (), name
