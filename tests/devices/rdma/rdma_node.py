"""A node with RDMA devices, made of files: as many or as few of them as a test needs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from nodescope.host import Host

REFUSING: Final = Path("/sys/class/net/lo/duplex")
"""A file of this machine's kernel whose reading gives EINVAL."""

GUID: Final = "a088:c203:005a:f21e"
DEVICE: Final = {
    "node_type": "1: CA",
    "node_desc": "node0 HCA-1",
    "fw_ver": "28.39.2048",
    "hw_rev": "0",
    "hca_type": "MT4129",
    "board_id": "MT_0000000838",
    "node_guid": GUID,
    "sys_image_guid": GUID,
}
PORT: Final = {
    "link_layer": "InfiniBand",
    "state": "4: ACTIVE",
    "phys_state": "5: LinkUp",
    "rate": "400 Gb/sec (4X NDR)",
    "lid": "0x11",
    "sm_lid": "0x1",
    "gids/0": f"fe80:0000:0000:0000:{GUID}",
    "gid_attrs/ndevs/0": "ibp24s0",
    "counters/port_rcv_data": "1000",
    "counters/symbol_error": "0",
    "hw_counters/lifespan": "10",
    "hw_counters/out_of_buffer": "7",
}


class RdmaNode:
    """Below `folder`: proc, sys and all else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sysfs = folder / "sys"
        for name in ("proc", "sys"):
            (folder / name).mkdir()
        self.host = Host(str(folder / "proc"), str(self.sysfs), str(folder), str(folder / "udev"))

    def device(self, name: str, address: str = "0000:18:00.0", ports: tuple[int, ...] = (1,)) -> Path:
        """A device at a PCI address, and its ports, all alike; its folder."""
        pci = self.sysfs / "devices/pci0000:15/0000:15:01.0" / address
        folder = pci / "infiniband" / name
        for file, value in DEVICE.items():
            self.write(folder / file, value)
        for port in ports:
            for file, value in PORT.items():
                self.write(folder / f"ports/{port}" / file, value)
        self.write(pci / "numa_node", "1")
        self.link(pci / "driver", "../../../../bus/pci/drivers/mlx5_core")
        self.link(folder / "device", "../..")
        self.link(self.sysfs / "class/infiniband" / name, os.path.relpath(folder, self.sysfs / "class/infiniband"))
        return folder

    def uverbs(self, number: int, device: str) -> None:
        self.write(self.sysfs / f"class/infiniband_verbs/uverbs{number}/ibdev", device)

    def netdev(self, folder: Path, name: str, dev_port: int) -> None:
        """An interface of the function that a device's folder is on."""
        self.write(folder.parents[1] / "net" / name / "dev_port", str(dev_port))

    @staticmethod
    def write(path: Path, content: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")

    @staticmethod
    def link(path: Path, target: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)


class Silent:
    """A file that never answers, until the block ends."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._path.unlink(missing_ok=True)
        os.mkfifo(self._path)

    def __exit__(self, *_: object) -> None:
        # Whoever waits for a writer gets one, and an end.
        self._path.rename(self._path.with_suffix(".fifo"))
        os.close(os.open(self._path.with_suffix(".fifo"), os.O_RDWR | os.O_NONBLOCK))
        self._path.with_suffix(".fifo").unlink()
