"""Reads one PCI device: what it is, and what its link does."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from nodescope.devices.pci.attributes import Attributes, hexadecimal, link_speed, link_width, local_cpus, numa_node
from nodescope.devices.pci.kind import kind_of
from nodescope.devices.pci.names import Names
from nodescope.devices.pci.place import Place
from nodescope.host import Host
from nodescope.records.pci import PciDevice

ASLEEP: Final = frozenset({b"suspended", b"suspending"})
MAX_SPEED: Final = "max_link_speed"
_IDS: Final = (
    ("vendor_id", "vendor", 4),
    ("device_id", "device", 4),
    ("subsystem_vendor_id", "subsystem_vendor", 4),
    ("subsystem_device_id", "subsystem_device", 4),
    ("class_code", "class", 6),
    ("revision", "revision", 2),
)
"""Field, attribute, number of digits."""

_AER: Final = (
    ("aer_correctable_errors", "aer_dev_correctable"),
    ("aer_nonfatal_errors", "aer_dev_nonfatal"),
    ("aer_fatal_errors", "aer_dev_fatal"),
)


class PciReader:
    """`identity` is for each minute, `link` for each sample."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.attributes = Attributes(host)

    def class_code(self, address: str) -> str | None:
        return hexadecimal(self.attributes.raw(f"{self._folder(address)}/class"), 6)

    def vendor_id(self, address: str) -> str | None:
        return hexadecimal(self.attributes.raw(f"{self._folder(address)}/vendor"), 4)

    def kind(self, class_code: str | None, place: Place, vendor_id: str | None, names: Names) -> str:
        has_link = self._host.exists(f"{self._folder(place.address)}/{MAX_SPEED}")
        return kind_of(class_code or "", vendor_id, names, place.at_root, has_link)

    def identity(self, place: Place, names: Names, before: PciDevice | None) -> PciDevice:
        """All but what the link does now. `before`: of which the link's limits are kept while the device sleeps."""
        folder, read = self._folder(place.address), self.attributes
        ids: dict[str, Any] = {field: hexadecimal(read.raw(f"{folder}/{name}"), digits) for field, name, digits in _IDS}
        return PciDevice(
            address=place.address,
            kind=self.kind(ids["class_code"], place, ids["vendor_id"], names),
            **ids,
            driver=read.link_name(f"{folder}/driver"),
            parent=place.parent,
            root=place.root,
            numa_node=numa_node(read.raw(f"{folder}/numa_node")),
            local_cpus=local_cpus(read.raw(f"{folder}/local_cpulist")),
            names=tuple(name for of_class in names.values() for name in of_class),
            physical_function=read.link_name(f"{folder}/physfn"),
            **self._limits(folder, before),
        )

    def link(self, device: PciDevice) -> PciDevice:
        """`device` with what its link does now, which is not asked of one that sleeps, and its errors."""
        folder, read = self._folder(device.address), self.attributes
        errors: dict[str, Any] = {field: read.aer_total(f"{folder}/{name}") for field, name in _AER}
        if self._asleep(folder):
            return msgspec.structs.replace(device, **errors)
        return msgspec.structs.replace(
            device,
            link_speed_gigatransfers_per_second=link_speed(read.raw(f"{folder}/current_link_speed")),
            link_width_lanes=link_width(read.raw(f"{folder}/current_link_width")),
            **errors,
        )

    def _limits(self, folder: str, before: PciDevice | None) -> dict[str, Any]:
        speed, width = "max_link_speed_gigatransfers_per_second", "max_link_width_lanes"
        if self._asleep(folder):
            return {speed: getattr(before, speed, None), width: getattr(before, width, None)}
        return {
            speed: link_speed(self.attributes.raw(f"{folder}/{MAX_SPEED}")),
            width: link_width(self.attributes.raw(f"{folder}/max_link_width")),
        }

    def _asleep(self, folder: str) -> bool:
        # To ask a bridge that sleeps what its link does wakes it, or is answered with all ones.
        return self.attributes.raw(f"{folder}/power/runtime_status") in ASLEEP

    def _folder(self, address: str) -> str:
        return self._host.sys(f"bus/pci/devices/{address}")
