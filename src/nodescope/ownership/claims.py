"""Who holds which device: each claim once, by the strongest evidence there is for it, with what contradicts it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import structs

from nodescope.ownership.allocated import Allocated, is_dynamic, is_gpu, meant
from nodescope.ownership.devices import GPU, RDMA, Device, Devices
from nodescope.ownership.granted import MAX_CONFLICT_CHARS, POD_RESOURCES, Grant, granted, strength
from nodescope.ownership.holder import Holder, of_container, of_pod
from nodescope.ownership.requested import is_all_by_variable
from nodescope.records.container import Container, ContainerDevice, DeviceClaim

HOLDING: Final = frozenset({"running", "paused", "restarting"})
"""States in which a container holds its devices."""
PROCESS: Final = "process"
MAX_CLAIMS: Final = 8192


class Claims(NamedTuple):
    """`unknown`: requests that name nothing on this node. `left_out`: claims beyond the most there may be."""

    claims: tuple[DeviceClaim, ...] = ()
    unknown: tuple[str, ...] = ()
    left_out: int = 0


class _Held(NamedTuple):
    holder: Holder
    grant: Grant


def claims(
    containers: Iterable[Container],
    devices: Devices,
    pod_devices: Iterable[Allocated] = (),
    used: Mapping[str, Mapping[str, Holder]] | None = None,
) -> Claims:
    """All claims, by device. `used`: who has processes on which device (`holders_of_devices`)."""
    unknown: list[str] = []
    holding, held, shared = _allocated(_newest(containers), devices, pod_devices, unknown)
    given: dict[str, set[str]] = {}
    for container in holding:
        told = granted(container, devices)
        unknown += [f"{container.name}: {word}" for word in told.unknown]
        given[container.key] = {grant.device.key for grant in told.grants}
        for grant in told.grants:
            _keep(held, _Held(of_container(container), grant))
    for item in _used(used or {}, devices, given):
        _keep(held, item)
    found = sorted(_doubly_allocated(held.values(), shared), key=lambda item: (item.grant.device.key, item.holder.key))
    return Claims(tuple(_claim(item) for item in found[:MAX_CLAIMS]), tuple(unknown), max(0, len(found) - MAX_CLAIMS))


def _newest(containers: Iterable[Container]) -> list[Container]:
    """Those that hold devices, each once: containerd tells of Docker's containers too, but less."""
    found: dict[str, Container] = {}
    for container in containers:
        if container.state in HOLDING:
            known = found.get(container.key)
            if known is None or known.runtime == "containerd":
                found[container.key] = container
    return list(found.values())


def _allocated(
    containers: list[Container], devices: Devices, pod_devices: Iterable[Allocated], unknown: list[str]
) -> tuple[list[Container], dict[tuple[str, str], _Held], set[Device]]:
    """The containers with what the kubelet allocated to them; what it did to those that no runtime told of; and which
    devices are given to several at a time.
    """
    names = {(known.pod_namespace, known.pod_name, known.pod_container): known.key for known in containers}
    added: dict[str, list[ContainerDevice]] = {}
    held: dict[tuple[str, str], _Held] = {}
    shared: set[Device] = set()
    dynamic: set[Device] = set()
    allocations = tuple(pod_devices)
    with_gpus = set()
    for told in allocations:
        found = meant(told, devices)
        unknown += [f"{told.pod_namespace}/{told.pod_name}: {POD_RESOURCES} {word}" for word in found.unknown]
        shared.update(found.shared)
        if is_dynamic(told.resource):
            # Several may have one claim: what was given once more was given to all of them.
            shared.update(dynamic.intersection(found.devices))
            dynamic.update(found.devices)
        container_id = names.get((told.pod_namespace, told.pod_name, told.container))
        if is_gpu(told.resource) or any(device.kind != RDMA for device in found.devices):
            with_gpus.add(container_id)
        for device in found.devices:
            if container_id is None:
                holder = of_pod(told.pod_name, told.pod_namespace, told.container)
                _keep(held, _Held(holder, Grant(device, POD_RESOURCES)))
                continue
            kind = RDMA if device.kind == RDMA else GPU
            added.setdefault(container_id, []).append(
                ContainerDevice(kind=kind, evidence=POD_RESOURCES, request=device.key, vendor=device.vendor or None)
            )
    if with_gpus:
        # The kubelet gives GPUs here, and tells of all that it gave: an image's variable gave nothing more.
        containers = [one if one.key in with_gpus else _without_default(one) for one in containers]
    return [_with(container, added.get(container.key, ())) for container in containers], held, shared


def _without_default(container: Container) -> Container:
    """A container of a pod, without a variable by which it would have all GPUs; a privileged one does have them."""
    if not container.pod_name or container.privileged:
        return container
    kept = tuple(
        given for given in container.devices if not is_all_by_variable(given.evidence, given.request, given.vendor)
    )
    return container if len(kept) == len(container.devices) else structs.replace(container, devices=kept)


def _with(container: Container, added: Sequence[ContainerDevice]) -> Container:
    return structs.replace(container, devices=(*container.devices, *added)) if added else container


def _used(used: Mapping[str, Mapping[str, Holder]], devices: Devices, given: Mapping[str, set[str]]) -> Iterable[_Held]:
    for key, holders in used.items():
        device = devices.find(key)
        if device is None:
            continue
        for holder in holders.values():
            granted_to = given.get(holder.container_id or "")
            # A process on a GPU, where its partition is not told, may be on any of those that were given.
            near = granted_to and (key in granted_to or any(part.key in granted_to for part in devices.parts_of(key)))
            conflict = "used, but not among the devices that it was given" if granted_to and not near else ""
            yield _Held(holder, Grant(device, PROCESS, conflict))


def _keep(held: dict[tuple[str, str], _Held], item: _Held) -> None:
    """The strongest evidence for a device and a holder stays; what contradicts a weaker one is then settled."""
    key = item.grant.device.key, item.holder.key
    known = held.get(key)
    if known is None or strength(item.grant.evidence) < strength(known.grant.evidence):
        held[key] = item


def _doubly_allocated(held: Iterable[_Held], shared: set[Device]) -> Iterable[_Held]:
    """What a plugin gave to one alone, and someone else holds too, is told of both."""
    by_device: dict[Device, list[_Held]] = {}
    for item in held:
        by_device.setdefault(item.grant.device, []).append(item)
    for device, items in by_device.items():
        alone = [item for item in items if item.grant.evidence == POD_RESOURCES and device not in shared]
        for item in items:
            others = [other for other in (items if item in alone else alone) if other.holder.key != item.holder.key]
            if not others or item.grant.conflict:
                yield item
                continue
            names = ", ".join(sorted(_name(other.holder) for other in others))
            yield item._replace(grant=item.grant._replace(conflict=f"also held by {names}"[:MAX_CONFLICT_CHARS]))


def _name(holder: Holder) -> str:
    if holder.pod_name:
        return f"{holder.pod_namespace}/{holder.pod_name}"
    return holder.container or holder.key


def _claim(item: _Held) -> DeviceClaim:
    holder, grant = item.holder, item.grant
    return DeviceClaim(
        device=grant.device.key,
        kind=grant.device.kind,
        evidence=grant.evidence,
        container_id=holder.container_id,
        container=holder.container,
        runtime=holder.runtime,
        pod_name=holder.pod_name,
        pod_namespace=holder.pod_namespace,
        user=holder.user,
        slurm_job=holder.slurm_job,
        conflict=grant.conflict,
        request=grant.request,
    )
