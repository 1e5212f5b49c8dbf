"""Tests of the table of field values: every number means what the driver's header says."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pynvml
import pytest

from nodescope.devices.nvidia.child.field_ids import FIELDS, LINK_CRC_ERRORS, LINK_RECOVERY_ERRORS, LINK_REPLAY_ERRORS
from nodescope.devices.nvidia.child.library import driver_of
from nodescope.health.rules.memory import RULES as MEMORY_RULES
from nodescope.records.gpu import GpuReading

OF_LINKS = {LINK_REPLAY_ERRORS, LINK_RECOVERY_ERRORS, LINK_CRC_ERRORS}
NEWEST = (10000, 0)


def test_todays_numbers_are_those_of_the_header() -> None:
    """Each named field has today the number that nvidia-ml-py gives its name."""
    for field in FIELDS:
        if field.name:
            name = field.name.upper()
            number = getattr(pynvml, f"NVML_FI_DEV_{name}", None)
            assert field.number_in(NEWEST) == (getattr(pynvml, f"NVML_FI_{name}") if number is None else number)


def test_fields_are_those_of_the_record() -> None:
    """What goes into a reading has a field there, and nothing is asked for twice."""
    assert {field.reading for field in FIELDS} - {""} <= set(GpuReading.__struct_fields__)
    numbers = [field.number_in(NEWEST) for field in FIELDS]
    assert len(numbers) == len(set(numbers))


def test_each_number_is_right_in_each_driver(shared: Path) -> None:
    """In every driver of the history a field has the number that its header has, or is not asked for."""
    ranges: dict[str, list[tuple[tuple[int, ...], tuple[int, ...], int]]] = {}
    with (shared / "facts/nvml_field_id_history.csv").open() as file:
        for row in csv.DictReader(file):
            for number, first, last in re.findall(r"(\d+): \d+\.([\d.]+)\.\.\d+\.([\d.]+)", row["ranges"]):
                ranges.setdefault(row["field"], []).append((driver_of(first)[:2], driver_of(last)[:2], int(number)))
    drivers = sorted({version for spans in ranges.values() for first, last, _ in spans for version in (first, last)})
    assert len(drivers) > 10
    asked = 0
    for field in FIELDS:
        name = next(iter(name for name, spans in ranges.items() if spans[-1][2] == field.number_in(NEWEST)))
        for driver in drivers:
            expected = next((number for first, last, number in ranges[name] if first <= driver <= last), None)
            number = field.number_in(driver)
            assert number in (None, expected), f"{name} in {driver}"
            asked += number is not None
            assert (number is None) == (expected is None), f"{name} in {driver}"
    assert asked > 1000


def test_dcgms_fields_are_read(shared: Path) -> None:
    """Every field value that DCGM shows is asked for; those it makes up by itself have a name in driver_fields."""
    names = {field.number_in(NEWEST): field for field in FIELDS}
    with (shared / "facts/dcgm_map.csv").open() as file:
        for row in csv.DictReader(file):
            for number in map(int, re.findall(r"\b(\d+)\b(?! MiB)", row["nvml_field_value_id"])):
                if number in OF_LINKS:
                    continue
                assert number in names, row["dcgm_field"]
                if row["set"].startswith("auto"):
                    assert names[number].name, row["dcgm_field"]


def test_what_health_looks_at_is_read() -> None:
    """Each field of the driver's own that a rule on memory looks at is asked for."""
    names = {field.name for field in FIELDS} | set(GpuReading.__struct_fields__)
    worked_out = {"ecc_uncorrected_last_hour", "ecc_corrected_per_hour"}
    assert {rule.input for rule in MEMORY_RULES} - names <= worked_out | {"retired_pages"}


@pytest.mark.parametrize(
    ("driver", "number"), [("570.172.08", 251), ("575.57", 256), ("580.65.06", 256), ("580.70", None), ("580.82", 251)]
)
def test_a_field_that_moved(driver: str, number: int | None) -> None:
    """pwr_smoothing_enabled has the number of its driver, and none between the drivers that are known."""
    (field,) = [field for field in FIELDS if field.name == "pwr_smoothing_enabled"]
    assert field.number_in(driver_of(driver)) == number


def test_a_driver_without_version_is_asked_for_what_never_changed() -> None:
    """Where the driver's version cannot be read only fields without history are asked for."""
    asked = {field.number_in(driver_of("unknown")) for field in FIELDS} - {None}
    assert 83 in asked
    assert asked.isdisjoint({197, 230, 251, 256})
