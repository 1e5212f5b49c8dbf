"""Devices that a container's runtime specification speaks of: by path, mount, CDI name or environment.

Sources: OCI runtime-spec config-linux.md (`linux.devices`), CNCF container-device-interface SPEC.md (qualified names
"vendor.com/class=name" and the annotations "cdi.k8s.io/*"), NVIDIA Container Toolkit (NVIDIA_VISIBLE_DEVICES, volume
mounts of /dev/null under /var/run/nvidia-container-devices, the prefix of annotations that NVIDIA's GPU Operator sets),
AMD Container Toolkit (AMD_VISIBLE_DEVICES), ROCm (ROCR_/HIP_VISIBLE_DEVICES). What engines tell goes by the same
tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from nodescope.records.container import ContainerDevice
from nodescope.records.device_variables import AMD_GRANTING, NARROWING, NVIDIA_GRANTING, SWARM, VENDOR_OF

MAX_DEVICES: Final = 256
"""Of one container: a privileged one is given every device of its host, thousands on some."""
MAX_REQUESTS: Final = 128
MAX_PATH_CHARACTERS: Final = 128

ALL: Final = "all"
NONE: Final = "none"
VOID: Final = "void"

NVIDIA_MOUNTS: Final = "/var/run/nvidia-container-devices/"
NULL: Final = "/dev/null"
"""What is mounted there; the name of the mount point is the request."""
CDI_ANNOTATIONS: Final = ("cdi.k8s.io/", "nvidia.cdi.k8s.io/")
FOR_CONTAINER: Final = "nvidia.cdi.k8s.io/container."
"""A pod's annotation for its container whose name stands behind it."""
_CONTAINER_NAMES: Final = ("io.kubernetes.cri.container-name", "io.kubernetes.container.name")
"""Annotations in which containerd and CRI-O tell a container's name."""
ENVIRONMENT: Final = {name.encode(): name for name in VENDOR_OF}
"""The only variables that are looked at."""

# A request is kept only where it looks like one: anything can stand in a variable.
# Before driver 470 a MIG device was "MIG-GPU-<uuid>/<GPU instance>/<compute instance>".
_REQUEST: Final = re.compile(r"(?a:all|[0-9]{1,4}(?::[0-9]{1,3})?|(?:GPU|MIG(?:-GPU)?)-[0-9A-Fa-f/-]{1,120})")
_AMD_REQUEST: Final = re.compile(r"(?ai:all|[0-9]{1,4}(?:-[0-9]{1,4})?|0x[0-9a-f]{1,16}|[0-9a-f]{9,16})")
"""Also ranges, and the hexadecimal number of a GPU."""
_SWARM_REQUEST: Final = re.compile(r"(?a:(?:GPU|MIG)-[0-9A-Fa-f-]{1,120})")
"""A number there is how many were given."""
_REQUESTS: Final = {AMD_GRANTING: _AMD_REQUEST, **dict.fromkeys(SWARM, _SWARM_REQUEST)}
_CDI_NAME: Final = re.compile(r"(?a:[A-Za-z0-9][\w.-]{0,100}/[A-Za-z][\w.-]{0,60}=[A-Za-z0-9][\w.:-]{0,120})")
_CDI_VENDORS: Final = frozenset({"nvidia", "amd", "intel"})
_CDI_KINDS: Final = (
    (re.compile(r"gpu|mig"), "gpu"),
    (re.compile(r"rdma|\b(?:ib|nic|hca)\b"), "rdma"),
)

_PATHS: Final = (
    (re.compile(r"/dev/nvidia[0-9]+"), "gpu", "nvidia"),
    (re.compile(r"/dev/nvidia-caps/nvidia-cap[0-9]+"), "gpu", "nvidia"),
    (re.compile(r"/dev/nvidia(?a:[-\w/]*)"), "other", "nvidia"),
    (re.compile(r"/dev/dri(?:/(?:card|renderD)[0-9]+)?"), "gpu", None),
    (re.compile(r"/dev/dri/by-path/(?a:[\w:.@-]+)-(?:card|render)"), "gpu", None),
    (re.compile(r"/dev/kfd"), "gpu", "amd"),
    (re.compile(r"/dev/infiniband(?:/(?:uverbs|umad|issm)[0-9]+)?"), "rdma", None),
)

_NODES: Final = (
    (195, range(254), "/dev/nvidia", 0),
    (226, range(64), "/dev/dri/card", 0),
    (226, range(128, 192), "/dev/dri/renderD", 0),
    (231, range(192, 224), "/dev/infiniband/uverbs", 192),
)
"""Major and minor numbers whose nodes have one name on every host (Documentation/admin-guide/devices.txt): the name is
behind the path, the minor number less the last.
"""


def host_path(path: str, major: int | None, minor: int | None) -> str:
    """Where a device lies on the host: `path` is where it lies in the container, which may have another name for it."""
    for known, minors, name, first in _NODES:
        if minor is not None and major == known and minor in minors:
            return f"{name}{minor - first}"
    return path


def by_path(path: str, evidence: str) -> ContainerDevice:
    """A device by its path on the host, and what kind of device lies there."""
    path = path[:MAX_PATH_CHARACTERS]
    for pattern, kind, vendor in _PATHS:
        if pattern.fullmatch(path):
            return ContainerDevice(kind=kind, evidence=evidence, path=path, vendor=vendor)
    return ContainerDevice(kind="other", evidence=evidence, path=path)


def by_cdi_names(names: Iterable[str]) -> Iterator[ContainerDevice]:
    """Devices by their qualified CDI names; what is no such name is passed over."""
    for name in names:
        name = name.strip()
        if not _CDI_NAME.fullmatch(name):
            continue
        vendor, _, rest = name.partition("/")
        class_ = rest.partition("=")[0].lower()
        kind = next((kind for pattern, kind in _CDI_KINDS if pattern.search(class_)), "other")
        known = next((word for word in vendor.split(".") if word in _CDI_VENDORS), None)
        yield ContainerDevice(kind=kind, evidence="cdi", request=name, vendor=known)


def by_annotations(annotations: Mapping[str, str]) -> Iterator[ContainerDevice]:
    """Devices by the annotations that say which CDI devices to add, to this container where they name one."""
    own = {f"{FOR_CONTAINER}{annotations[name]}" for name in _CONTAINER_NAMES if name in annotations}
    for key, value in annotations.items():
        is_anothers = key.startswith(FOR_CONTAINER) and own and key not in own
        if key.startswith(CDI_ANNOTATIONS) and not is_anothers:
            yield from by_cdi_names(value.split(",", MAX_REQUESTS))


def by_environment(variables: Iterable[bytes]) -> Iterator[ContainerDevice]:
    """Requests "NAME=0,GPU-5e41" by the variables that speak of GPUs. Nothing of any other is kept.

    Of a value only names of devices are: words that are none are left out, and end what chooses among GPUs. Where
    nothing is left of what chooses ("", "-1"), it hides all GPUs: "NAME=", which is no GPU's.
    """
    told: dict[str, bytes] = {}
    for variable in variables:
        word, _, value = variable.partition(b"=")
        name = ENVIRONMENT.get(word)
        if name is not None:
            # Runtimes take the last of several.
            told[name] = value
    found = {name: _words(name, value) for name, value in told.items()}
    if any(found.get(name) for name in SWARM):
        # What Swarm gave goes before an image's default.
        found.pop(NVIDIA_GRANTING, None)
    for name, words in found.items():
        if words or name in NARROWING:
            kind = "gpu" if words else "other"
            request = f"{name}={','.join(words)}"
            yield ContainerDevice(kind=kind, evidence="environment", request=request, vendor=VENDOR_OF[name])


def _words(name: str, value: bytes) -> list[str]:
    request = _REQUESTS.get(name, _REQUEST)
    told = [word.strip() for word in value.decode("utf-8", "replace").split(",", MAX_REQUESTS)[:MAX_REQUESTS]]
    if name == NVIDIA_GRANTING and _gives_nothing(told):
        return []
    words: list[str] = []
    for word in told:
        if request.fullmatch(word) or _CDI_NAME.fullmatch(word):
            words.append(ALL if word.lower() == ALL else word)
        elif name in NARROWING:
            break
    return words


def _gives_nothing(words: list[str]) -> bool:
    """Whether a list has a word by which NVIDIA's runtime gives no GPU, whatever else stands in it."""
    return VOID in words or next((word for word in words if word in (NONE, ALL)), None) == NONE


def by_mount(source: str | None, destination: str) -> Iterator[ContainerDevice]:
    """The device that a mount gives: a device file of the host, or NVIDIA's request by a mount point."""
    if destination.startswith(NVIDIA_MOUNTS) and source in (None, NULL):
        request = destination.removeprefix(NVIDIA_MOUNTS)
        if request.startswith("cdi/"):
            # cdi/vendor/class/name
            vendor, _, rest = request.removeprefix("cdi/").partition("/")
            yield from by_cdi_names([f"{vendor}/{rest.replace('/', '=', 1)}"])
        elif _REQUEST.fullmatch(request):
            yield ContainerDevice(kind="gpu", evidence="mount", request=request, vendor="nvidia")
    elif source is not None and source.startswith("/dev/"):
        device = by_path(source, "mount")
        if device.kind != "other":
            yield device


def bounded(devices: Iterable[ContainerDevice]) -> tuple[ContainerDevice, ...]:
    """Each device once, GPUs and RDMA devices before all others, `MAX_DEVICES` at most."""
    order = {"gpu": 0, "rdma": 1}
    unique = dict.fromkeys(devices)
    return tuple(sorted(unique, key=lambda device: order.get(device.kind, 2))[:MAX_DEVICES])
