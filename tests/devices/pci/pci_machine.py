"""A PCI tree of a few devices, as sysfs has it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from nodescope.host import Host

BRIDGE: Final = "060400"
GPU: Final = "030200"
DISPLAY: Final = "038000"
ACCELERATOR: Final = "120000"
SCREEN: Final = "030000"
NIC: Final = "020000"
INFINIBAND: Final = "020700"
NVME: Final = "010802"
RAID: Final = "010400"


class PciMachine:
    """Writes devices below `folder`; `host` reads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = Host(*(str(folder / name) for name in ("proc", "sys", "root", "udev")))
        (folder / "sys/bus/pci/devices").mkdir(parents=True)

    def add(self, path: str, class_code: str, vendor: str = "10de", **values: object) -> str:
        """A device at `path` below /sys/devices, "pci0000:00/0000:00:01.0"; its address. Keywords: attributes, `None`
        for one that it does not have."""
        address = path.rpartition("/")[2]
        said: dict[str, object] = {
            "class": f"0x{class_code}",
            "vendor": f"0x{vendor}",
            "device": "0x2330",
            "numa_node": 0,
            "local_cpulist": "0-31,64-95",
            "current_link_speed": "32.0 GT/s PCIe",
            "max_link_speed": "32.0 GT/s PCIe",
            "current_link_width": 16,
            "max_link_width": 16,
            "power/runtime_status": "active",
            **values,
        }
        for name, value in said.items():
            if value is not None:
                self.set(address, name, value, path)
        link = self.folder / "sys/bus/pci/devices" / address
        link.symlink_to(f"../../../devices/{path}")
        return address

    def set(self, address: str, name: str, value: object, path: str = "") -> None:
        file = self.folder / (f"sys/devices/{path}" if path else f"sys/bus/pci/devices/{address}") / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(value if isinstance(value, bytes) else f"{value}\n".encode())

    def named(self, address: str, kind: str, name: str, between: str = "") -> None:
        """What a driver made of a device: an entry of /sys/class/`kind`, a link as sysfs has it."""
        place = (self.folder / "sys/bus/pci/devices" / address).readlink().as_posix().removeprefix("../../../")
        inner = f"{between}/{kind}/{name}" if between else f"{kind}/{name}"
        folder = self.folder / "sys" / place / inner
        folder.mkdir(parents=True)
        entry = self.folder / f"sys/class/{kind}/{name}"
        entry.parent.mkdir(parents=True, exist_ok=True)
        entry.symlink_to(f"../../{place}/{inner}")


ROOT_A: Final = "pci0000:15/0000:15:01.0"
ROOT_B: Final = "pci0000:15/0000:15:05.0"
SWITCH: Final = f"{ROOT_A}/0000:16:00.0"


def node(folder: Path) -> PciMachine:
    """Behind one switch a GPU, a dual-port card and a GPU with a switch of its own; at another port of the same host
    bridge a network card; at another host bridge of the node, and of the other node, one each."""
    machine = PciMachine(folder)
    for path in (ROOT_A, ROOT_B, SWITCH):
        machine.add(path, BRIDGE, "8086", driver=None)
    for port in ("00", "01", "02"):
        machine.add(f"{SWITCH}/0000:17:{port}.0", BRIDGE, "1000")
    machine.add(f"{SWITCH}/0000:17:00.0/0000:18:00.0", GPU)
    for function in (0, 1):
        address = machine.add(f"{SWITCH}/0000:17:01.0/0000:19:00.{function}", INFINIBAND, "15b3")
        machine.named(address, "infiniband", f"mlx5_{function}")
        machine.named(address, "net", f"ibs{function}")
    own = f"{SWITCH}/0000:17:02.0/0000:1a:00.0"
    machine.add(own, BRIDGE, "1002")
    machine.add(f"{own}/0000:1b:00.0", BRIDGE, "1002")
    gpu = machine.add(f"{own}/0000:1b:00.0/0000:1c:00.0", ACCELERATOR, "1002")
    machine.named(gpu, "drm", "card1")
    machine.named(gpu, "drm", "renderD129")
    machine.named(machine.add(f"{ROOT_B}/0000:20:00.0", NIC, "14e4"), "net", "eth0")
    for root, numa, number in (("pci0000:37/0000:37:01.0", 0, 2), ("pci0000:97/0000:97:01.0", 1, 3)):
        machine.add(root, BRIDGE, "8086", numa_node=numa)
        address = machine.add(f"{root}/0000:{root[8:10]}:00.1", NIC, "15b3", numa_node=numa)
        machine.named(address, "infiniband", f"mlx5_{number}")
    return machine
