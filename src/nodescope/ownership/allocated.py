"""Which devices an allocation of the kubelet means.

*Source*: the kubelet's pod-resources API, where a plugin may name its devices as it likes: NVIDIA's, AMD's and Intel's
name GPUs; Mellanox' shared RDMA plugin calls its devices "0", "1".
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from nodescope.containers.kubelet.gpu_resources import share
from nodescope.ownership.devices import RDMA, Device, Devices
from nodescope.ownership.requested import requested, vendor_of

SHARED: Final = "::"
"""Stands in the id of a device that a plugin gives to several."""


class Allocated(Protocol):
    """Devices that the kubelet says were given to a container of a pod: `pod_resources.client.PodDevices`."""

    @property
    def pod_name(self) -> str: ...

    @property
    def pod_namespace(self) -> str: ...

    @property
    def container(self) -> str: ...

    @property
    def resource(self) -> str: ...

    @property
    def device_ids(self) -> tuple[str, ...]: ...

    @property
    def cdi_devices(self) -> tuple[str, ...]: ...


class Meant(NamedTuple):
    """`unknown`: words of a GPU's resource that mean nothing here. `shared`: devices that several may be given."""

    devices: tuple[Device, ...] = ()
    unknown: tuple[str, ...] = ()
    shared: tuple[Device, ...] = ()


def meant(told: Allocated, devices: Devices) -> Meant:
    """The devices that an allocation means. Of a resource that is no GPU's only a GPU's whole UUID is believed."""
    found: dict[Device, None] = {}
    odd: list[str] = []
    shared: list[Device] = []
    of_gpus = is_gpu(told.resource)
    for word in told.device_ids:
        known = _gpus(word, told.resource, devices) if of_gpus else _others(word, devices)
        found.update(dict.fromkeys(known))
        if SHARED in word:
            shared += known
        if not known and of_gpus:
            odd.append(word)
    # A plugin that names devices both ways means the same ones.
    names = () if found else told.cdi_devices
    for word in names:
        asked = requested(devices, word)
        found.update(dict.fromkeys(asked.devices))
        if of_gpus:
            odd += asked.unknown
    return Meant(tuple(found), tuple(odd), tuple(shared))


def is_gpu(resource: str) -> bool:
    """Whether a resource is GPUs: a vendor has others too, such as NVIDIA of network cards."""
    return share(resource) is not None


def _gpus(word: str, resource: str, devices: Devices) -> tuple[Device, ...]:
    return devices.named(word, vendor_of(resource))


def _others(word: str, devices: Devices) -> tuple[Device, ...]:
    uuid = word.partition(SHARED)[0].strip()
    known = devices.find(uuid)
    # A resource may be named by hand: NVIDIA's plugin then still tells UUIDs.
    if known is not None and known.kind != RDMA:
        return devices.named(uuid)
    return devices.rdma_named(word)
