"""Which nodes belong to which GPU."""

from __future__ import annotations

from pathlib import Path

from nodescope.devices.amd.kfd import KfdNode
from nodescope.devices.amd.partitions import by_gpu_id, identities, nodes_by_gpu, partitions
from tests.devices.amd.amd_node import AmdNode

FIRST, SECOND = "0000:03:00.0", "0001:03:00.0"


def test_by_place_and_number() -> None:
    """A node goes to the GPU at its address, or of another function, or of its number; what is nobody's is left out."""
    nodes = [
        KfdNode(5, 15, (1, 0x0300), unique_id=2),
        KfdNode(3, 13, (0, 0x0301), unique_id=1),
        KfdNode(2, 12, (0, 0x0300), unique_id=1),
        KfdNode(4, 14, (0, 0x9900), unique_id=1),
        KfdNode(6, 16, (0, 0x9900)),
    ]
    found = nodes_by_gpu([FIRST, SECOND, "not an address"], nodes)
    assert {address: [node.node for node in own] for address, own in found.items()} == {FIRST: [2, 3, 4], SECOND: [5]}


def test_functions_of_their_own() -> None:
    """Two GPUs that are functions of one device, as in a guest, keep their own nodes."""
    nodes = [KfdNode(1, 1, (0, 0x0300)), KfdNode(2, 2, (0, 0x0301))]
    found = nodes_by_gpu([FIRST, "0000:03:00.1"], nodes)
    assert [[node.node for node in own] for own in found.values()] == [[1], [2]]


def test_not_partitioned(tmp_path: Path) -> None:
    """A GPU with one node, or none, has no partitions unless its mode says so."""
    host = AmdNode(tmp_path).host
    assert partitions(host, (), None) == ()
    assert partitions(host, (KfdNode(1, 1, (0, 0x0300)),), "SPX") == ()
    assert len(partitions(host, (KfdNode(1, 1, (0, 0x0300)),), "QPX")) == 1


def test_without_functions(tmp_path: Path) -> None:
    """Where the kernel gives all partitions one address they are numbered in order, their addresses too."""
    nodes = (KfdNode(1, 11, (0, 0x0300)), KfdNode(2, 12, (0, 0x0300)))
    instances = identities("u", partitions(AmdNode(tmp_path).host, nodes, "DPX"), "DPX")
    assert [instance.uuid for instance in instances] == ["u-0", "u-1"]
    assert [instance.pci_address for instance in instances] == [FIRST, "0000:03:00.1"]
    assert by_gpu_id(nodes, instances) == {11: "u-0", 12: "u-1"}
    assert by_gpu_id(nodes, ()) == {11: None, 12: None}


def test_platform_devices(tmp_path: Path) -> None:
    """A partition's DRM nodes are found by its render node, below whatever device they stand."""
    node = AmdNode(tmp_path)
    node.write("sys/devices/platform/amdgpu_xcp.3/drm/card17/dev", "226:17")
    node.write("sys/devices/platform/amdgpu_xcp.3/drm/renderD145/dev", "226:145")
    (tmp_path / "sys/class/drm/renderD145").mkdir(parents=True)
    (tmp_path / "sys/class/drm/renderD145/device").symlink_to("../../../devices/platform/amdgpu_xcp.3")
    (part,) = partitions(node.host, (KfdNode(1, 11, (0, 0x0301), render_minor=145),), "CPX")
    assert (part.number, part.card, part.render) == (1, "card17", "renderD145")
    assert part.folder == f"{tmp_path}/sys/class/drm/renderD145/device"


def with_partitions(node: AmdNode, first: int, count: int) -> None:
    """Render nodes of partitions: a folder in sysfs for each."""
    for number in range(first, first + count):
        node.write(f"sys/devices/platform/amdgpu_xcp.{number}/drm/renderD{number}/dev", f"226:{number}")
        place = node.root / f"sys/class/drm/renderD{number}"
        place.mkdir(parents=True)
        (place / "device").symlink_to(f"../../../devices/platform/amdgpu_xcp.{number}")


def test_one_alone_without_functions(tmp_path: Path) -> None:
    """A partition that a container sees alone, at its GPU's own address, has the number that its render node tells."""
    node = AmdNode(tmp_path)
    with_partitions(node, 137, 7)
    alone = (KfdNode(5, 15, (0, 0x0300), render_minor=139),)
    (part,) = partitions(node.host, alone, "CPX", "renderD136")
    assert (part.number, part.node.pci_address) == (3, "0000:03:00.3")
    own = (KfdNode(2, 12, (0, 0x0300), render_minor=136),)
    assert [part.number for part in partitions(node.host, own, "CPX", "renderD136")] == [0]
    several = (*own, *alone)
    assert [part.number for part in partitions(node.host, several, "CPX", "renderD136")] == [0, 3]


def test_render_nodes_that_tell_nothing(tmp_path: Path) -> None:
    """Where the node is not behind the GPU's own with partitions' alone between, partitions are numbered in order."""
    node = AmdNode(tmp_path)
    with_partitions(node, 137, 1)
    with_partitions(node, 139, 1)
    far = (KfdNode(5, 15, (0, 0x0300), render_minor=139), KfdNode(6, 16, (0, 0x0300)))
    for render in ("renderD136", "renderD140", "card1", None):
        assert [part.number for part in partitions(node.host, far, "DPX", render)] == [0, 1]
