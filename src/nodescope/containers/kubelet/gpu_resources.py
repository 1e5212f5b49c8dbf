"""Which extended resources of Kubernetes are GPUs, and how many GPUs' worth one of them is.

Source: the device plugins' own documents: NVIDIA's k8s-device-plugin (nvidia.com/gpu, nvidia.com/mig-<profile>,
".shared" where time-sliced), AMD's (amd.com/gpu; amd.com/<compute>_<memory> under the strategy "mixed"), Intel's
(gpu.intel.com/i915, gpu.intel.com/xe; what ends in _monitoring gives every GPU to look at, and millicores, memory and
tiles are parts of what i915 already counts). One replica of a GPU that is time-sliced counts as a GPU. How a pod's
containers add up: Kubernetes, "Effective Pod requests and limits".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

MAX_QUANTITY: Final = 1_000_000
"""More devices than this on one node is no number of devices."""

WHOLE: Final = {
    "amd.com/gpu": "amd",
    "rocm.amd.com/gpu": "amd",
    "nvidia.com/gpu": "nvidia",
    "nvidia.com/gpu.shared": "nvidia",
    "nvidia.com/pgpu": "nvidia",
    "gpu.intel.com/i915": "intel",
    "gpu.intel.com/xe": "intel",
}
"""The vendor of each resource that is a GPU; or a partition, where all GPUs are partitioned and the plugin gives these
the name of a GPU (the strategy "single")."""

AMD_PARTITIONS: Final = {"spx": 1.0, "dpx": 1 / 2, "tpx": 1 / 3, "qpx": 1 / 4, "cpx": 1 / 8}
"""Compute partitioning -> the part of a GPU that a partition is (of an MI300X, MI325X or MI350: eight dies)."""

MIG_SLICES: Final = 7
FEWER_SLICES: Final = {"1g.6gb": 4, "2g.12gb": 4, "4g.24gb": 4, "2g.48gb": 4, "4g.96gb": 4, "1g.24gb+": 4}
"""Slices of the GPUs that have not seven, by profile, "+" behind it where only a variant tells: the A30's, and the RTX
PRO 6000's. Its plain 1g.24gb has the name of an H100's with 94 or 96 GB; the RTX PRO 5000, of two slices, is left out.
"""

_MIG: Final = re.compile(
    r"nvidia\.com/mig-(?P<profile>(?P<slices>[1-9])g\.[0-9]{1,4}gb)(?P<variant>[.+]gfx|[.+]me(?:\.all)?|-me)?"
    r"[a-z0-9.+_-]{0,32}"
)
_AMD: Final = re.compile(r"amd\.com/([a-z]{3})_nps[1-9]")
_QUANTITY: Final = re.compile(r"([0-9]{1,9})(?:\.0{1,9})?(|k|M|Ki|Mi)")
_SUFFIXES: Final = {"": 1, "k": 1000, "M": 1000**2, "Ki": 1024, "Mi": 1024**2}

Amounts = Mapping[str, int]


class NodeGpus(NamedTuple):
    """The GPUs of a node. `parts`: vendor -> what part of a GPU a partition is, where all its GPUs are partitioned."""

    gpus: int
    parts: Mapping[str, float]


class Asked(NamedTuple):
    """What one container asks for. `kind`: as in `PodContainer`."""

    kind: str
    amounts: Amounts


def share(resource: str) -> float | None:
    """What part of a GPU one of `resource` is; None where it is no GPU."""
    if resource in WHOLE:
        return 1.0
    if found := _MIG.fullmatch(resource):
        profile, variant = found["profile"], found["variant"]
        slices = FEWER_SLICES.get(profile) or (FEWER_SLICES.get(f"{profile}+") if variant else None)
        return int(found["slices"]) / (slices or MIG_SLICES)
    if found := _AMD.fullmatch(resource):
        return AMD_PARTITIONS.get(found[1])
    return None


def quantity(told: Any) -> int | None:
    """A whole number of devices from a Kubernetes quantity ("2", "1k", 2); None where it is none."""
    if isinstance(told, int) and not isinstance(told, bool):
        number = told
    elif isinstance(told, str) and (found := _QUANTITY.fullmatch(told)):
        number = int(found[1]) * _SUFFIXES[found[2]]
    else:
        return None
    return number if 0 <= number <= MAX_QUANTITY else None


def gpus(amounts: Mapping[str, Any] | None) -> dict[str, int]:
    """The GPU resources among requests or limits, those of which there is at least one."""
    found: dict[str, int] = {}
    for resource, told in (amounts or {}).items():
        if share(resource) is not None and (number := quantity(told)):
            found[resource] = number
    return found


def effective(containers: Iterable[Asked]) -> dict[str, int]:
    """What is held for a pod, by resource: `containers` in the order of its specification, init containers first.

    An init container runs alone but for the sidecars before it; what the pod holds is the most that any moment needs,
    not the sum.
    """
    most: dict[str, int] = {}
    lasting: dict[str, int] = {}
    for asked in containers:
        for resource, number in asked.amounts.items():
            together = lasting.get(resource, 0) + number
            most[resource] = max(most.get(resource, 0), together)
            if asked.kind != "init":
                lasting[resource] = together
    return most


def whole_gpus(amounts: Amounts, parts: Mapping[str, float]) -> float:
    """How many GPUs' worth the amounts are together. `parts`: as in `NodeGpus`."""
    return sum(
        number * (share(resource) or 0.0) * parts.get(WHOLE.get(resource, ""), 1.0)
        for resource, number in amounts.items()
    )
