"""AMD's GPUs on the PCI bus."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.devices.amd.inventory import PciGpu, driver_version, pci_gpus, signs
from tests.devices.amd.amd_node import BROKEN, BUSES, AmdNode


@pytest.mark.parametrize(
    ("vendor", "kind", "found"),
    [
        ("0x1002", "0x030000", True),
        ("0x1002", "0x038000", True),
        ("0x1002", "0x120000", True),
        # The sound device of a card, a bridge in it, and another maker's card.
        ("0x1002", "0x040300", False),
        ("0x1002", "0x060400", False),
        ("0x10de", "0x030000", False),
    ],
)
def test_what_is_a_gpu(tmp_path: Path, vendor: str, kind: str, found: bool) -> None:
    """Maker and class say what is a GPU."""
    node = AmdNode(tmp_path)
    node.gpu("0000:03:00.0", {"vendor": vendor, "class": kind})
    assert bool(pci_gpus(node.host)) is found


def test_order_and_drivers(tmp_path: Path) -> None:
    """GPUs are in order of their addresses; a driver without a link is known by the event's file."""
    node = AmdNode(tmp_path)
    node.gpu("0001:03:00.0", {})
    node.gpu("0000:c3:00.0", {"uevent": "DRIVER=amdgpu\nPCI_CLASS=38000"}, driver="")
    node.gpu("0000:c4:00.0", {"uevent": "PCI_CLASS=38000"}, driver="")
    node.gpu("0000:c5:00.0", {}, driver="radeon")
    (tmp_path / BUSES / "devices/0000:c6:00.0").mkdir()
    (tmp_path / BUSES / "devices/0000:c6:00.0/vendor").symlink_to(BROKEN)
    assert pci_gpus(node.host) == (
        PciGpu("0000:c3:00.0", True),
        PciGpu("0000:c4:00.0", False),
        PciGpu("0001:03:00.0", True),
    )


def test_without_a_driver(tmp_path: Path) -> None:
    """One that another driver is wanted for, or that waits for its virtual machine, is no failure of amdgpu."""
    node = AmdNode(tmp_path)
    node.gpu("0000:c3:00.0", {"driver_override": "vfio-pci"}, driver="")
    node.gpu("0000:c4:00.0", {"physfn/vendor": "0x1002", "driver_override": "(null)"}, driver="")
    node.gpu("0000:c5:00.0", {"driver_override": "(null)"}, driver="")
    node.gpu("0000:c6:00.0", {"driver_override": "amdgpu"}, driver="")
    assert pci_gpus(node.host) == (PciGpu("0000:c5:00.0", False), PciGpu("0000:c6:00.0", False))


def test_signs(tmp_path: Path) -> None:
    """A GPU, a DRM node, a KFD node and KFD's own number each change the signs; nothing else does."""
    node = AmdNode(tmp_path)
    seen = [signs(node.host)]
    assert signs(node.host) == seen[0]
    for change in (
        lambda: node.gpu("0000:03:00.0", {}),
        lambda: node.write("sys/class/drm/card1/dev", "226:1"),
        lambda: node.kfd(0, 1, {"location_id": 1}),
        lambda: node.write("sys/class/kfd/kfd/topology/generation_id", 3),
    ):
        change()
        assert signs(node.host) not in seen
        seen.append(signs(node.host))


def test_driver_versions(tmp_path: Path) -> None:
    """The module's version comes first, then the kernel's; without the module there is none."""
    node = AmdNode(tmp_path)
    assert driver_version(node.host) == "6.8.0-47-generic"
    node.write("sys/module/amdgpu/version", "6.12.12")
    assert driver_version(node.host) == "6.12.12"
    (tmp_path / "sys/module/amdgpu/version").unlink()
    (tmp_path / "proc/sys/kernel/osrelease").unlink()
    assert driver_version(node.host) is None
    (tmp_path / "sys/module/amdgpu").rmdir()
    assert driver_version(node.host) is None
