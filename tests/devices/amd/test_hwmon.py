"""Sensors of a GPU."""

from __future__ import annotations

from pathlib import Path

from nodescope.devices.amd.device_files import DeviceFiles
from nodescope.devices.amd.hwmon import Fields, Hwmon
from tests.devices.amd.amd_node import AmdNode, Content, hwmon

ADDRESS = "0000:03:00.0"


def learnt(root: Path, sensors: dict[str, Content], number: int = 4) -> Hwmon:
    node = AmdNode(root)
    folder = node.gpu(ADDRESS, {**hwmon(sensors, number), "hwmon/hwmon1/name": "other", "hwmon/hwmon1/temp1_input": 1})
    found = Hwmon(DeviceFiles(node.host, f"{root}/{folder}"))
    found.learn()
    return found


def filled(chip: Hwmon, **known: float) -> Fields:
    fields: Fields = dict(known)
    chip.fill(fields)
    return fields


def test_newer_boards(tmp_path: Path) -> None:
    """Power of now is told as that, and the junction stands for a GPU without an edge sensor, its limits too."""
    sensors: dict[str, Content] = {
        "power1_input": 142_999_999,
        "temp2_label": "junction",
        "temp2_input": 45_500,
        "temp2_crit": 100_000,
        "temp2_emergency": 105_000,
    }
    chip = learnt(tmp_path, sensors, 27)
    assert filled(chip) == {
        "power_milliwatts": 142_999,
        "power_instant_milliwatts": 142_999,
        "junction_temperature_celsius": 45.5,
        "temperature_celsius": 45.5,
    }
    assert chip.limits["temperature_slowdown_celsius"] == 100
    assert chip.limits["temperature_shutdown_celsius"] == 105


def test_sensors_without_labels(tmp_path: Path) -> None:
    """Temperatures without labels go by their numbers; clocks and voltages without are not known."""
    chip = learnt(tmp_path, {"temp1_input": 50_000, "temp3_input": 60_000, "freq1_input": 1, "in0_input": 1})
    assert filled(chip) == {
        "temperature_celsius": 50,
        "edge_temperature_celsius": 50,
        "memory_temperature_celsius": 60,
    }


def test_what_is_known_stays(tmp_path: Path) -> None:
    """A sensor is read only for what is not known, and one of a label that nobody knows is passed over."""
    chip = learnt(tmp_path, {"temp1_input": 50_000, "power1_average": 9_000_000, "temp2_label": "x", "temp2_input": 7})
    known = {"edge_temperature_celsius": 1, "temperature_celsius": 1, "power_milliwatts": 2}
    assert filled(chip, **known) == known


def test_an_edge_sensor_is_asked_where_the_junction_alone_is_known(tmp_path: Path) -> None:
    """The GPU's temperature is that of its edge also where gpu_metrics tells the junction's alone."""
    chip = learnt(tmp_path, {"temp1_input": 45_000, "temp2_input": 99_000})
    found = filled(chip, junction_temperature_celsius=60)
    assert found == {
        "junction_temperature_celsius": 60,
        "edge_temperature_celsius": 45,
        "temperature_celsius": 45,
    }


def test_a_fan_that_is_not_there(tmp_path: Path) -> None:
    """A speed of 0 in gpu_metrics is that of a fan that stands still, or of none where the chip has no fan."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with_fan, without = learnt(tmp_path / "a", {"fan1_input": 0}), learnt(tmp_path / "b", {"power1_average": 1})
    assert filled(with_fan, fan_revolutions_per_minute=0)["fan_revolutions_per_minute"] == 0
    assert "fan_revolutions_per_minute" not in filled(without, fan_revolutions_per_minute=0)
    assert filled(without, fan_revolutions_per_minute=900)["fan_revolutions_per_minute"] == 900


def test_no_chip(tmp_path: Path) -> None:
    """A GPU without a chip of its driver's has neither sensors nor limits."""
    node = AmdNode(tmp_path)
    folder = node.gpu(ADDRESS, {"hwmon/hwmon1/name": "other"})
    chip = Hwmon(DeviceFiles(node.host, f"{tmp_path}/{folder}"))
    chip.learn()
    assert (filled(chip), chip.limits) == ({}, {"driver_fields": {}})


def test_a_zero_is_no_limit(tmp_path: Path) -> None:
    """A threshold of 0 is one that the board does not have; a least power of 0 is one that it has."""
    limits = learnt(tmp_path, {"temp1_input": 1, "temp1_crit": 0, "power1_cap_min": 0, "power1_cap": 5_000}).limits
    assert limits == {
        "power_limit_milliwatts": 5,
        "power_limit_enforced_milliwatts": 5,
        "power_limit_min_milliwatts": 0,
        "driver_fields": {},
    }
