"""PCI devices of a simulated machine, and the bridges above them.

Source: Documentation/ABI/testing/sysfs-bus-pci, sysfs-bus-pci-devices-aer_stats; Documentation/PCI/sysfs-pci.rst.
"""

from __future__ import annotations

from os.path import relpath
from typing import Final, NamedTuple

from nodescope.simulate.part import Link, texts

BUS: Final = "sys/bus/pci"
NODE_CPUS: Final = ("0-3,8-11", "4-7,12-15")
"""The CPUs of each NUMA node."""
_CPU_BITS: Final = 16
_CORRECTABLE: Final = ("RxErr", "BadTLP", "BadDLLP", "Rollover", "Timeout", "NonFatalErr", "CorrIntErr", "HeaderOF")
_UNCORRECTABLE_TEXT: Final = (
    "Undefined DLP SDES TLP FCP CmpltTO CmpltAbrt UnxCmplt RxOF MalfTLP ECRC UnsupReq ACSViol UncorrIntErr BlockedTLP"
    " AtomicOpBlocked TLPBlockedErr PoisonTLPBlocked"
)
_UNCORRECTABLE: Final = tuple(_UNCORRECTABLE_TEXT.split())


class Ids(NamedTuple):
    """What a device is. Hex without 0x; `code`: class of six digits. `driver`: "" where none is bound."""

    vendor: str
    device: str
    code: str
    driver: str
    subsystem_vendor: str
    subsystem_device: str
    revision: str = "00"


class Speed(NamedTuple):
    """Gigatransfers per second and lanes of a link."""

    gigatransfers: float
    lanes: int


class PciNode(NamedTuple):
    """A device or bridge. `above`: addresses of the bridges above it from the root port on. `root`: "pci0000:10"."""

    address: str
    root: str
    above: tuple[str, ...]
    ids: Ids
    node: int
    now: Speed
    most: Speed
    correctable: int = 0

    @property
    def folder(self) -> str:
        return "/".join(("sys/devices", self.root, *self.above, self.address))


ROOT_PORT: Final = Ids("1022", "14ab", "060400", "pcieport", "1022", "1453", "01")
SWITCH: Final = Ids("1000", "c030", "060400", "pcieport", "1000", "0144", "b0")
GEN4: Final = Speed(16.0, 16)
GEN5: Final = Speed(32.0, 16)


def pci_address(bus: int, device: int = 0, function: int = 0, domain: int = 0) -> str:
    return f"{domain:04x}:{bus:02x}:{device:02x}.{function}"


def files(device: PciNode) -> dict[str, bytes]:
    """All that the kernel says of any PCI device, and the link to it."""
    ids, folder = device.ids, device.folder
    name = f"{ids.vendor}:{ids.device}".upper()
    said: dict[str, object] = {
        "vendor": f"0x{ids.vendor}",
        "device": f"0x{ids.device}",
        "subsystem_vendor": f"0x{ids.subsystem_vendor}",
        "subsystem_device": f"0x{ids.subsystem_device}",
        "class": f"0x{ids.code}",
        "revision": f"0x{ids.revision}",
        "enable": 1,
        "power_state": "D0",
        "current_link_speed": f"{device.now.gigatransfers} GT/s PCIe",
        "current_link_width": device.now.lanes,
        "max_link_speed": f"{device.most.gigatransfers} GT/s PCIe",
        "max_link_width": device.most.lanes,
        "numa_node": device.node,
        "power/runtime_status": "active",
        "power/control": "on",
    }
    uevent = f"PCI_CLASS={int(ids.code, 16):X}\nPCI_ID={name}\nPCI_SLOT_NAME={device.address}\n"
    found = {
        f"{folder}/uevent": (f"DRIVER={ids.driver}\n{uevent}" if ids.driver else uevent).encode(),
        f"{folder}/subsystem": link(BUS, folder),
        f"{BUS}/devices/{device.address}": link(folder, f"{BUS}/devices"),
        **texts(folder, said | _cpus(device.node) | _errors(device.correctable)),
    }
    if ids.driver:
        found[f"{folder}/driver"] = link(f"{BUS}/drivers/{ids.driver}", folder)
        found[f"{BUS}/drivers/{ids.driver}/{device.address}"] = link(folder, f"{BUS}/drivers/{ids.driver}")
    return found


def bridges(device: PciNode, speed: Speed = GEN5) -> dict[str, bytes]:
    """The root port and the switch ports above a device, and the root bus."""
    found: dict[str, bytes] = {f"sys/devices/{device.root}/pci_bus/": b""}
    for depth, address in enumerate(device.above):
        ids = SWITCH if depth else ROOT_PORT
        found |= files(PciNode(address, device.root, device.above[:depth], ids, device.node, speed, speed))
    return found


def link(target: str, folder: str) -> Link:
    """A link in `folder` to `target`, both below the machine's root."""
    # Absolute: of others it asks for the working directory, which may be gone.
    return Link(relpath(f"/{target}", f"/{folder}").encode())


def _cpus(node: int) -> dict[str, object]:
    if node < 0:
        return {"local_cpulist": f"0-{_CPU_BITS - 1}", "local_cpus": f"{2**_CPU_BITS - 1:x}"}
    mask = 0
    for part in NODE_CPUS[node].split(","):
        first, _, last = part.partition("-")
        mask |= sum(1 << cpu for cpu in range(int(first), int(last) + 1))
    return {"local_cpulist": NODE_CPUS[node], "local_cpus": f"{mask:0{_CPU_BITS // 4}x}"}


def _errors(correctable: int) -> dict[str, object]:
    first, *rest = _CORRECTABLE
    counts = [f"{first} {correctable}", *(f"{name} 0" for name in rest), f"TOTAL_ERR_COR {correctable}"]
    none = [f"{name} 0" for name in _UNCORRECTABLE]
    return {
        "aer_dev_correctable": "\n".join(counts),
        "aer_dev_fatal": "\n".join([*none, "TOTAL_ERR_FATAL 0"]),
        "aer_dev_nonfatal": "\n".join([*none, "TOTAL_ERR_NONFATAL 0"]),
    }
