"""What is read of real output equals what that output says by other ways. Nothing here uses our own tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from nodescope.devices.nvidia.smi.fields import DRIVER_FIELDS, READING
from nodescope.devices.nvidia.smi.records import NO_LISTING, Told, told
from nodescope.devices.nvidia.smi.text import parse_listing, parse_text
from nodescope.devices.nvidia.smi.xml import parse_xml
from nodescope.records.gpu import GpuReading, InstanceReading
from tests.devices.nvidia.smi import captures as smi_captures
from tests.devices.nvidia.smi.captures import MIB, Capture, expected, said

NOW = 1000.0
REASONS = ("Idle", "Applications Clocks Setting", "SW Power Cap", "HW Slowdown", "Sync Boost", "SW Thermal Slowdown",
           "HW Thermal Slowdown", "HW Power Brake Slowdown", "Display Clock Setting")  # fmt: skip


def of(capture: Capture) -> tuple[Told, ...]:
    return told(parse_text(capture.query, capture.name), parse_listing(capture.listing), NOW)


def differences(reading: Any, wanted: Mapping[str, float | None]) -> list[str]:
    """Fields that are not as wanted; power to the milliwatt, for 139.62 W has no exact number."""
    found = {name: getattr(reading, name) for name in wanted}
    return [
        f"{name}: {found[name]} instead of {want}"
        for name, want in wanted.items()
        if (found[name] is None) != (want is None) or (want is not None and found[name] != pytest.approx(want, abs=0.5))
    ]


def test_text_equals_the_csv_of_the_same_capture(shared: Path) -> None:
    """What does not move is, in each state of each capture, what --query-gpu said."""
    wrong = []
    for capture in smi_captures.captures(shared):
        query = capture.query.decode()
        gpus = of(capture)
        assert len(gpus) == len(capture.columns), capture.name
        for index, (gpu, columns) in enumerate(zip(gpus, capture.columns, strict=True)):
            assert gpu.identity.index == index == int(columns["index"])
            assert gpu.identity.pci_address == columns["pci.bus_id"][4:].lower()
            wrong += [
                f"{capture.name} {field}: {getattr(gpu.identity, field)}"
                for column, field in smi_captures.IDENTITY
                if (getattr(gpu.identity, field) or "[N/A]") != columns[column]
            ]
            rows = smi_captures.STATIC
            if not re.search(r"Remapped Rows +: N/A", query):
                rows += smi_captures.REMAPPED
            table = {
                field: 0
                if (column, columns[column]) == ("gpu_recovery_action", "None")
                else expected(columns[column], factor)
                for column, field, factor in rows
            }
            wrong += [f"{capture.name} {one}" for one in differences(gpu.report.reading, table)]
            assert gpu.report.state == "ok"
            assert gpu.report.left_out == 0
            assert gpu.report.sampled_monotonic_seconds == NOW
    assert wrong == []


def test_text_equals_what_stands_in_it(shared: Path) -> None:
    """What moves is what a regular expression finds in the same text, in all captures of one GPU."""
    wrong = []
    for capture in smi_captures.captures(shared):
        (gpu,) = of(capture)
        query = capture.query.decode()
        table = {field: expected(said(query, *at), factor) for field, *at, factor in smi_captures.MOVING}
        for field, name in (("fan_speed_percent", "Fan Speed"), ("performance_state", "Performance State")):
            value = re.search(rf"^    {name} +: (.*)$", query, re.M)
            table[field] = expected(value[1] if value else None, 1)
        generation = re.search(r"PCIe Generation\n(?: {12,}.*\n)*? +Current +: (\d)", query)
        table["pcie_generation"] = float(generation[1]) if generation else None
        average = table["power_average_milliwatts"]
        table["power_milliwatts"] = table["power_instant_milliwatts"] if average is None else average
        active = [said(query, "Clocks Event Reasons", reason) for reason in REASONS]
        table["throttle_reasons"] = sum((one == "Active") << bit for bit, one in enumerate(active))
        wrong += [f"{capture.name} {one}" for one in differences(gpu.report.reading, table)]
        fields = {field: expected(said(query, *at), factor) for field, *at, factor in smi_captures.DRIVER_FIELDS}
        assert gpu.report.reading.driver_fields == {name: value for name, value in fields.items() if value is not None}
    assert wrong == []


def test_every_field_is_compared() -> None:
    """The two tests above compare each field that our table reads, but the licence of a vGPU guest."""
    compared = {field for _, field, _ in (*smi_captures.STATIC, *smi_captures.REMAPPED)}
    compared |= {row[0] for row in smi_captures.MOVING}
    compared |= {"fan_speed_percent", "performance_state", "pcie_generation", "power_milliwatts"}
    assert {field.name for field in READING} - compared == {"vgpu_license_status"}
    assert {field.name for field in DRIVER_FIELDS} == {row[0] for row in smi_captures.DRIVER_FIELDS}


def test_mig_devices(shared: Path) -> None:
    """MIG devices, their memory, profiles and UUIDs are those of -q and -L, and processes run in the right ones."""
    seen = 0
    for capture in smi_captures.captures(shared):
        query = capture.query.decode()
        (gpu,) = of(capture)
        blocks = re.findall(r"^    MIG Device\n((?:        .*\n)+)", query, re.M)
        listed = re.findall(r"MIG (\S+) +Device +(\d+): \(UUID: (\S+)\)", capture.listing.decode())
        assert len(gpu.instances) == len(gpu.report.instances) == len(blocks) == len(listed)
        for instance, reading, block, (profile, index, uuid) in zip(
            gpu.instances, gpu.report.instances, blocks, listed, strict=True
        ):
            seen += 1
            numbers = [int(number) for number in re.findall(r": (\d+)", block)]
            assert (instance.index, instance.gpu_instance_id, instance.compute_instance_id) == tuple(numbers[:3])
            assert (instance.profile, instance.index, instance.uuid) == (profile, int(index), uuid)
            assert instance.multiprocessors == numbers[3]
            assert reading == InstanceReading(
                uuid=uuid,
                ecc_uncorrected_volatile_errors=numbers[9],
                memory_total_bytes=numbers[10] * MIB,
                memory_reserved_bytes=numbers[11] * MIB,
                memory_used_bytes=numbers[12] * MIB,
                memory_free_bytes=numbers[13] * MIB,
                bar1_total_bytes=numbers[14] * MIB,
                bar1_used_bytes=numbers[15] * MIB,
                bar1_free_bytes=numbers[16] * MIB,
            )
        rows = re.findall(
            r"GPU instance ID +: (\S+)\n +Compute instance ID +: (\S+)\n +Process ID +: (\d+)\n +Type +: (\S+)\n"
            r" +Name +: .*\n +Used GPU Memory +: (\d+) MiB",
            query,
        )
        places = {(str(one.gpu_instance_id), str(one.compute_instance_id)): one.uuid for one in gpu.instances}
        kinds = {"C": "compute", "G": "graphics", "C+G": "compute,graphics"}
        assert [
            (one.pid, one.type, one.instance_uuid, one.memory_used_bytes, one.name) for one in gpu.report.processes
        ] == [
            (int(pid), kinds[kind], places.get((slot, compute)), int(used) * MIB, None)
            for slot, compute, pid, kind, used in rows
        ]
    assert seen == 8


def test_xml_equals_what_stands_in_it(shared: Path) -> None:
    """Each field of each XML capture is what ElementTree finds at the same place, and absent where nothing is."""
    wrong = []
    for file in smi_captures.xml_files(shared):
        gpus = told(parse_xml(file.read_bytes(), file.name), NO_LISTING, NOW)
        elements = ElementTree.fromstring(file.read_bytes()).findall("gpu")
        assert len(gpus) == len(elements) > 0
        for gpu, element in zip(gpus, elements, strict=True):
            table: dict[str, float | None] = {}
            for field, places, factor in smi_captures.XML:
                texts = [(element.findtext(place) or "").strip() for place in places.split()]
                values = [0.0 if "recovery" in places and text == "None" else expected(text, factor) for text in texts]
                table[field] = next((value for value in values if value is not None), None)
            wrong += [f"{file.name} {one}" for one in differences(gpu.report.reading, table)]
            assert gpu.identity.uuid == element.findtext("uuid")
            assert gpu.identity.model == element.findtext("product_name")
            assert gpu.report.state == "ok"
            assert gpu.report.left_out == 0
            pids = [int(process.findtext("pid") or 0) for process in element.findall("processes/process_info")]
            assert [process.pid for process in gpu.report.processes] == pids
    assert wrong == []


def test_ecc_of_xml(shared: Path) -> None:
    """Errors by place are those of the XML, SRAM's uncorrectable ones added up too, and their sums are the totals."""
    told_of = 0
    for file in smi_captures.xml_files(shared):
        (gpu,) = told(parse_xml(file.read_bytes(), file.name), NO_LISTING, NOW)
        errors = ElementTree.fromstring(file.read_bytes()).find("gpu/ecc_errors")
        counts: dict[tuple[str, str, str], int] = {}
        for life in errors if errors is not None else ():
            for element in life.iter():
                place, _, rest = element.tag.partition("_")
                if (element.text or "").strip().isdigit() and life.tag in ("volatile", "aggregate"):
                    kind = "uncorrected" if rest.startswith("un") else "corrected"
                    part = rest.removeprefix("uncorrectable_")
                    if part != rest:
                        counts[life.tag, kind, f"{place}_{part}"] = int(element.text or 0)
                    counts[life.tag, kind, place] = counts.get((life.tag, kind, place), 0) + int(element.text or 0)
        ours = {(one.life, one.corrected, one.location): one.errors for one in gpu.report.ecc}
        assert {key: count for key, count in ours.items() if key in counts} == counts, file.name
        assert all(place.startswith("sram_") for _, _, place in ours.keys() - counts.keys())
        told_of += len(ours)
        for age in ("volatile", "aggregate"):
            for kind in ("corrected", "uncorrected"):
                parts = [counts[age, kind, place] for place in ("dram", "sram") if (age, kind, place) in counts]
                assert getattr(gpu.report.reading, f"ecc_{kind}_{age}_errors") == (sum(parts) if parts else None)
    assert told_of > 8


def test_ecc_of_text(shared: Path) -> None:
    """Each place that --query-gpu tells of has its errors where ECC is on; elsewhere -q says nothing of any."""
    places = {
        "dram": "dram", "sram": "sram", "sram.parity": "sram_parity", "sram.secded": "sram_secded",
        "sram.l2": "sram_l2", "sram.sm": "sram_sm", "sram.mcu": "sram_mcu",
        "sram.pcie": "sram_pcie", "sram.other": "sram_other",
    }  # fmt: skip
    told_of = 0
    for capture in smi_captures.captures(shared):
        (gpu,) = of(capture)
        ours = {(one.corrected, one.life, one.location): one.errors for one in gpu.report.ecc}
        if capture.columns[0]["ecc.mode.current"] != "Enabled":
            assert ours == {}
            continue
        table = {
            (kind, life, place): expected(capture.columns[0].get(f"ecc.errors.{kind}.{life}.{column}"), 1)
            for kind in ("corrected", "uncorrected")
            for life in ("volatile", "aggregate")
            for column, place in places.items()
        }
        assert ours == {key: count for key, count in table.items() if count is not None}
        told_of += len(ours)
    assert told_of == 6 * 17


def test_goldens_of_another_exporter(shared: Path) -> None:
    """Another exporter's values for the same captures, where its names are clear, are ours."""
    names = {
        "memory_total_bytes": ("memory_total_bytes", 1), "memory_reserved_bytes": ("memory_reserved_bytes", 1),
        "power_limit_watts": ("power_limit_milliwatts", 1000),
        "power_max_limit_watts": ("power_limit_max_milliwatts", 1000),
        "power_min_limit_watts": ("power_limit_min_milliwatts", 1000), "mig_mode_current": ("mig_mode", 1),
        "enforced_power_limit_watts": ("power_limit_enforced_milliwatts", 1000), "ecc_mode_current": ("ecc_mode", 1),
        "clocks_max_sm_clock_hz": ("clock_max_sm_megahertz", 1e-6), "pcie_link_gen_max": ("pcie_max_generation", 1),
        "clocks_max_memory_clock_hz": ("clock_max_memory_megahertz", 1e-6), "compute_mode": ("compute_mode", 1),
        "pcie_link_width_max": ("pcie_max_width_lanes", 1), "persistence_mode": ("persistence_mode", 1),
        "ecc_errors_corrected_volatile_total": ("ecc_corrected_volatile_errors", 1),
        "fabric_state": ("fabric_state", 1),
        "ecc_errors_uncorrected_aggregate_total": ("ecc_uncorrected_aggregate_errors", 1),
        "pstate": ("performance_state", 1),
        "gpu_recovery_action": ("recovery_action", 1), "clocks_event_reasons_active": ("throttle_reasons", 1),
    }  # fmt: skip
    ours = {capture.name: of(capture)[0].report.reading for capture in smi_captures.captures(shared)}
    for file in smi_captures.goldens(shared):
        base, _, state = file.name.removesuffix(".metrics").rpartition("__")
        reading = ours[f"{base}.txt {state}"]
        values = dict(re.findall(r'^nvidia_smi_(\w+)\{uuid="[^"]*"\} (\S+)$', file.read_text(), re.M))
        table = {field: float(values[name]) * factor for name, (field, factor) in names.items()}
        assert differences(reading, table) == [], file.name


def test_nothing_unknown_is_zero(shared: Path) -> None:
    """A field of which a capture says nothing, or N/A, is absent: an empty reading, and no places of errors."""
    (capture, *_) = smi_captures.captures(shared)
    without = re.sub(rb"(: ).*", rb"\1N/A", capture.query)
    (gpu,) = told(parse_text(without, "text"), NO_LISTING, NOW)
    assert gpu.report.reading == GpuReading()
    assert [*gpu.report.ecc, *gpu.report.instances, *gpu.report.processes] == []
