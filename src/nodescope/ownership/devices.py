"""The devices of a node, found by what containers call them: paths, UUIDs, indices, PCI addresses, DRM nodes.

*Source*: NVIDIA Container Toolkit (device names: index, UUID, "0:1" for the second MIG device of the first GPU), CUDA's
programming guide (UUIDs may be cut short where they stay unique), the device plugins' documents (NVIDIA: "::N" behind a
UUID for a share of it; Google: "nvidia0/gi1", "nvidia0/vgpu1"; AMD: a PCI address or "amdgpu_xcp_3"), NVIDIA's driver
for dynamic resource allocation (k8s-dra-driver-gpu: "gpu-MINOR", "gpu-MINOR-mig-ID-START-SIZE" with the number of the
profile, "gpu-MINOR-mig-PROFILE-ID-START" in newer ones, also "-START-SIZE", "-START-END", "-START" behind the profile).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from nodescope.records.dri import DriDevice
from nodescope.records.gpu import GpuIdentity, InstanceIdentity
from nodescope.records.rdma import RdmaDevice

GPU: Final = "gpu"
INSTANCE: Final = "gpu_instance"
RDMA: Final = "rdma"
DRI_FOLDER: Final = "/dev/dri"
RDMA_FOLDER: Final = "/dev/infiniband"
_AMD_DIGITS: Final = 16
"""Of the unique id of a GPU, which some tell without the zeros in front."""
MIN_PREFIX: Final = 8
"""Letters of a UUID that are taken for one that was cut short: "GPU-5e41"."""

_DEVICE_NAME: Final = re.compile(r"(?:gpu|mig|nvidia)?([0-9]{1,4})(?::([0-9]{1,4}))?\Z")
_SLICE: Final = re.compile(r"nvidia([0-9]{1,4})(?=/)(?:/gi([0-9]{1,4}))?(?:/vgpu[0-9]{1,4})?\Z")
_OLD_MIG: Final = re.compile(r"mig-(gpu-[0-9a-f-]+)/([0-9]{1,4})/([0-9]{1,4})\Z")
_DYNAMIC: Final = re.compile(
    r"gpu-(?P<minor>[0-9]{1,4})"
    r"(?:-mig-(?:(?P<place>(?:[0-9]{1,3}-){2}[0-9]{1,3})|(?P<profile>[0-9a-z.+-]{1,32}?)-(?P<ends>[0-9]{1,3}(?:-[0-9]{1,3})?)))?\Z"
)
_PUNCTUATION: Final = re.compile(r"[^0-9a-z]")
_BY_PATH: Final = re.compile(r"/dev/dri/by-path/(?:[\w:.@-]{1,64}-)?(pci|platform)-([0-9a-z_:.]{1,64})-(card|render)\Z")
_CAPABILITY: Final = re.compile(r"/dev/nvidia-caps/nvidia-cap([0-9]{1,6})\Z")


class Device(NamedTuple):
    """A GPU, a partition of one or an RDMA device. `key`: UUID or name. `parent`: UUID of the GPU of a partition."""

    key: str
    kind: str
    vendor: str = ""
    parent: str | None = None


class MigPart(NamedTuple):
    """What a MIG capability opens: `gpu` is the GPU's minor; `compute` None for the whole GPU instance."""

    gpu: int
    instance: int
    compute: int | None = None


class Devices:
    """An index over the identities of one inventory; made anew when that changes.

    `mig_minors`: what each /dev/nvidia-caps/nvidia-capN stands for. By its name a GPU that is partitioned is nothing
    but its partitions.
    """

    def __init__(
        self,
        gpus: Iterable[GpuIdentity],
        instances: Iterable[InstanceIdentity] = (),
        rdma: Iterable[RdmaDevice] = (),
        dri: Iterable[DriDevice] = (),
        mig_minors: Mapping[int, MigPart] | None = None,
    ) -> None:
        self._gpus = sorted(gpus, key=lambda gpu: (gpu.index is None, gpu.index or 0, gpu.pci_address or "", gpu.uuid))
        self._vendors = {gpu.uuid: gpu.vendor for gpu in self._gpus}
        self._parts: dict[str, list[InstanceIdentity]] = {}
        for instance in instances:
            if instance.gpu_uuid in self._vendors:
                self._parts.setdefault(instance.gpu_uuid, []).append(instance)
        for parts in self._parts.values():
            parts.sort(key=lambda part: (part.index is None, part.index or 0, part.uuid))
        self._parts_of = {uuid: tuple(self._part(part) for part in parts) for uuid, parts in self._parts.items()}
        self._rdma = tuple(rdma)
        self._mig_minors = mig_minors or {}
        self._uuids = self._by_uuid()
        self._nodes = self._by_node(dri)
        self._places = {device: number for number, device in enumerate(self.all())}
        self._addresses = {gpu.pci_address.lower(): gpu for gpu in self._gpus if gpu.pci_address}

    @property
    def vendors(self) -> frozenset[str]:
        """Vendors of whose GPUs there is one at least."""
        return frozenset(self._vendors.values())

    def all(self, vendor: str | None = None) -> tuple[Device, ...]:
        """All GPUs, of a vendor or of all, in the order of their indices; partitions in the place of their GPU."""
        return tuple(device for gpu in self._gpus if vendor in (None, gpu.vendor) for device in self._whole(gpu))

    def place(self, device: Device) -> int:
        """Where a device stands in `all`; behind all for what is not there."""
        return self._places.get(device, len(self._places))

    def parts_of(self, uuid: str) -> tuple[Device, ...]:
        """The partitions of a GPU, none where it is whole."""
        return self._parts_of.get(uuid, ())

    def find(self, key: str) -> Device | None:
        """The device whose UUID or RDMA name is `key`."""
        return self._uuids.get(key.lower()) or self._rdma_named(key)

    def at(self, path: str) -> tuple[Device, ...]:
        """What a path under /dev opens: a GPU also where it has partitions, for it is the way to them."""
        capability = _CAPABILITY.match(path)
        if capability:
            return self._capable(int(capability[1]))
        name = path.rpartition("/")[2]
        if path == DRI_FOLDER:
            # NVIDIA's nodes there are of graphics alone.
            return tuple(device for device in self.all() if device.vendor != "nvidia")
        if path.startswith(RDMA_FOLDER):
            return tuple(
                Device(known.name, RDMA) for known in self._rdma if path == RDMA_FOLDER or known.uverbs == name
            )
        by_path = _BY_PATH.match(path)
        return self._linked(*by_path.groups()) if by_path else self._nodes.get(path, ())

    def named(self, word: str, vendor: str | None = None) -> tuple[Device, ...]:
        """What a device's name means, in any of its forms; nothing where it means nothing, or more than one thing."""
        word = word.partition("::")[0].strip()
        lower = word.lower()
        if not lower:
            return ()
        bare = lower.removeprefix("gpu-").removeprefix("0x")
        known = self._uuids.get(lower) or self._uuids.get(bare.zfill(_AMD_DIGITS))
        if known is not None:
            return self._divided(known)
        if lower in self._addresses:
            return self._at_address(self._addresses[lower])
        for gpu_word in (_of_platform(lower), f"/dev/dri/{lower}"):
            if gpu_word in self._nodes:
                return self._divided(self._nodes[gpu_word][0])
        return self._numbered(lower, vendor) or self._cut_short(lower)

    def allocated_dynamically(self, word: str) -> tuple[Device, ...]:
        """What NVIDIA's driver for dynamic resource allocation calls so: by the minor, of a partition its profile too.

        Also by where it lies, where the GPU's driver tells that: one that was just made may not be known yet, and
        another of its profile is not it. Else none is told of several with one profile.
        """
        name = _DYNAMIC.match(word)
        gpu = next((gpu for gpu in self._gpus if name and self._is_minor(gpu, int(name["minor"]))), None)
        if name is None or gpu is None:
            return ()
        parts = self._parts.get(gpu.uuid, [])
        if name["place"]:
            found = [part for part in parts if _numbers(name["place"]) == (part.profile_id, *_extent(part))]
        elif name["profile"]:
            profile = _bare(name["profile"])
            ends = _numbers(name["ends"])
            named = [part for part in parts if part.profile and _bare(part.profile) == profile]
            found = [part for part in named if None in _extent(part) or _lies(part, ends)]
        else:
            return self._whole(gpu)
        return (self._part(found[0]),) if len(found) == 1 else ()

    def rdma_named(self, word: str) -> tuple[Device, ...]:
        """An RDMA device by its name, its uverbs node or its PCI address."""
        return tuple(
            Device(known.name, RDMA)
            for known in self._rdma
            if word and word in (known.name, known.uverbs, known.pci_address)
        )

    def _rdma_named(self, name: str) -> Device | None:
        return next((Device(name, RDMA) for known in self._rdma if known.name == name), None)

    def _whole(self, gpu: GpuIdentity) -> tuple[Device, ...]:
        return self.parts_of(gpu.uuid) or (Device(gpu.uuid, GPU, gpu.vendor),)

    def _divided(self, device: Device) -> tuple[Device, ...]:
        return self.parts_of(device.key) or (device,)

    def _part(self, part: InstanceIdentity) -> Device:
        return Device(part.uuid, INSTANCE, self._vendors[part.gpu_uuid], part.gpu_uuid)

    def _by_uuid(self) -> dict[str, Device]:
        found = {gpu.uuid.lower(): Device(gpu.uuid, GPU, gpu.vendor) for gpu in self._gpus}
        found.update({part.uuid.lower(): self._part(part) for parts in self._parts.values() for part in parts})
        return found

    def _by_node(self, dri: Iterable[DriDevice]) -> dict[str, tuple[Device, ...]]:
        """Paths under /dev and names of platform devices. A partition's node is its own, also where it is the GPU's."""
        found: dict[str, tuple[Device, ...]] = {}
        for gpu in self._gpus:
            names = (gpu.device, gpu.dri_card and f"dri/{gpu.dri_card}", gpu.dri_render and f"dri/{gpu.dri_render}")
            whole = (Device(gpu.uuid, GPU, gpu.vendor),)
            found.update({f"/dev/{name}": whole for name in names if name})
        for part in (part for parts in self._parts.values() for part in parts):
            nodes = (part.dri_card, part.dri_render)
            found.update({f"/dev/dri/{name}": (self._part(part),) for name in nodes if name})
        for node in dri:
            if node.platform and node.render in found:
                found[_of_platform(node.platform)] = found[node.render]
        return found

    def _linked(self, bus: str, name: str, node: str) -> tuple[Device, ...]:
        """What a link of udev's leads to, which is called by where the device sits and which of its nodes it is."""
        if bus == "platform":
            return self._nodes.get(_of_platform(name), ())
        gpu = self._addresses.get(name)
        target = gpu and (gpu.dri_card if node == "card" else gpu.dri_render)
        return self._nodes.get(f"/dev/dri/{target}", ())

    def _at_address(self, gpu: GpuIdentity) -> tuple[Device, ...]:
        """AMD's plugin calls the first partition by the address of its GPU, the others amdgpu_xcp_N."""
        if gpu.vendor == "amd" and gpu.dri_render:
            return self._divided(self._nodes[f"/dev/dri/{gpu.dri_render}"][0])
        return self._whole(gpu)

    def _numbered(self, word: str, vendor: str | None) -> tuple[Device, ...]:
        old = _OLD_MIG.match(word)
        if old:
            gpu = next((gpu for gpu in self._gpus if gpu.uuid.lower() == old[1]), None)
            return self._parts_where(gpu, int(old[2]), int(old[3]))
        piece = _SLICE.match(word)
        if piece:
            gpu = next((gpu for gpu in self._gpus if gpu.device == f"nvidia{piece[1]}"), None)
            return self._parts_where(gpu, int(piece[2])) if piece[2] else self._whole(gpu) if gpu else ()
        number = _DEVICE_NAME.match(word)
        gpu = self._of_index(int(number[1]), vendor) if number else None
        if gpu is None or number is None:
            return ()
        if number[2] is None:
            return self._whole(gpu)
        return tuple(self._part(part) for part in self._parts.get(gpu.uuid, ()) if part.index == int(number[2]))

    def _of_index(self, index: int, vendor: str | None) -> GpuIdentity | None:
        found = [gpu for gpu in self._gpus if gpu.index == index and vendor in (None, gpu.vendor)]
        return found[0] if len(found) == 1 else None

    @staticmethod
    def _is_minor(gpu: GpuIdentity, minor: int) -> bool:
        return gpu.vendor == "nvidia" and gpu.minor == minor

    def _parts_where(self, gpu: GpuIdentity | None, instance: int, compute: int | None = None) -> tuple[Device, ...]:
        return tuple(
            self._part(part)
            for part in (self._parts.get(gpu.uuid, ()) if gpu else ())
            if part.gpu_instance_id == instance and compute in (None, part.compute_instance_id)
        )

    def _capable(self, minor: int) -> tuple[Device, ...]:
        opened = self._mig_minors.get(minor)
        if opened is None:
            return ()
        gpu = next((gpu for gpu in self._gpus if self._is_minor(gpu, opened.gpu)), None)
        return self._parts_where(gpu, opened.instance, opened.compute)

    def _cut_short(self, word: str) -> tuple[Device, ...]:
        if len(word) < MIN_PREFIX:
            return ()
        found = [device for uuid, device in self._uuids.items() if uuid.startswith(word)]
        return self._divided(found[0]) if len(found) == 1 else ()


def _bare(profile: str) -> str:
    """A profile as names of Kubernetes can have it: "1g.10gb+me" is "1g10gb-me" there."""
    return _PUNCTUATION.sub("", profile.lower())


def _numbers(words: str) -> tuple[int, ...]:
    return tuple(map(int, words.split("-")))


def _extent(part: InstanceIdentity) -> tuple[int | None, int | None]:
    return part.placement_start, part.placement_size


def _lies(part: InstanceIdentity, ends: tuple[int, ...]) -> bool:
    """Whether a partition is where the numbers behind its profile say, in any of the ways in which they do."""
    start, size = _extent(part)
    if start is None or size is None:
        return False
    return ends in ((start,), (start, size), (start, start + size), (start, start + size - 1), (part.profile_id, start))


def _of_platform(name: str) -> str:
    """A partition's platform device, amdgpu_xcp_3 or amdgpu_xcp.3 by the kernel's version, in one spelling."""
    return name.replace("amdgpu_xcp.", "amdgpu_xcp_")
