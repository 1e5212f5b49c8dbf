"""Which GPUs Primus-Lens' routes list, under which number, and what belongs to each.

amd-smi counts partitions of AMD's GPUs as GPUs. A partition is listed where amd-smi was asked, because only it has a
number for one; a GPU is always listed. Numbers are amd-smi's, else the vendor library's; where two would be the same,
as with GPUs of two vendors, all are counted through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from nodescope.api.lens_records import LensDri
from nodescope.api.lens_static import Told
from nodescope.api.node import Node
from nodescope.api.selection import oldest
from nodescope.records.amd_static import AmdStatic
from nodescope.records.dri import DriDevice
from nodescope.records.gpu_snapshot import Gpu, GpuInstance
from nodescope.records.kinds import of_kind
from nodescope.records.pci import PciDevice

DEVICES: Final = "/dev/dri/"
UNNUMBERED: Final = -1

_CARD: Final = re.compile(r"card([0-9]{1,6})")


class Item(NamedTuple):
    """A GPU (`gpu`), or a partition that amd-smi lists (`static`, and `instance` where the driver tells of it too)."""

    number: int
    vendor: str
    uuid: str
    pci_address: str | None
    gpu: Gpu | None = None
    static: AmdStatic | None = None
    instance: GpuInstance | None = None


class Inventory:
    """The newest of what is known of a node's GPUs, joined by PCI address."""

    def __init__(self, node: Node) -> None:
        found, statics, pci, dri = node.gpus(), node.amd_static(), node.pci(), node.dri()
        self.age_seconds = oldest((found.age_seconds, statics.age_seconds if statics.records else None))
        self._instances = of_kind(found.records, GpuInstance)
        gpus = of_kind(found.records, Gpu)
        self._pci = {device.address: device for device in of_kind(pci.records, PciDevice)}
        self._drivers = {device.pci_address: device.driver for device in of_kind(dri.records, DriDevice)}
        self.dri = [_of_device(device, self._instances) for device in of_kind(dri.records, DriDevice)]
        known = {entry.card or entry.render for entry in self.dri}
        self.dri += [entry for entry in map(_of_gpu, gpus) if entry and (entry.card or entry.render) not in known]
        self.items = _numbered([*_items(gpus, of_kind(statics.records, AmdStatic), self._instances)])

    def told(self, gpu: Gpu) -> Told:
        """What else is known of a GPU."""
        address = gpu.identity.pci_address
        pci = self._pci.get(address or "")
        driver = self._drivers.get(address) if address else None
        return Told(gpu, pci, driver or (pci.driver if pci else None))

    def dri_of(self, item: Item) -> LensDri | None:
        """The DRM nodes of one item, None where it has none."""
        if item.pci_address is None:
            return None
        return next((entry for entry in self.dri if entry.pci_addr == item.pci_address), None)


def _items(gpus: Sequence[Gpu], statics: Sequence[AmdStatic], instances: Sequence[GpuInstance]) -> Iterator[Item]:
    left = {id(static): static for static in statics}
    for gpu in gpus:
        identity = gpu.identity
        static = _static_of(gpu, left.values()) if identity.vendor == "amd" else None
        number = identity.index
        if static is not None:
            number = left.pop(id(static)).gpu
        yield Item(
            UNNUMBERED if number is None else number, identity.vendor, identity.uuid, identity.pci_address, gpu, static
        )
    for static in left.values():
        yield _partition(static, instances)


def _numbered(items: list[Item]) -> list[Item]:
    numbers = {item.number for item in items}
    if UNNUMBERED not in numbers and len(numbers) == len(items):
        return items
    return [item._replace(number=number) for number, item in enumerate(items)]


def _static_of(gpu: Gpu, statics: Iterable[AmdStatic]) -> AmdStatic | None:
    """By PCI address; by number where the tool gives none."""
    for static in statics:
        bdf = static.bus.bdf
        if bdf is None or gpu.identity.pci_address is None:
            if static.gpu == gpu.identity.index:
                return static
        elif bdf.lower() == gpu.identity.pci_address:
            return static
    return None


def _partition(static: AmdStatic, instances: Sequence[GpuInstance]) -> Item:
    address = static.bus.bdf and static.bus.bdf.lower()
    instance = next((one for one in instances if address and one.instance.pci_address == address), None)
    uuid = instance.instance.uuid if instance else address or static.asic.asic_serial or f"amd-{static.gpu}"
    return Item(static.gpu, "amd", uuid, address, None, static, instance)


def _of_device(device: DriDevice, instances: Sequence[GpuInstance]) -> LensDri:
    """A partition has no PCI device of its own; its address is the one that the driver gives it."""
    address = device.pci_address or next(
        (
            one.instance.pci_address
            for one in instances
            if device.card and one.instance.dri_card and device.card == DEVICES + one.instance.dri_card
        ),
        None,
    )
    card_id = device.card_id if device.card_id is not None else _card_id(device.card)
    return _entry(device.card, device.render, address, card_id)


def _of_gpu(gpu: Gpu) -> LensDri | None:
    """The nodes that are known of the GPU alone."""
    identity = gpu.identity
    if identity.dri_card is None and identity.dri_render is None:
        return None
    card = identity.dri_card and DEVICES + identity.dri_card
    render = identity.dri_render and DEVICES + identity.dri_render
    return _entry(card, render, identity.pci_address, _card_id(card))


def _entry(card: str | None, render: str | None, address: str | None, card_id: int | None) -> LensDri:
    return LensDri(
        card=card,
        render=render,
        pci_addr=address,
        pci_addr_camel=address,
        card_id=card_id,
        card_id_camel=card_id,
    )


def _card_id(card: str | None) -> int | None:
    match = _CARD.fullmatch((card or "").removeprefix(DEVICES))
    return int(match[1]) if match else None
