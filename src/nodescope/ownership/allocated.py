"""Which devices an allocation of the kubelet means.

*Source*: the kubelet's pod-resources API, where a plugin may name its devices as it likes: NVIDIA's, AMD's and Intel's
name GPUs; Mellanox' shared RDMA plugin calls its devices "0", "1". Of dynamic resource allocation the resource is the
driver's name, and a device's is behind that of its pool, "node-a/gpu-1"; AMD's driver (k8s-gpu-dra-driver) calls GPUs
and partitions "gpu-CARD-RENDER", Intel's (intel-resource-drivers-for-kubernetes) "0000-03-00-0-0x56a0". Intel's plugin
(intel-device-plugins-for-kubernetes, cmd/gpu_plugin) gives each card as often as it is set to: "card0-0", "card0-1".
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, Protocol

from nodescope.containers.kubelet.gpu_resources import share
from nodescope.ownership.devices import RDMA, Device, Devices
from nodescope.ownership.requested import requested, vendor_of

SHARED: Final = "::"
"""Stands in the id of a device that NVIDIA's plugin gives to several."""
GOOGLE_SHARED: Final = "/vgpu"
"""In that of Google's."""
DYNAMIC_DRIVERS: Final = frozenset({"gpu.nvidia.com", "gpu.amd.com", "gpu.intel.com"})
"""Those of dynamic resource allocation that give GPUs."""
NVIDIA_DYNAMIC: Final = "gpu.nvidia.com"
AMD_DYNAMIC: Final = "gpu.amd.com"
INTEL_DYNAMIC: Final = "gpu.intel.com"
INTEL: Final = "gpu.intel.com/"

_AMD_NODES: Final = re.compile(r"gpu-[0-9]{1,4}-([0-9]{1,4})")
_INTEL_ADDRESS: Final = re.compile(r"([0-9a-f]{4})-([0-9a-f]{2})-([0-9a-f]{2})-([0-7])-0x[0-9a-f]{4}")
_INTEL_SHARE: Final = re.compile(r"(card[0-9]{1,4})-[0-9]{1,4}")


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
        if _is_share(word, told.resource):
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
    return resource in DYNAMIC_DRIVERS or share(resource) is not None


def is_dynamic(resource: str) -> bool:
    """Whether it is a driver of dynamic resource allocation: what a plugin gives has a "/" in its name."""
    return "/" not in resource


def _gpus(word: str, resource: str, devices: Devices) -> tuple[Device, ...]:
    vendor = vendor_of(resource)
    if resource in DYNAMIC_DRIVERS:
        word = word.rpartition("/")[2]
        if resource == NVIDIA_DYNAMIC:
            return devices.allocated_dynamically(word) or devices.named(word, vendor)
        if resource == AMD_DYNAMIC and (nodes := _AMD_NODES.fullmatch(word)):
            return devices.at(f"/dev/dri/renderD{nodes[1]}")
        if resource == INTEL_DYNAMIC and (address := _INTEL_ADDRESS.fullmatch(word)):
            word = "{}:{}:{}.{}".format(*address.groups())
    return devices.named(_card(word) if resource.startswith(INTEL) else word, vendor)


def _card(word: str) -> str:
    found = _INTEL_SHARE.fullmatch(word)
    return found[1] if found else word


def _is_share(word: str, resource: str) -> bool:
    return SHARED in word or GOOGLE_SHARED in word or (resource.startswith(INTEL) and _card(word) != word)


def _others(word: str, devices: Devices) -> tuple[Device, ...]:
    uuid = word.partition(SHARED)[0].strip()
    known = devices.find(uuid)
    # A resource may be named by hand: NVIDIA's plugin then still tells UUIDs.
    if known is not None and known.kind != RDMA:
        return devices.named(uuid)
    return devices.rdma_named(word)
