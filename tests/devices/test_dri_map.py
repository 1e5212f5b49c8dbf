"""The mapping of DRM nodes to devices, on trees."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.dri_map import dri_devices, parse_properties
from nodescope.host import Host
from nodescope.records.dri import DriDevice
from nodescope.simulate.amd_tree import write_mi300x


class Tree:
    """A machine with DRM nodes, below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "sys").mkdir()
        (folder / "proc").mkdir()
        self.host = Host(str(folder / "proc"), str(folder / "sys"), str(folder))

    def link(self, path: str, target: str) -> None:
        at = self.folder / path
        at.parent.mkdir(parents=True, exist_ok=True)
        at.symlink_to(target)

    def write(self, path: str, text: str) -> None:
        at = self.folder / path
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(text)

    def gpu(self, address: str, *nodes: str, vendor: str = "0x1002", driver: str = "amdgpu") -> None:
        """A PCI device and its nodes, in sysfs."""
        device = f"sys/devices/pci0000:c0/0000:c0:01.1/{address}"
        self.write(f"{device}/vendor", f"{vendor}\n")
        self.link(f"{device}/driver", f"../../../../bus/pci/drivers/{driver}")
        self.link(f"sys/bus/pci/devices/{address}", f"../../../{device.removeprefix('sys/')}")
        self.nodes(device, *nodes)

    def partition(self, name: str, *nodes: str) -> None:
        device = f"sys/devices/platform/{name}"
        self.link(f"{device}/driver", "../../../bus/platform/drivers/amdgpu_xcp_drv")
        self.link(f"sys/bus/platform/devices/{name}", f"../../../devices/platform/{name}")
        self.nodes(device, *nodes)

    def nodes(self, device: str, *nodes: str) -> None:
        for node in nodes:
            self.write(f"{device}/drm/{node}/uevent", "")
            self.link(f"sys/class/drm/{node}", os.path.relpath(self.folder / device / "drm" / node,
                                                               self.folder / "sys/class/drm"))  # fmt: skip

    def by_path(self, name: str, node: str, folder: str = "dev/dri") -> None:
        self.link(f"{folder}/by-path/{name}", f"../{node}")

    def kfd(self, number: int, **properties: int) -> None:
        lines = "".join(f"{name} {value}\n" for name, value in {"cpu_cores_count": 0, **properties}.items())
        self.write(f"sys/class/kfd/kfd/topology/nodes/{number}/properties", lines)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def device(address: str | None, card: int | None, render: int | None, source: str, **more: str | None) -> DriDevice:
    return DriDevice(
        pci_address=address,
        card=None if card is None else f"/dev/dri/card{card}",
        card_id=card,
        render=None if render is None else f"/dev/dri/renderD{render}",
        render_id=render,
        source=source,
        **{"vendor_id": "1002", "driver": "amdgpu"} | more,
    )


@pytest.mark.parametrize("folder", ["dev/dri", "hostdev/dri"])
def test_both_sources(tree: Tree, folder: str) -> None:
    """A device of any domain has card and render node, by address; nodes are the host's, wherever they were read."""
    tree.gpu("0001:c1:00.0", "card12", "renderD140")
    tree.gpu("0000:c1:00.0", "card1", "renderD128", "card1-DP-1", "version")
    tree.gpu("0000:03:00.0", "card0", vendor="0x1a03", driver="ast")
    for address, card, render in (("0001:c1:00.0", 12, 140), ("0000:c1:00.0", 1, 128)):
        tree.by_path(f"pci-{address}-card", f"card{card}", folder)
        tree.by_path(f"pci-{address}-render", f"renderD{render}", folder)
    assert dri_devices(tree.host) == (
        device("0000:03:00.0", 0, None, "sysfs", vendor_id="1a03", driver="ast"),
        device("0000:c1:00.0", 1, 128, "by-path,sysfs"),
        device("0001:c1:00.0", 12, 140, "by-path,sysfs"),
    )


def test_links_of_udev_alone(tree: Tree) -> None:
    """They are enough; links that are no nodes' are passed over."""
    tree.by_path("pci-0000:c1:00.0-card", "card1")
    tree.by_path("pci-0000:c1:00.0-render", "renderD128")
    tree.by_path("pci-0000:c2:00.0-card", "../../etc/passwd")
    tree.by_path("pci-0000:c3:00.0-card", "card99999999")
    tree.by_path("pci-0000:00:14.0-usb-0:1:1.0-card", "card3")
    tree.by_path("pci-0000:c1:00.0-nothing", "card4")
    tree.write("dev/dri/by-path/pci-0000:c4:00.0-card", "no link")
    assert dri_devices(tree.host) == (device("0000:c1:00.0", 1, 128, "by-path", vendor_id=None, driver=None),)


def test_partitions(tree: Tree) -> None:
    """Those of a GPU are devices of the platform behind it; KFD tells whose they are, by their render node."""
    tree.gpu("0000:c1:00.0", "card1", "renderD128")
    for number, name in enumerate(("amdgpu_xcp_0", "amdgpu_xcp.1"), 2):
        tree.partition(name, f"card{number}", f"renderD{127 + number}")
    tree.by_path("platform-amdgpu_xcp_0-card", "card2")
    tree.kfd(0, domain=0, location_id=0, drm_render_minor=0)
    tree.kfd(1, domain=0, location_id=0xC100, drm_render_minor=128)
    tree.kfd(2, domain=0, location_id=0xC101, drm_render_minor=129)
    of_gpu = {"vendor_id": None, "driver": "amdgpu_xcp_drv"}
    assert dri_devices(tree.host) == (
        device("0000:c1:00.0", 1, 128, "sysfs"),
        device(None, 2, 129, "by-path,sysfs", platform="amdgpu_xcp_0", parent_pci_address="0000:c1:00.0", **of_gpu),
        device(None, 3, 130, "sysfs", platform="amdgpu_xcp.1", **of_gpu),
    )


def test_a_whole_machine(tmp_path: Path) -> None:
    """Eight GPUs in eight partitions each: every partition but the first is a device of the platform, with its GPU."""
    write_mi300x(tmp_path, compute_partition="CPX")
    found = dri_devices(Host(str(tmp_path / "proc"), str(tmp_path / "sys"), str(tmp_path)))
    gpus = {one.pci_address for one in found if one.driver == "amdgpu" and one.pci_address}
    partitions = [one for one in found if one.platform]
    assert (len(gpus), len(partitions)) == (8, 56)
    assert {one.parent_pci_address for one in partitions} == gpus
    assert len({one.render_id for one in found if one.render_id is not None}) == 64
    assert {one.source for one in found} == {"by-path,sysfs"}


def test_a_stale_link(tree: Tree) -> None:
    """A node is where the kernel has it, not where udev left it."""
    tree.gpu("0000:c1:00.0", "card1")
    tree.by_path("pci-0000:c9:00.0-card", "card1")
    assert dri_devices(tree.host) == (device("0000:c1:00.0", 1, None, "by-path,sysfs"),)


def test_nodes_in_folders(tree: Tree) -> None:
    """A tree whose class has folders instead of links names the owner by another link, or not at all."""
    tree.write("sys/class/drm/card5/uevent", "")
    tree.link("sys/class/drm/card5/device", "../../../0000:c1:00.0")
    tree.write("sys/class/drm/card6/uevent", "")
    assert dri_devices(tree.host) == (device("0000:c1:00.0", 5, None, "sysfs", vendor_id=None, driver=None),)


def test_no_graphics(tree: Tree) -> None:
    """A machine without DRM has no device, and no error."""
    assert dri_devices(tree.host) == ()


def test_nothing_is_opened_under_dev(tree: Tree) -> None:
    """A node that would never answer is told of all the same."""
    tree.gpu("0000:c1:00.0", "card1")
    tree.by_path("pci-0000:c1:00.0-card", "card1")
    os.mkfifo(tree.folder / "dev/dri/card1")
    assert [found.card for found in dri_devices(tree.host)] == ["/dev/dri/card1"]


@given(st.binary())
def test_any_properties(data: bytes) -> None:
    """Any bytes are numbers, or none."""
    assert all(value >= 0 for value in parse_properties(data + b"\ndomain 1\nlocation_id x\n").values())
