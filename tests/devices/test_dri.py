"""DRM nodes of PCI devices, on trees."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.devices.dri import DriNodes, dri_nodes
from nodescope.host import Host

ADDRESS = "0000:18:00.0"


@pytest.mark.parametrize(
    ("names", "nodes"),
    [
        (["card1", "renderD129"], DriNodes("card1", "renderD129")),
        (["card12", "renderD140", "controlD64"], DriNodes("card12", "renderD140")),
        (["renderD128"], DriNodes(None, "renderD128")),
        (["card0-DP-1", "cardX", "renderD"], DriNodes(None, None)),
        ([], DriNodes(None, None)),
    ],
)
def test_the_nodes_of_a_device(tmp_path: Path, names: list[str], nodes: DriNodes) -> None:
    """Card and render node are found by their names, whatever their numbers; connectors are no cards."""
    for name in names:
        (tmp_path / "bus/pci/devices" / ADDRESS / "drm" / name).mkdir(parents=True)
    assert dri_nodes(Host(sysfs=str(tmp_path)), ADDRESS) == nodes


def test_a_device_without_drm(tmp_path: Path) -> None:
    """A driver without DRM, or a device that is not there, has no nodes."""
    assert dri_nodes(Host(sysfs=str(tmp_path)), ADDRESS) == DriNodes(None, None)
