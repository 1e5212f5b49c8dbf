"""Simulated Intel GPUs: their files agree with each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.simulate.intel_board import IntelOptions
from nodescope.simulate.intel_tree import IntelPart, write_intel
from nodescope.simulate.written import START_SECONDS, write_part
from tests.simulate.trees import dangling, number


def fdinfo(path: Path) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in path.read_text().splitlines())


def test_devices(tmp_path: Path) -> None:
    """i915 keeps its clocks with the card, xe with its tiles; each has a chip of sensors and a client."""
    write_intel(tmp_path)
    assert dangling(tmp_path) == []
    drm = tmp_path / "sys/class/drm"
    flex, arc, battlemage = (drm / f"card{card}" for card in (70, 71, 72))
    assert number(flex / "gt/gt0/rps_act_freq_mhz") == number(flex / "gt_act_freq_mhz")
    assert number(battlemage / "device/tile0/gt0/freq0/act_freq") <= number(
        battlemage / "device/tile0/gt0/freq0/rp0_freq"
    )
    assert not (battlemage / "gt").exists()
    for card, driver in ((flex, "i915"), (arc, "i915"), (battlemage, "xe")):
        (hwmon,) = (card / "device/hwmon").iterdir()
        assert (hwmon / "name").read_text().strip() == driver == (card / "device/driver").resolve().name
        assert number(hwmon / "energy1_input") > 0


def test_clients(tmp_path: Path) -> None:
    """A client's two descriptors say the same, of a GPU that is there; no engine was busy for longer than time."""
    write_intel(tmp_path)
    for pid in (35_000, 35_001, 35_002):
        one, other = sorted((tmp_path / f"proc/{pid}/fdinfo").iterdir())
        assert one.read_bytes() == other.read_bytes()
        said = fdinfo(one)
        assert (tmp_path / "sys/bus/pci/devices" / said["drm-pdev"]).exists()
        for name, value in said.items():
            if name.startswith("drm-engine-") and "capacity" not in name:
                assert 0 <= int(value.split()[0]) <= START_SECONDS * 10**9
            if name.startswith("drm-cycles-"):
                assert 0 <= int(value) <= int(said[f"drm-total-cycles-{name.removeprefix('drm-cycles-')}"])


def test_time_goes_on(tmp_path: Path) -> None:
    """Energy grows by a plausible power, and idle time by no more than the time that went by."""
    part = write_intel(tmp_path)
    before = {
        labels["pci_address"]: value for name, labels, value in part.gpu_truths(START_SECONDS) if "energy" in name
    }
    idle = tmp_path / "sys/class/drm/card72/device/tile0/gt0/gtidle/idle_residency_ms"
    was = number(idle)
    assert 0 < write_part(tmp_path, part, START_SECONDS + 10) < 60
    after = {
        labels["pci_address"]: value for name, labels, value in part.gpu_truths(START_SECONDS + 10) if "energy" in name
    }
    assert all(20e6 <= (after[address] - before[address]) / 10 <= 225e6 for address in before)
    assert 0 <= number(idle) - was <= 10_000


def test_throttled(tmp_path: Path) -> None:
    """A GPU that is held down says so, and why."""
    write_intel(tmp_path, IntelOptions(throttled=(0, 2)))
    flex = tmp_path / "sys/class/drm/card70/gt/gt0"
    assert (number(flex / "throttle_reason_status"), number(flex / "throttle_reason_pl1")) == (1, 1)
    throttle = tmp_path / "sys/class/drm/card72/device/tile0/gt0/freq0/throttle"
    assert (number(throttle / "status"), number(throttle / "reason_pl1"), number(throttle / "reason_thermal")) == (
        1,
        1,
        0,
    )
    assert number(tmp_path / "sys/class/drm/card71/gt/gt0/throttle_reason_status") == 0


@pytest.mark.parametrize("models", [("a380",), ("a770",) * 5])
def test_what_cannot_be(models: tuple[str, ...]) -> None:
    """A model that there is not and too many GPUs are refused, with what is expected."""
    with pytest.raises(ValueError, match=r"^Intel: expected at most 4 of flex170, a770, b580, got"):
        IntelPart(IntelOptions(models))
