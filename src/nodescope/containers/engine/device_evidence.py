"""Which devices a container was given, from what the engine was asked to make it with.

Source: Docker Engine API reference, HostConfig.DeviceRequests and HostConfig.Devices; the CDI specification (names such
as nvidia.com/gpu=0); NVIDIA Container Toolkit's documentation (NVIDIA_VISIBLE_DEVICES, volume mounts under
/var/run/nvidia-container-devices); ROCm documentation (ROCR_VISIBLE_DEVICES, HIP_VISIBLE_DEVICES).
Of the environment these four variables alone are looked at, and no value is kept but names and numbers of devices.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Final

import msgspec

from nodescope.records.container import ContainerDevice

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""What engines, written in Go, mean by a number; JSON itself has longer ones."""
MAX_DEVICES: Final = 256
MOUNTED_REQUESTS: Final = "/var/run/nvidia-container-devices/"

VISIBLE: Final = (
    ("nvidia", ("NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")),
    ("amd", ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")),
)
"""Vendor -> its variables. The second numbers what the first has let in, so it is of use only where that is not set."""

_NOTHING: Final = frozenset({"", "void", "none", "-1", "NoDevFiles"})
_REQUEST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/=-]{0,127}")
_PATHS: Final = (
    (re.compile(r"/dev/nvidia\d{1,5}"), "gpu", "nvidia"),
    (re.compile(r"/dev/nvidia[-\w/]*"), "other", "nvidia"),
    (re.compile(r"/dev/dri(/(card|renderD)\d{1,5})?"), "gpu", None),
    (re.compile(r"/dev/kfd"), "other", "amd"),
    (re.compile(r"/dev/infiniband/uverbs\d{1,5}"), "rdma", None),
)


class DeviceRequest(msgspec.Struct, frozen=True, rename="pascal"):
    """An entry of HostConfig.DeviceRequests. `count`: -1 for all."""

    driver: str | None = None
    count: Int64 | None = None
    device_ids: list[str] | None = msgspec.field(default=None, name="DeviceIDs")
    capabilities: list[list[str] | None] | None = None


class DeviceMapping(msgspec.Struct, frozen=True, rename="pascal"):
    """An entry of HostConfig.Devices."""

    path_on_host: str | None = None


def device_evidence(
    requests: Sequence[DeviceRequest],
    mappings: Sequence[DeviceMapping],
    mounts: Iterable[str],
    variables: Sequence[str],
) -> tuple[ContainerDevice, ...]:
    """Each device once for each evidence, at most `MAX_DEVICES`. `mounts`: where they are in the container."""
    found: dict[ContainerDevice, None] = {}
    for devices in (_requested(requests), _mapped(mappings), _mounted(mounts), _visible(variables)):
        for device in devices:
            if len(found) >= MAX_DEVICES:
                return tuple(found)
            found[device] = None
    return tuple(found)


def _requested(requests: Sequence[DeviceRequest]) -> Iterator[ContainerDevice]:
    for request in requests:
        ids = request.device_ids or []
        if request.driver == "cdi":
            yield from (_by_cdi_name(name) for name in ids if _REQUEST.fullmatch(name))
            continue
        capabilities = {word for words in request.capabilities or () for word in words or ()}
        vendor = request.driver or ("nvidia" if capabilities & {"gpu", "nvidia"} else None)
        if vendor not in ("nvidia", "amd"):
            vendor = None
        kind = "gpu" if vendor or "gpu" in capabilities else "other"
        wanted = [name for name in ids if _REQUEST.fullmatch(name)]
        if not wanted and request.count:
            # Which of them a count gives is decided when the container starts, and nobody tells.
            wanted = ["all" if request.count < 0 else f"count:{request.count}"]
        for name in wanted:
            yield ContainerDevice(kind=kind, evidence="device_request", request=name, vendor=vendor)


def _by_cdi_name(name: str) -> ContainerDevice:
    """Of a CDI name: vendor/class=device."""
    vendor, _, rest = name.partition("/")
    sort = rest.partition("=")[0]
    kind = "gpu" if sort in ("gpu", "mig") else "rdma" if sort in ("rdma", "nic", "ib") else "other"
    known = vendor.removesuffix(".com").rpartition(".")[2]
    return ContainerDevice(
        kind=kind, evidence="cdi", request=name, vendor=known if known in ("nvidia", "amd", "intel") else None
    )


def _mapped(mappings: Sequence[DeviceMapping]) -> Iterator[ContainerDevice]:
    for mapping in mappings:
        path = mapping.path_on_host or ""
        if not path.startswith("/"):
            if "=" in path and _REQUEST.fullmatch(path):  # podman has CDI names among its devices
                yield _by_cdi_name(path)
            continue
        path = path.rstrip("/")[:128]
        for pattern, kind, vendor in _PATHS:
            if pattern.fullmatch(path):
                request = "all" if path == "/dev/dri" else None
                yield ContainerDevice(kind=kind, evidence="device", path=path, request=request, vendor=vendor)
                break
        else:
            yield ContainerDevice(kind="other", evidence="device", path=path)


def _mounted(mounts: Iterable[str]) -> Iterator[ContainerDevice]:
    for mount in mounts:
        name = mount.removeprefix(MOUNTED_REQUESTS)
        if name == mount or not _REQUEST.fullmatch(name):
            continue
        if name.startswith("cdi/"):
            sort, _, device = name.removeprefix("cdi/").rpartition("/")
            name = f"{sort}={device}"
        yield ContainerDevice(kind="gpu", evidence="mount", request=name, vendor="nvidia")


def _visible(variables: Sequence[str]) -> Iterator[ContainerDevice]:
    for vendor, names in VISIBLE:
        values = [
            variable[len(name) + 1 :] for name in names for variable in variables if variable.startswith(f"{name}=")
        ]
        for request in values[0].split(",") if values else ():
            wanted = request.strip()
            if wanted not in _NOTHING and _REQUEST.fullmatch(wanted):
                yield ContainerDevice(kind="gpu", evidence="environment", request=wanted, vendor=vendor)
