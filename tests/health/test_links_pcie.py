"""Verdicts on PCIe links, NVMe controllers and the paths to NVMe subsystems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from nodescope.health.link_inputs import faces_down
from nodescope.records.nvme import NvmeController
from nodescope.records.pci import PciDevice
from tests.health.link_records import ABOVE, Judge, bridge, fabric, gpu


def test_a_narrow_link() -> None:
    """Fewer lanes than both ends can have is a warning, a quarter of them critical; a slot with fewer is none."""
    found = Judge().of("pcie", "0000:18:00.0", gpu(8), *ABOVE)
    assert (found.state, found.reason) == ("warning", "only 8 of 16 PCIe lanes are in use")
    assert "lspci -vv -s 0000:18:00.0" in found.action
    assert Judge().of("pcie", "0000:18:00.0", gpu(4), *ABOVE).state == "critical"
    slot = bridge("0000:17:00.0", None, 8, max_link_width_lanes=8)
    assert Judge().of("pcie", "0000:18:00.0", gpu(8), slot).state == "ok"
    assert Judge().of("pcie", "0000:18:00.0", gpu(None), *ABOVE).state == "ok"


def test_a_link_of_a_switch() -> None:
    """The link of a switch is told of once, at its side towards the root, with the names of what is behind it."""
    root, up, down = ABOVE
    narrow = [bridge(root.address, None, 8), bridge(up.address, root.address, 8), down]
    found = Judge().verdicts(gpu(), *narrow)
    assert {key[1]: one.state for key, one in found.items()} == {up.address: "warning", "0000:18:00.0": "ok"}
    assert "names=mlx5_0" in found["pcie", up.address].evidence
    known = {one.address: one for one in ABOVE}
    assert [faces_down(one, known) for one in ABOVE] == [True, False, True]


def test_functions_share_a_link() -> None:
    """A link that two functions have is told of once."""
    found = Judge().verdicts(gpu(8, kind="rdma"), gpu(8, kind="rdma", address="0000:18:00.1"), *ABOVE)
    assert [one.state for one in found.values()] == ["warning", "ok"]


def test_a_slow_link() -> None:
    """A network card's link that stays slower than both ends can is a warning; a GPU's may be, for it idles."""
    judge = Judge()
    assert judge.of("pcie", "0000:18:00.0", gpu(speed=16.0, kind="rdma"), *ABOVE).state == "ok"
    found = judge.after(60).of("pcie", "0000:18:00.0", gpu(speed=16.0, kind="rdma"), *ABOVE)
    assert (found.state, found.reason) == ("warning", "the PCIe link runs at 16 of 32 GT/s")
    judge = Judge()
    for _ in range(3):
        assert judge.after(60).of("pcie", "0000:18:00.0", gpu(speed=2.5), *ABOVE).state == "ok"


@pytest.mark.parametrize(
    ("severity", "rise", "state"),
    [("correctable", 480, "warning"), ("nonfatal", 1, "warning"), ("fatal", 1, "critical")],
)
def test_aer(severity: str, rise: int, state: str) -> None:
    """Errors that rise are a warning, fatal ones critical, also of a bridge."""
    judge = Judge()
    for device in (gpu(), ABOVE[0]):
        field = f"aer_{severity}_errors"
        before, after = (type(device)(**{**_fields(device), field: count}) for count in (7, 7 + rise))
        judge.verdicts(before)
        assert judge.after(15).of("pcie", device.address, after).state == state


def test_a_device_that_is_gone() -> None:
    """A GPU that is no longer on the bus is critical for an hour; that the whole tree cannot be read says nothing."""
    judge = Judge()
    judge.verdicts(gpu(), *ABOVE)
    assert judge.after(15).verdicts() == {}
    found = judge.after(15).of("pcie", "0000:18:00.0", *ABOVE)
    assert (found.state, found.reason) == ("critical", "the device (gpu mlx5_0) is no longer on the PCI bus")
    assert ("pcie", "0000:18:00.0") not in judge.after(3600).verdicts(*ABOVE)


def test_virtual_functions_are_not_judged() -> None:
    """A virtual function has no link of its own, and may go."""
    judge = Judge()
    assert judge.verdicts(gpu(8, physical_function="0000:18:00.7"), *ABOVE) == {}
    assert judge.verdicts(*ABOVE) == {}


@pytest.mark.parametrize(
    ("state", "at_once", "later"),
    [
        ("live", "ok", "ok"),
        ("connecting", "warning", "critical"),
        ("resetting", "warning", "critical"),
        ("new", "warning", "critical"),
        ("deleting", "warning", "warning"),
        ("deleting (no IO)", "warning", "warning"),
        ("dead", "critical", "critical"),
        (None, "unknown", "unknown"),
    ],
)
def test_states_of_a_controller(state: str | None, at_once: str, later: str) -> None:
    """A controller that is not live is a warning, and critical when it lasts or the kernel has given up."""
    judge = Judge()
    drive = NvmeController(name="nvme0", transport="pcie", state=state)
    assert judge.of("nvme", "nvme0", drive).state == at_once
    assert judge.after(60).of("nvme", "nvme0", drive).state == later


@pytest.mark.parametrize(
    ("states", "anas", "expected"),
    [
        (["live", "live"], ["optimized", "inaccessible"], "ok"),
        (["live", "live"], ["non-optimized", "inaccessible"], "warning"),
        (["live", "connecting"], ["optimized", "optimized"], "warning"),
        (["connecting", "live"], ["optimized", "inaccessible"], "critical"),
        (["live", "live"], ["persistent-loss", "change"], "critical"),
    ],
)
def test_paths(states: Sequence[str], anas: Sequence[str], expected: str) -> None:
    """A namespace that no live controller reaches is critical; detours and lost controllers are warnings."""
    assert Judge().of("nvme_paths", "nqn.a", *fabric(states, anas)).state == expected


def test_a_controller_that_is_gone() -> None:
    """A controller that the kernel has removed is missed for an hour; a drive on PCI alone has no paths."""
    judge = Judge()
    judge.verdicts(*fabric(["live", "live"], ["optimized", "optimized"]))
    found = judge.after(15).of("nvme_paths", "nqn.a", *fabric(["live"], ["optimized"]))
    assert found.reason == "only 1 of 2 controllers of the subsystem are live"
    judge.after(3600).verdicts(*fabric(["live"], ["optimized"]))
    assert judge.after(60).of("nvme_paths", "nqn.a", *fabric(["live"], ["optimized"])).state == "ok"
    assert list(Judge().verdicts(*fabric(["live"], ["optimized"], "pcie"))) == [("nvme", "nvme0")]


def _fields(device: PciDevice) -> dict[str, Any]:
    return {name: getattr(device, name) for name in device.__struct_fields__}
