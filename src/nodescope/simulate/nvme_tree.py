"""NVMe controllers of a simulated machine on PCI and over fabrics: all that its kernel says of them.

Source: drivers/nvme/host/sysfs.c of Linux. With multipath, which is the default, namespaces belong to the subsystem,
and each controller has a path to it ("nvme4c5n1").
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from nodescope.simulate.part import Row, texts
from nodescope.simulate.pci_tree import GEN4, Ids, PciNode, bridges, files, link, pci_address
from nodescope.simulate.written import START_SECONDS, write_part

_CLASS: Final = "sys/class/nvme"
_SUBSYSTEMS: Final = "sys/devices/virtual/nvme-subsystem"
_SUBSYSTEM_CLASS: Final = "sys/class/nvme-subsystem"
_FABRICS: Final = "sys/devices/virtual/nvme-fabrics/ctl"
_BLOCK: Final = "sys/block"
_IDS: Final = Ids("144d", "a80a", "010802", "nvme", "144d", "aa8b")
_ROOT_BUSES: Final = (0x40, 0xC0)
_SECTOR_BYTES: Final = 512
_BLOCK_BYTES: Final = 4096
_SECTORS: Final = 7_501_476_528
_MODEL: Final = "SAMSUNG MZQL23T8HCLS-00A07"
_PORTAL: Final = 4420


class NvmeOptions(NamedTuple):
    """`local`: controllers on PCI. `fabrics`: subsystems over `transport` ("rdma", "tcp", "fc"), each with `paths`.

    `first`: number of the first controller and subsystem. `lost`: paths, from 0, that are connecting anew.
    """

    local: int = 2
    fabrics: int = 1
    paths: int = 2
    transport: str = "rdma"
    first: int = 0
    lost: tuple[int, ...] = ()


_DEFAULT: Final = NvmeOptions()


class NvmePart:
    """Files of all controllers, subsystems and namespaces. None of them ever moves."""

    def __init__(self, options: NvmeOptions = _DEFAULT) -> None:
        self.options = options
        self._fixed: dict[str, bytes] = {}
        number = options.first
        for index in range(options.local):
            self._fixed |= _local(index, number + index)
        for index in range(options.fabrics):
            first = number + options.local + index * options.paths
            self._fixed |= _fabric(options, index, range(first, first + options.paths))

    def files(self, seconds: float) -> dict[str, bytes]:
        return dict(self._fixed)

    def truths(self, seconds: float) -> Iterable[Row]:
        return ()


def write_nvme(root: Path, options: NvmeOptions = _DEFAULT, seconds: float = START_SECONDS) -> NvmePart:
    """Write controllers below `root`."""
    part = NvmePart(options)
    write_part(root, part, seconds)
    return part


def _local(index: int, number: int) -> dict[str, bytes]:
    """A controller on PCI, alone in its subsystem."""
    bus, domain_node = _ROOT_BUSES[index % 2], index % 2
    pci = PciNode(
        pci_address(bus + 1 + index // 2),
        f"pci0000:{bus:02x}",
        (pci_address(bus, 1 + index // 2, 1),),
        _IDS,
        domain_node,
        GEN4._replace(lanes=4),
        GEN4._replace(lanes=4),
    )
    name, serial = f"nvme{number}", f"S64HNE0T2{number:05d}"
    nqn = f"nqn.1994-11.com.samsung:nvme:PM9A3:2.5-inch:{serial}"
    said = {"address": pci.address, "transport": "pcie", "numa_node": domain_node, "queue_count": 17, "kato": 0}
    return {
        **bridges(pci),
        **files(pci),
        **_controller(f"{pci.folder}/nvme/{name}", pci.folder, said | _about(serial, nqn, 6), name),
        **_subsystem(number, serial, nqn, [(name, f"{pci.folder}/nvme/{name}", "optimized")]),
    }


def _fabric(options: NvmeOptions, index: int, controllers: range) -> dict[str, bytes]:
    """A subsystem over fabrics, with a controller for each path."""
    serial = f"fab{index:013d}"
    nqn = f"nqn.2014-08.org.example:storage{index}"
    found: dict[str, bytes] = {}
    paths = []
    for path, number in enumerate(controllers):
        name, folder = f"nvme{number}", f"{_FABRICS}/nvme{number}"
        is_lost = path in options.lost
        said = {
            "address": f"traddr=10.{20 + path}.0.{5 + index},trsvcid={_PORTAL},src_addr=10.{20 + path}.0.101",
            "transport": options.transport,
            "numa_node": -1,
            "queue_count": 9,
            "kato": 5,
            "hostnqn": "nqn.2014-08.org.nvmexpress:uuid:4c4c4544-0051-3510-8052-b4c04f4e3333",
            "hostid": "4c4c4544-0051-3510-8052-b4c04f4e3333",
            "reconnect_delay": 10,
            "ctrl_loss_tmo": "off" if path else 600,
            "fast_io_fail_tmo": "off",
        }
        said |= _about(serial, nqn, 16 + path) | {"state": "connecting" if is_lost else "live"}
        found |= _controller(folder, _FABRICS, said, name)
        state = "inaccessible" if is_lost else "non-optimized" if path else "optimized"
        paths.append((name, folder, state))
    return found | _subsystem(controllers.start, serial, nqn, paths)


def _about(serial: str, nqn: str, controller_id: int) -> dict[str, object]:
    return {
        "cntlid": controller_id,
        "cntrltype": "io",
        "dctype": "none",
        "firmware_rev": f"{'GDC5602Q':<8}",
        "model": f"{_MODEL:<40}",
        "serial": f"{serial:<20}",
        "sqsize": 1023,
        "state": "live",
        "subsysnqn": nqn,
    }


def _controller(folder: str, device: str, said: dict[str, object], name: str) -> dict[str, bytes]:
    return {
        **texts(folder, said),
        f"{folder}/device": link(device, folder),
        f"{_CLASS}/{name}": link(folder, _CLASS),
        f"dev/{name}": b"",
    }


def _subsystem(number: int, serial: str, nqn: str, paths: list[tuple[str, str, str]]) -> dict[str, bytes]:
    """The subsystem, its one namespace, and each controller's path to it: name, folder, state of the path.

    Subsystem and namespace are named after the first controller.
    """
    folder = f"{_SUBSYSTEMS}/nvme-subsys{number}"
    about: dict[str, object] = {
        "firmware_rev": f"{'GDC5602Q':<8}",
        "iopolicy": "numa",
        "model": f"{_MODEL:<40}",
        "serial": f"{serial:<20}",
        "subsysnqn": nqn,
        "subsystype": "nvm",
    }
    found = {**texts(folder, about), f"{_SUBSYSTEM_CLASS}/nvme-subsys{number}": link(folder, _SUBSYSTEM_CLASS)}
    is_single = len(paths) == 1
    for group, (name, controller, state) in enumerate(paths, start=1):
        found[f"{folder}/{name}"] = link(controller, folder)
        if not is_single:
            own = f"{controller}/nvme{number}c{name.removeprefix('nvme')}n1"
            found |= texts(own, {"ana_grpid": group, "ana_state": state, "nsid": 1, "size": _SECTORS})
    block = f"{paths[0][1] if is_single else folder}/nvme{number}n1"
    said = {
        "nsid": 1,
        "nuse": _SECTORS * _SECTOR_BYTES // _BLOCK_BYTES * 2 // 5,
        "size": _SECTORS,
        "wwid": f"eui.{number + 0x36344830541:016x}0025384500000001",
        "queue/logical_block_size": _BLOCK_BYTES,
        "queue/physical_block_size": _BLOCK_BYTES,
    }
    return found | texts(block, said) | {f"{_BLOCK}/nvme{number}n1": link(block, _BLOCK)}
