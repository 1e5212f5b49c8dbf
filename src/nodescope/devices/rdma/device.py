"""One RDMA device, from sysfs.

Source: Documentation/ABI/stable/sysfs-class-infiniband, /sys/class/infiniband/DEVICE; its symbolic links lead to the
device that has it. Nothing under /dev is opened.
"""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from nodescope.devices.rdma.counters import HW_COUNTERS, CounterFolder
from nodescope.devices.rdma.port import SysfsPort
from nodescope.devices.rdma.values import UINT8_MAX, guid, number_and_word, words
from nodescope.host import Absent, Host
from nodescope.kernel.attribute_reader import AttributeReader
from nodescope.kernel.file_name import shown
from nodescope.kernel.number import uint64
from nodescope.kernel.pci_address import parse_address
from nodescope.records.rdma import RdmaCounter, RdmaDevice, RdmaPort

MAX_PORTS: Final = 256
MAX_NETDEVS: Final = 64


class Reading(NamedTuple):
    """What one device said. `left_out`: files that could not be used."""

    identity: RdmaDevice
    ports: tuple[RdmaPort, ...]
    counters: list[RdmaCounter]
    left_out: int


class SysfsDevice:
    """A device. For one thread at a time."""

    def __init__(self, host: Host, name: str) -> None:
        self._host = host
        self._folder = host.sys(f"class/infiniband/{name}")
        self._name = shown(name)
        self._reader = AttributeReader(host)
        self._counters = CounterFolder(host, f"{self._folder}/{HW_COUNTERS}", self._name, None)
        self._ports: dict[int, SysfsPort] = {}
        self._identity: RdmaDevice | None = None
        self._left_out = 0

    def read(self, learn: bool) -> Reading:
        """The device as it is now. `learn`: list what it has, and read what hardly ever changes, again."""
        self._reader.left_out = 0
        if learn or self._identity is None:
            self._learn()
            self._left_out = self._reader.left_out
            self._reader.left_out = 0
        counters: list[RdmaCounter] = []
        self._counters.read(counters)
        ports = tuple([port.read(self._reader, counters) for port in self._ports.values()])
        left_out = self._left_out + self._reader.left_out + self._counters.left_out
        left_out += sum(port.left_out for port in self._ports.values())
        assert self._identity is not None
        return Reading(self._identity, ports, counters, left_out)

    def _learn(self) -> None:
        self._counters.learn(self._reader)
        numbers = self._numbers()
        self._ports = {
            number: self._ports.get(number)
            or SysfsPort(self._host, self._name, f"{self._folder}/ports/{directory}", number)
            for number, directory in numbers.items()
        }
        names, of_port = self._netdevs()
        for port in self._ports.values():
            port.learn(self._reader, of_port.get(port.number))
        self._identity = self._identified(names)

    def _numbers(self) -> dict[int, str]:
        """Number of each port -> its directory."""
        numbers: dict[int, str] = {}
        listed = self._listed(f"{self._folder}/ports")
        for name in listed:
            number = uint64(os.fsencode(name))
            if number is not None and number <= UINT8_MAX and len(numbers) < MAX_PORTS:
                numbers.setdefault(number, name)
        self._reader.left_out += len(listed) - len(numbers)
        return dict(sorted(numbers.items()))

    def _listed(self, folder: str) -> list[str]:
        try:
            return self._host.list(folder)
        except (Absent, OSError) as error:
            self._reader.count(error)
            return []

    def _identified(self, netdevs: list[str]) -> RdmaDevice:
        def said(name: str) -> str | None:
            return words(self._reader.anew(f"{self._folder}/{name}"))

        node_type = number_and_word(self._reader.anew(f"{self._folder}/node_type"))[1]
        return RdmaDevice(
            name=self._name,
            node_type=node_type,
            node_description=said("node_desc"),
            firmware_version=said("fw_ver"),
            hardware_version=said("hw_rev"),
            hca_type=said("hca_type"),
            board_id=said("board_id"),
            node_guid=guid(said("node_guid")),
            sys_image_guid=guid(said("sys_image_guid")),
            driver=_last(f"{self._folder}/device/driver"),
            pci_address=_pci_address(self._folder),
            numa_node=self._numa_node(),
            netdevs=self._all_netdevs(netdevs),
        )

    def _numa_node(self) -> int | None:
        # -1 is a machine without NUMA.
        return uint64((self._reader.anew(f"{self._folder}/device/numa_node") or b"").strip())

    def _netdevs(self) -> tuple[list[str], dict[int, str]]:
        """Network interfaces of the function that the device is on, and which has the number of which port."""
        names = self._listed(f"{self._folder}/device/net")[:MAX_NETDEVS]
        of_port: dict[int, str] = {}
        for name in names:
            number = uint64((self._reader.anew(f"{self._folder}/device/net/{name}/dev_port") or b"").strip())
            if number is not None:
                of_port.setdefault(number + 1, shown(name))
        return [shown(name) for name in names], of_port

    def _all_netdevs(self, names: list[str]) -> tuple[str, ...]:
        of_ports = [port.netdev for port in self._ports.values()]
        # A device in software names the one that it is on.
        parent = words(self._reader.anew(f"{self._folder}/parent"))
        return tuple(dict.fromkeys(name for name in (*names, *of_ports, parent) if name))


def _last(link: str) -> str | None:
    """The name of what a symbolic link leads to."""
    try:
        return shown(os.path.basename(os.readlink(link))) or None
    except OSError:
        return None


def _pci_address(folder: str) -> str | None:
    """The nearest PCI function above: a device may sit on one of several parts of it, each a device of its own."""
    for path in (f"{folder}/device", folder):
        for name in reversed(os.path.realpath(path).split("/")):
            address = parse_address(name)
            if address is not None:
                segment, bus, device, function = address
                return f"{segment}:{bus}:{device}.{function}"
    return None
