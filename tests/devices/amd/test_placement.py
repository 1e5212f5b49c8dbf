"""Where the GPUs are, looked at anew when a sign says so."""

from __future__ import annotations

from pathlib import Path

from nodescope.devices.amd.placement import Placements
from tests.devices.amd.amd_node import AmdNode

ADDRESS = "0000:03:00.0"


def test_nothing_changes(tmp_path: Path) -> None:
    """As long as nothing differs it is the very same; a sign, or time, makes it another where something does."""
    node = AmdNode(tmp_path)
    node.gpu(ADDRESS, {})
    node.kfd(1, 7, {"location_id": 0x0300})
    places = Placements(node.host, 3600.0)
    places.look()
    first = places.newest
    assert first is not None
    assert [gpu.address for gpu in first.gpus] == [ADDRESS]
    assert ([own.gpu_id for own in first.nodes[ADDRESS]], first.peers) == ([7], {1: ADDRESS})
    # Nothing of this is a sign, and it is not yet time.
    node.kfd(1, 8, {"location_id": 0x0300})
    places.look()
    assert places.newest is first
    node.write("sys/class/kfd/kfd/topology/generation_id", 3)
    places.look()
    assert places.newest is not None
    assert places.newest.nodes[ADDRESS][0].gpu_id == 8
    assert places.stuck(0.0) == ""


def test_no_driver(tmp_path: Path) -> None:
    """Without GPUs there are no places, which is known."""
    places = Placements(AmdNode(tmp_path).host, 0.0)
    places.look()
    assert places.newest is not None
    assert (places.newest.gpus, places.newest.nodes) == ((), {})
