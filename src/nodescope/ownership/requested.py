"""Which devices a request stands for: lists of visible devices, CDI names, counts.

*Source*: NVIDIA Container Toolkit (NVIDIA_VISIBLE_DEVICES: "all", "none", "void", indices, UUIDs, CDI names), AMD
Container Toolkit (AMD_VISIBLE_DEVICES and the CDI names that amd-ctk gives: "all", "none", indices, which count
partitions, ranges of them, unique ids), CUDA programming guide (CUDA_VISIBLE_DEVICES), ROCm documentation on GPU
isolation (ROCR_VISIBLE_DEVICES: indices and UUIDs "GPU-<unique id>"; HIP_VISIBLE_DEVICES: indices of what ROCR left),
Container Device Interface (vendor/class=device).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from nodescope.ownership.devices import Device, Devices
from nodescope.records.device_variables import GRANTING, NARROWING, VENDOR_OF

ALL: Final = "all"
NOTHING: Final = frozenset({"", "none", "void"})
COUNT: Final = "count:"
DYNAMIC_KIND: Final = "k8s.gpu.nvidia.com/device"
"""The kind of CDI names that NVIDIA's driver for dynamic resource allocation gives."""
MAX_WORDS: Final = 1024
AMD: Final = "amd"
_AMD_INDICES: Final = re.compile(r"([0-9]{1,4})(?:-([0-9]{1,4}))?\Z", re.ASCII)
_VENDORS: Final = {"nvidia.com": "nvidia", "amd.com": "amd", "intel.com": "intel"}


class Found(NamedTuple):
    """What a request stands for, and the words of it that stand for nothing here."""

    devices: tuple[Device, ...] = ()
    unknown: tuple[str, ...] = ()


def variable_of(request: str, vendor: str | None) -> tuple[str, str]:
    """Name and value of "NAME=value"; a value alone is of the variable by which the vendor's runtime goes."""
    name, equals, value = request.partition("=")
    if equals and name in VENDOR_OF:
        return name, value
    return ("ROCR_VISIBLE_DEVICES" if vendor == "amd" else "NVIDIA_VISIBLE_DEVICES"), request


def is_all_by_variable(evidence: str, request: str | None, vendor: str | None = None) -> bool:
    """Whether a request is a variable that gives all GPUs: a default of CUDA's images."""
    if evidence != "environment" or request is None:
        return False
    name, value = variable_of(request, vendor)
    return name in GRANTING and value == ALL


def requested(devices: Devices, request: str, vendor: str | None = None) -> Found:
    """GPUs of a list of words: "all", indices, UUIDs, CDI names, "count:2" where that is all there are."""
    if request.startswith(COUNT):
        return _counted(devices, request, vendor)
    found: dict[Device, None] = {}
    unknown = []
    for word in _words(request):
        known = _meant(devices, word, vendor)
        found.update(dict.fromkeys(known))
        if not known and word not in NOTHING:
            unknown.append(word)
    return Found(tuple(found), tuple(unknown))


def narrowed(devices: Devices, given: Sequence[Device], variable: str, value: str) -> tuple[Device, ...]:
    """What a variable leaves of the GPUs `given`, which are in order; GPUs of other vendors stay.

    Numbers count what is given, not what the node has. The first word that means nothing ends the list.
    """
    vendor = NARROWING[variable]
    own = [device for device in given if device.vendor == vendor]
    left: dict[Device, None] = {}
    for word in _words(value):
        chosen = _chosen(devices, own, word)
        if not chosen:
            break
        left.update(dict.fromkeys(chosen))
    return (*left, *(device for device in given if device.vendor != vendor))


def _words(request: str) -> list[str]:
    return [word.strip() for word in request.split(",", MAX_WORDS)[:MAX_WORDS]]


def _meant(devices: Devices, word: str, vendor: str | None) -> tuple[Device, ...]:
    name, equals, device = word.partition("=")
    if equals and "/" in name:
        word, vendor = device, vendor_of(name)
        if name == DYNAMIC_KIND:
            return devices.allocated_dynamically(device)
        # What DRA calls "k8s.gpu.nvidia.com/claim=..." is no device's name.
        if vendor is None or not name.endswith(("/gpu", "/mig")):
            return ()
    if word == ALL:
        return devices.all(vendor)
    indices = _AMD_INDICES.match(word) if vendor == AMD else None
    if indices:
        return devices.all(vendor)[int(indices[1]) : int(indices[2] or indices[1]) + 1]
    return devices.named(word, vendor)


def vendor_of(name: str) -> str | None:
    """The vendor of a resource or a CDI kind: "nvidia.com/gpu", "runtime.nvidia.com/gpu"; None for any other's."""
    domain = name.partition("/")[0]
    return next((vendor for known, vendor in _VENDORS.items() if f".{domain}".endswith(f".{known}")), None)


def _counted(devices: Devices, request: str, vendor: str | None) -> Found:
    """Any n GPUs: known only where the node has no more than these."""
    every = devices.all(vendor)
    count = request.removeprefix(COUNT)
    if count == "-1" or (count.isdecimal() and every and count == str(len(every))):
        return Found(every)
    return Found((), (request,))


def _chosen(devices: Devices, own: Sequence[Device], word: str) -> tuple[Device, ...]:
    if word.isdecimal() and len(word) <= 4:
        return tuple(own[int(word) : int(word) + 1])
    named = devices.named(word)
    return tuple(device for device in named if device in own) if not word.lstrip("-").isdecimal() else ()
