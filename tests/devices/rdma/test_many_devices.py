"""More RDMA devices than are read."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from nodescope.devices.rdma.sysfs import MAX_DEVICES, SysfsRdma
from nodescope.records.rdma import RdmaDevice, RdmaSource
from tests.devices.rdma.rdma_node import GUID, RdmaNode


def test_virtual_functions_do_not_take_the_room_of_others(tmp_path: Path) -> None:
    """Of more devices than are read virtual functions are left out, whatever they are called."""
    node = RdmaNode(tmp_path)
    for number in range(MAX_DEVICES):
        folder = node.sysfs / f"class/infiniband/mlx5_{number}/device"
        folder.mkdir(parents=True)
        (folder / "physfn").symlink_to("../../rocep9")
    for name in ("mlx5_99", "rocep9"):
        node.write(node.sysfs / f"class/infiniband/{name}/node_guid", GUID)
    (node.sysfs / "class/infiniband/mlx5_99/device/physfn").unlink()
    with closing(SysfsRdma(node.host, 3600.0)) as rdma:
        for records in (rdma.sample(), rdma.sample()):
            assert {"mlx5_99", "rocep9"} <= {one.name for one in records if isinstance(one, RdmaDevice)}
            (source,) = [one for one in records if isinstance(one, RdmaSource)]
            assert (source.devices, source.left_out) == (MAX_DEVICES + 1, 1)
