"""Which GPUs there are, across children: what one no longer lists may be lost rather than gone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import msgspec

from nodescope.devices.nvidia.frame import Inventory, Unopened
from nodescope.host import Host
from nodescope.kernel.pci_address import parse_address
from nodescope.records.gpu import GpuIdentity, GpuReport, InstanceIdentity

DRIVER: Final = "nvidia"
VENDOR: Final = "nvidia"
_NAME: Final = "unopened-%d"
"""In the place of the UUID of a GPU of which only the index is known, or its place among those of that kind."""


class KnownGpus:
    """The inventory as it is told to others. `generation` counts up whenever it changes, whichever child says so.

    A GPU that the driver no longer lists while its PCI device is there is lost: it keeps its place, until the device
    is gone too or was given to another driver, or another GPU has its address.
    """

    def __init__(self, host: Host) -> None:
        self.generation = 0
        self.gpus: tuple[GpuIdentity, ...] = ()
        self.instances: tuple[InstanceIdentity, ...] = ()
        self._host = host
        self._listed: dict[str, GpuIdentity] = {}
        self._lost: dict[str, GpuIdentity] = {}
        self._unopened: dict[str, tuple[GpuIdentity, GpuReport]] = {}
        self._told: tuple[int, int] = (0, 0)

    def take(self, inventory: Inventory, child: int) -> None:
        """What `child` says there is."""
        told = (child, inventory.generation)
        before = {**self._lost, **self._listed}
        listed = {gpu.uuid: _completed(gpu, before.get(gpu.uuid)) for gpu in inventory.gpus}
        addresses = {gpu.pci_address for gpu in listed.values()}
        self._lost = {
            uuid: gpu
            for uuid, gpu in before.items()
            if uuid not in listed and gpu.pci_address not in addresses and self._is_there(gpu)
        }
        self._listed = listed
        self._unopened = self._identified(inventory.unopened)
        instances = {one.uuid: one for one in inventory.instances if one.gpu_uuid in listed}
        self._set(tuple(instances.values()), again=told[0] == self._told[0] and told != self._told)
        self._told = told

    def look(self) -> None:
        """Drops the lost ones whose PCI device is gone by now."""
        there = {uuid: gpu for uuid, gpu in self._lost.items() if self._is_there(gpu)}
        if len(there) != len(self._lost):
            self._lost = there
            self._set(self.instances, again=False)

    def reports_of_lost(self) -> list[GpuReport]:
        """A report of each lost GPU, and of each that was never opened, without a reading."""
        return [report for _, report in self._unopened.values()] + [
            GpuReport(
                uuid=uuid,
                state="lost",
                reason=f"the driver no longer lists it, though PCI device {gpu.pci_address} is there: reset the GPU or"
                " restart the machine",
            )
            for uuid, gpu in self._lost.items()
        ]

    def is_listed(self, uuid: str) -> bool:
        return uuid in self._listed

    def _set(self, instances: tuple[InstanceIdentity, ...], again: bool) -> None:
        unopened = (gpu for gpu, _ in self._unopened.values())
        gpus = tuple(sorted([*self._listed.values(), *self._lost.values(), *unopened], key=_place))
        if again or (gpus, instances) != (self.gpus, self.instances):
            self.generation += 1
            self.gpus, self.instances = gpus, instances

    def _identified(self, unopened: Sequence[Unopened]) -> dict[str, tuple[GpuIdentity, GpuReport]]:
        """Who they are, as far as the kernel module tells: where it has as many more GPUs as these, they are those, in
        order. One that is known to be lost is told of as such."""
        if not unopened:
            return {}
        # What only a broken GPU needs.
        from nodescope.devices.nvidia import procfs

        listed = {gpu.pci_address for gpu in self._listed.values()}
        others = [address for address in procfs.addresses(self._host) if address not in listed]
        lost = {gpu.pci_address for gpu in self._lost.values()}
        if len(others) == len(unopened):
            pairs = [(one, address) for one, address in zip(unopened, others, strict=True) if address not in lost]
        else:
            pairs = [(one, "") for one in unopened[len(lost) :]]
        found = {}
        for place, (one, address) in enumerate(pairs):
            unknown = GpuIdentity(vendor=VENDOR, uuid=_NAME % (place if one.index is None else one.index))
            known = procfs.identity(self._host, address) if address else unknown
            report = GpuReport(uuid=known.uuid, state=one.state, reason=one.reason)
            found[known.uuid] = (msgspec.structs.replace(known, index=one.index), report)
        return found

    def _is_there(self, gpu: GpuIdentity) -> bool:
        # The address comes from the child, and becomes part of a path.
        if gpu.pci_address is None or parse_address(gpu.pci_address) is None:
            return False
        folder = self._host.sys(f"bus/pci/devices/{gpu.pci_address}")
        if not self._host.exists(folder):
            return False
        try:
            return os.path.basename(os.readlink(f"{folder}/driver")) == DRIVER
        except OSError:
            # Lost while no driver has it: nobody gave it away.
            return True


def _completed(gpu: GpuIdentity, before: GpuIdentity | None) -> GpuIdentity:
    """What was known of a GPU, where the child was told to leave it alone, or cannot learn more than its UUID."""
    if gpu.pci_address is not None or before is None:
        return gpu
    return msgspec.structs.replace(before, index=gpu.index)


def _place(gpu: GpuIdentity) -> tuple[bool, int, str, str]:
    return gpu.index is None, gpu.index or 0, gpu.pci_address or "", gpu.uuid
