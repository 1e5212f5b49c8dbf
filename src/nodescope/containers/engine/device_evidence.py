"""Which devices a container was given, from what the engine was asked to make it with.

Source: Docker Engine API reference, HostConfig.DeviceRequests and HostConfig.Devices, where podman has CDI names too.
Devices, mounts and variables mean what they do in a runtime specification (`oci.devices`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Annotated, Final

import msgspec

from nodescope.containers.oci.devices import MAX_REQUESTS, bounded, by_cdi_names, by_environment, by_mount, by_path
from nodescope.records.container import ContainerDevice
from nodescope.records.device_variables import GRANTING

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""What engines, written in Go, mean by a number; JSON itself has longer ones."""

PLAIN_RUNTIMES: Final = frozenset({"runc", "crun"})
"""OCI runtimes that Docker may be told to use and that heed no variable of a vendor's."""
ALL_BY_VARIABLE: Final = frozenset(f"{name}=all" for name in GRANTING)
NVIDIA_NODES: Final = "/dev/nvidia"

_REQUEST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/=-]{0,127}")


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
    mounts: Iterable[tuple[str | None, str]],
    variables: Sequence[str],
    runtime: str | None = None,
) -> tuple[ContainerDevice, ...]:
    """Each device once for each evidence, within bounds. `mounts`: where they are on the host and in the container.

    `runtime`: Docker's name of the OCI runtime. A plain one gives no GPU by a variable, which CUDA's images set to all;
    where somebody has named a GPU in it, that is told all the same.
    """
    mounted = chain.from_iterable(by_mount(*mount) for mount in mounts)
    is_plain = (
        runtime in PLAIN_RUNTIMES
        and not requests
        and not any((mapping.path_on_host or "").startswith(NVIDIA_NODES) for mapping in mappings)
    )
    named = (
        device
        for device in by_environment(variable.encode("utf-8", "replace") for variable in variables)
        if not (is_plain and device.request in ALL_BY_VARIABLE)
    )
    return bounded((*_requested(requests), *_mapped(mappings), *mounted, *named))


def _requested(requests: Sequence[DeviceRequest]) -> Iterator[ContainerDevice]:
    for request in requests:
        # The engine hands them on joined by commas: what is joined already is the same to it.
        ids = [one.strip() for told in request.device_ids or () for one in told.split(",", MAX_REQUESTS)]
        if request.driver == "cdi":
            yield from by_cdi_names(ids)
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


def _mapped(mappings: Sequence[DeviceMapping]) -> Iterator[ContainerDevice]:
    for mapping in mappings:
        path = mapping.path_on_host or ""
        if path.startswith("/"):
            yield by_path(path.rstrip("/"), "device")
        else:
            yield from by_cdi_names([path])
