"""Nodes of the KFD topology."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.amd.kfd import KfdLink, KfdTopology, parse_properties, target_name
from nodescope.host import Malformed
from tests.devices.amd.amd_node import BROKEN, KFD, AmdNode


def test_nodes(tmp_path: Path) -> None:
    """A GPU's node has its place, units, memory and instruction set; CPUs and what is denied have no node."""
    node = AmdNode(tmp_path)
    node.kfd(0, 0, {"simd_count": 0})
    said = {"simd_count": 1216, "simd_per_cu": 4, "location_id": 0x1500, "domain": 3, "drm_render_minor": 136}
    node.kfd(2, 4660, {**said, "gfx_target_version": 90_402, "unique_id": 2**63})
    node.write(f"{KFD}/topology/nodes/2/mem_banks/0/properties", "heap_type 2\nsize_in_bytes 7\nwidth 8192")
    node.write(f"{KFD}/topology/nodes/2/mem_banks/1/properties", "heap_type 0\nsize_in_bytes 9\nwidth 64")
    node.kfd(10, 5, {"location_id": 0x1501})
    node.kfd(11, 6, {})
    denied = tmp_path / f"{KFD}/topology/nodes/12"
    denied.mkdir()
    (denied / "gpu_id").symlink_to(BROKEN)
    topology = KfdTopology(node.host)
    first, second = topology.nodes()
    assert (first.node, first.gpu_id, first.pci_address) == (2, 4660, "0003:15:00.0")
    assert (first.compute_units, first.render_minor, first.target) == (304, 136, "gfx942")
    assert (first.memory_bytes, first.memory_bit_width, first.unique_id) == (7, 8192, 2**63)
    assert (second.node, second.function, second.compute_units, second.target) == (10, 1, None, None)


def test_partitions_in_the_highest_bits(tmp_path: Path) -> None:
    """A partition that the driver counts in bits 28 to 31 of the location is the function that others count."""
    node = AmdNode(tmp_path)
    for partition in range(3):
        node.kfd(partition + 1, partition + 10, {"location_id": 0x1500 | partition << 28})
    assert [one.address for one in KfdTopology(node.host).nodes()] == [(0, 0x1500), (0, 0x1501), (0, 0x1502)]


def test_links(tmp_path: Path) -> None:
    """Of a node's links only XGMI's are told, with their bandwidth where the kernel knows it."""
    node = AmdNode(tmp_path)
    node.kfd(2, 1, {"location_id": 0x1500})
    for number, text in enumerate(
        ("type 2\nnode_to 0", "type 11\nnode_to 4\nmax_bandwidth 64000", "type 11\nnode_to 3\nmax_bandwidth 0")
    ):
        node.write(f"{KFD}/topology/nodes/2/io_links/{number}/properties", text)
    topology = KfdTopology(node.host)
    (gpu,) = topology.nodes()
    assert gpu.links == ()
    assert topology.with_links(gpu).links == (KfdLink(3, None), KfdLink(4, 64000))


def test_no_kfd(tmp_path: Path) -> None:
    """A kernel without KFD has no nodes."""
    assert KfdTopology(AmdNode(tmp_path).host).nodes() == ()


def test_target_names() -> None:
    """Versions are named as compilers name them, the last digit in hex."""
    names = {90_402: "gfx942", 90_010: "gfx90a", 110_000: "gfx1100", 120_001: "gfx1201", 90_500: "gfx950", 0: None}
    assert {version: target_name(version) for version in names} == names


@given(st.binary(max_size=300) | st.text("abc_ 0123\n", max_size=100).map(str.encode))
def test_any_bytes(data: bytes) -> None:
    """Whatever a file says, it is malformed or numbers with names."""
    try:
        found = parse_properties(data, "properties")
    except Malformed:
        return
    assert found
    assert all(name and number >= 0 for name, number in found.items())


def test_no_properties() -> None:
    """A file without any property is malformed, and named."""
    with pytest.raises(Malformed, match="nodes/3"):
        parse_properties(b"simd_count many\n", "nodes/3")


@pytest.mark.parametrize(
    ("captured", "gpus"),
    [
        ("topo-mi210-xgmi-pcie", 8),
        ("topo-mi300-cpx/topology", 63),
        ("topology-parsing/topology", 2),
        ("topology-parsing-mi308/topology", 32),
    ],
)
def test_captured_topologies(tmp_path: Path, shared: Path, captured: str, gpus: int) -> None:
    """Every node with SIMDs of a real machine is there, with its unique number, place and render node."""
    source = shared / "captures/amd/rocm_k8s_device_plugin/testdata" / captured / "nodes"
    node = AmdNode(tmp_path)
    shutil.copytree(source, tmp_path / KFD / "topology/nodes")
    said = {
        int(each.parent.name): parse_properties(each.read_bytes(), str(each)) for each in source.glob("*/properties")
    }
    expected = {number: properties for number, properties in said.items() if properties["simd_count"]}
    assert len(expected) == gpus
    found = {one.node: one for one in KfdTopology(node.host).nodes()}
    assert found.keys() == expected.keys()
    for number, properties in expected.items():
        one = found[number]
        assert one.unique_id == properties.get("unique_id", 0)
        assert one.address == (properties.get("domain", 0), properties["location_id"])
        assert one.render_minor == properties["drm_render_minor"]
        assert one.compute_units == properties["simd_count"] // properties["simd_per_cu"]
        assert one.target == target_name(properties.get("gfx_target_version", 0))
