"""Which of a GPU's readings, and against which limits, are judged."""

from __future__ import annotations

from typing import Any

import pytest

from nodescope.health.rule import CRITICAL, OK, UNKNOWN, WARNING
from tests.health.gpus import Judge, gpu


@pytest.mark.parametrize(
    ("junction", "state", "reason"),
    [
        (106, OK, ""),
        (107, WARNING, "at 107 C the GPU is close to slowing itself down, at 110 C"),
        (111, CRITICAL, "at 111 C the GPU slows itself down, as it does from 110 C on"),
        (112, CRITICAL, "at 112 C the GPU is about to switch itself off, which it does at 115 C"),
    ],
)
def test_the_junction_is_judged_by_its_own_limits(junction: int, state: str, reason: str) -> None:
    """A GPU whose edge is cool is not well while its junction is at the limit of that sensor."""
    limits = {"junction_temperature_crit_celsius": 110, "junction_temperature_emergency_celsius": 115}
    found = Judge().of("thermal", gpu(junction_temperature_celsius=junction, driver_fields=limits))
    assert (found.state, found.reason) == (state, reason)
    assert state == OK or f"junction_temperature_celsius={junction}" in found.evidence.split(", ")


def test_a_slot_that_can_less_than_the_gpu() -> None:
    """A GPU that uses all lanes of its slot, as fast as that can, is well; one that uses fewer is told of them."""
    slot: dict[str, Any] = {"driver_fields": {"pcie_slot_width_lanes": 8, "pcie_slot_generation": 4}}
    assert Judge().of("pcie", gpu(pcie_width_lanes=8, pcie_generation=4, utilization_percent=99, **slot)).state == OK
    found = Judge().of("pcie", gpu(pcie_width_lanes=4, **slot))
    assert found.reason == "only 4 of 8 PCIe lanes are in use"
    wide: dict[str, Any] = {"driver_fields": {"pcie_slot_width_lanes": 32}}
    assert Judge().of("pcie", gpu(pcie_width_lanes=8, **wide)).reason == "only 8 of 16 PCIe lanes are in use"


def test_the_edge_is_judged_beside_the_junction() -> None:
    """The sensor that is nearer to its limit is judged; a junction without limits changes nothing."""
    limits = {"junction_temperature_crit_celsius": 110}
    hot: dict[str, Any] = {"temperature_celsius": 90, "junction_temperature_celsius": 95}
    for fields in (limits, {}):
        found = Judge().of("thermal", gpu(**hot, driver_fields=fields))
        assert found.reason == "at 90 C the GPU slows itself down, as it does from 89 C on"


def test_power_that_another_die_measures() -> None:
    """A GPU whose power is measured by its board's other die is well without it; of any other one it is unknown."""
    assert Judge().of("power", gpu(power_milliwatts=None)).state == UNKNOWN
    assert Judge().of("power", gpu(power_milliwatts=None, driver_fields={"power_of_other_die": 1})).state == OK
