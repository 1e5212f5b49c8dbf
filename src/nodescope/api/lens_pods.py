"""Containers and their devices, as Primus-Lens' node exporter answers them at /pods.

Source: its documentation (id, pod, devices) and its client's types: a CRI ContainerStatus laid flat, times in
nanoseconds since 1970, and what containerd says beside it. No annotation, mount, environment or command ever leaves the
agent, and of labels only those that the settings allow: those fields are empty.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from typing import Final

import msgspec

from nodescope.api.lens import described, guid_by_bytes
from nodescope.api.lens_inventory import DEVICES, Inventory, Item
from nodescope.api.lens_records import LensGpu
from nodescope.api.node import Node, Sampled
from nodescope.api.query import Query
from nodescope.api.selection import MAX_CONTAINERS, Answer, limited
from nodescope.records.container import Container, ContainerDevice, DeviceClaim
from nodescope.records.container_networks import SANDBOX
from nodescope.records.container_view import ContainerView, views
from nodescope.records.device_variables import NARROWING
from nodescope.records.gpu_snapshot import GpuInstance
from nodescope.records.kinds import of_kind
from nodescope.records.rdma import RdmaDevice

NANOSECONDS: Final = 1_000_000_000
CRI_STATES: Final = {"created": 0, "running": 1, "paused": 1, "restarting": 2, "exited": 2, "dead": 2}
"""Numbers of the CRI's ContainerState; 3 is one that is not known."""
UNKNOWN_STATE: Final = 3
STATUSES: Final = {
    "created": "Created",
    "running": "Running",
    "paused": "Running",
    "restarting": "Exit",
    "exited": "Exit",
    "dead": "Exit",
}
"""Words of that exporter's events."""
OOM_KILLED: Final = "OOMKilled"
CHARACTER_DEVICE: Final = "c"
UVERBS: Final = "uverbs"
INFINIBAND: Final = "/dev/infiniband/"
DRI_FOLDER: Final = "/dev/dri"
NVIDIA: Final = "nvidia"
TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"


class LensPodDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A device of a container. `kind`: "GPU" or "RDMA". `slot`: the PCI address; of RDMA the number of its uverbs node.

    `uuid` is the GPU's PCI device number or the RDMA device's node GUID, as it is there. `render`, `vendor`, `device`
    (our name of the device: /gpus and /rdma have it), `profile` (of a partition) and `evidence` are ours.
    """

    name: str | None = None
    id: int | None = None
    path: str | None = None
    type: str | None = None
    kind: str
    uuid: str | None = None
    serial: str | None = None
    slot: str | None = None
    render: str | None = None
    vendor: str | None = None
    device: str
    profile: str | None = None
    evidence: str


class LensPodDevices(msgspec.Struct, frozen=True, kw_only=True):
    """Both lists are there, also where they are empty."""

    gpu: tuple[LensPodDevice, ...] = ()
    infiniband: tuple[LensPodDevice, ...] = ()


class LensPodMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """`attempt`: how often it was restarted."""

    name: str | None = None
    attempt: int | None = None


class LensPodInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What containerd says beside the CRI. The specification and the configuration hold the environment: null."""

    sandboxID: str | None = None
    pid: int | None = None
    removing: bool | None = None
    snapshotKey: str | None = None
    snapshotter: str | None = None
    runtimeType: str | None = None
    runtimeOptions: None = None
    config: None = None
    runtimeSpec: None = None


class LensPod(msgspec.Struct, frozen=True, kw_only=True):
    """A container. `id`: null for one of a pod that only the kubelet's allocations tell of. `runtime` is ours."""

    id: str | None
    pod_name: str | None = None
    pod_namespace: str | None = None
    pod_uuid: str | None = None
    devices: LensPodDevices
    metadata: LensPodMetadata = LensPodMetadata()
    state: int = UNKNOWN_STATE
    created_at: int | None = None
    started_at: int | None = None
    finished_at: int | None = None
    exit_code: int | None = None
    image: str | None = None
    image_ref: str | None = None
    reason: str | None = None
    message: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    mounts: tuple[str, ...] = ()
    log_path: str | None = None
    info: LensPodInfo = LensPodInfo()
    status: str | None = None
    pid: int | None = None
    oom_killed: bool = False
    exit_time: str | None = None
    last_updated: str | None = None
    runtime: str | None = None


def pods(node: Node, query: Query) -> Answer:
    """Every container of a pod, and each other one that has a GPU or an RDMA device."""
    found = node.pods()
    shown, left_out = limited(list(_pods(node, found)), MAX_CONTAINERS)
    return Answer(shown, found.age_seconds, left_out)


def _pods(node: Node, found: Sampled) -> Iterator[LensPod]:
    if not found.records:
        return
    described_devices = _Devices(node)
    seen_seconds = time.time() - (found.age_seconds or 0.0)
    claims: dict[str | None, list[DeviceClaim]] = {}
    for claim in of_kind(found.records, DeviceClaim):
        claims.setdefault(claim.container_id, []).append(claim)
    for view in views(found.records, seen_seconds):
        if type(view) is ContainerView:
            devices = described_devices.of(claims.get(view.container.key, ()), view.container)
            # To the CRI a pod's sandbox is no container; where Docker runs it, it is one.
            is_of_pod = view.container.pod_name and view.container.pod_container != SANDBOX
            if is_of_pod or devices.gpu or devices.infiniband:
                yield _pod(view, devices, _written(seen_seconds))
    yield from _unseen(claims.get(None, ()), described_devices, _written(seen_seconds))


def _unseen(claims: Iterable[DeviceClaim], devices: _Devices, last_updated: str | None) -> Iterator[LensPod]:
    """Containers of pods that have devices, and that no runtime told of."""
    by_container: dict[tuple[str | None, str | None, str | None], list[DeviceClaim]] = {}
    for claim in claims:
        if claim.pod_name:
            by_container.setdefault((claim.pod_namespace, claim.pod_name, claim.container), []).append(claim)
    for (namespace, name, container), held in by_container.items():
        yield LensPod(
            id=None,
            pod_name=name,
            pod_namespace=namespace,
            devices=devices.of(held),
            metadata=LensPodMetadata(name=container),
            last_updated=last_updated,
        )


def _pod(view: ContainerView, devices: LensPodDevices, last_updated: str | None) -> LensPod:
    container = view.container
    oom_killed = bool(view.oom_killed)
    return LensPod(
        id=container.key,
        pod_name=container.pod_name,
        pod_namespace=container.pod_namespace,
        pod_uuid=container.pod_uid,
        devices=devices,
        metadata=LensPodMetadata(name=container.pod_container or container.name, attempt=container.restarts),
        state=CRI_STATES.get(container.state, UNKNOWN_STATE),
        created_at=_nanoseconds(container.created_seconds),
        started_at=_nanoseconds(container.started_seconds),
        finished_at=_nanoseconds(container.finished_seconds),
        exit_code=container.exit_code,
        image=container.image,
        image_ref=container.image_digest,
        reason=_reason(container, oom_killed),
        labels=container.labels,
        info=LensPodInfo(pid=container.pid),
        status=OOM_KILLED if oom_killed and view.exit_code is not None else STATUSES.get(container.state),
        pid=container.pid,
        oom_killed=oom_killed,
        exit_time=_written(container.finished_seconds),
        last_updated=last_updated,
        runtime=container.runtime,
    )


def _reason(container: Container, oom_killed: bool) -> str | None:
    """The CRI's word for how a container ended."""
    if CRI_STATES.get(container.state) != CRI_STATES["exited"]:
        return None
    if oom_killed:
        return OOM_KILLED
    return None if container.exit_code is None else "Completed" if container.exit_code == 0 else "Error"


class _Devices:
    """The devices of a node, as a container's are described."""

    def __init__(self, node: Node) -> None:
        self._inventory = Inventory(node)
        self._items = {item.uuid: item for item in self._inventory.items}
        self._parts = {part.instance.uuid: part for part in of_kind(node.gpus().records, GpuInstance)}
        self._rdma = {device.name: device for device in of_kind(node.rdma().records, RdmaDevice)}
        self._described: dict[str, LensGpu] = {}

    def of(self, claims: Iterable[DeviceClaim], container: Container | None = None) -> LensPodDevices:
        """Those that are held; of a container that holds nothing any more, those whose nodes it was given.

        Not those that a variable hides from it; of one that runs a variable that chooses has left none.
        """
        claims = tuple(claims)
        held = [(claim.device, claim.evidence) for claim in claims]
        if not held and container is not None and not container.privileged:
            hidden = _hidden_vendors(container)
            held = [(name, given.evidence) for given in container.devices for name in self._at(given, hidden)]
        unique = dict(reversed(held))
        gpus = [self._gpu(name, evidence) for name, evidence in sorted(unique.items()) if name not in self._rdma]
        rdma = [self._rdma_device(name, evidence) for name, evidence in sorted(unique.items()) if name in self._rdma]
        return LensPodDevices(
            gpu=tuple(sorted((gpu for gpu in gpus if gpu), key=lambda gpu: (gpu.id or 0, gpu.device))),
            infiniband=tuple(sorted(rdma, key=lambda device: (device.id or 0, device.device))),
        )

    def _at(self, given: ContainerDevice, hidden: Collection[str]) -> Iterator[str]:
        for item in self._items.values():
            if item.vendor in hidden:
                continue
            dri = self._inventory.dri_of(item)
            nodes = {dri.card, dri.render} if dri else set()
            if nodes and item.vendor != NVIDIA:
                # The folder has all of them; NVIDIA's there are of graphics alone.
                nodes.add(DRI_FOLDER)
            if given.path is not None and given.path in {*nodes, _own_node(item)} - {None}:
                yield item.uuid
        for device in self._rdma.values():
            if device.uverbs and given.path in (INFINIBAND + device.uverbs, INFINIBAND.rstrip("/")):
                yield device.name

    def _gpu(self, uuid: str, evidence: str) -> LensPodDevice | None:
        part = self._parts.get(uuid)
        item = self._items.get(uuid) or (self._items.get(part.identity.uuid) if part else None)
        if item is None:
            return None
        told = self._described.setdefault(item.uuid, described(self._inventory, item))
        card = told.dri_device.card if told.dri_device else None
        render = told.dri_device.render if told.dri_device else None
        if part is not None and part.instance.dri_card:
            card = DEVICES + part.instance.dri_card
            render = DEVICES + part.instance.dri_render if part.instance.dri_render else None
        path = card or _own_node(item) or render
        return LensPodDevice(
            name=told.asic.market_name,
            id=item.number,
            path=path,
            type=CHARACTER_DEVICE if path else None,
            kind="GPU",
            uuid=told.asic.device_id,
            serial=told.asic.asic_serial,
            slot=item.pci_address,
            render=render,
            vendor=item.vendor,
            device=uuid,
            profile=part.instance.profile if part else None,
            evidence=evidence,
        )

    def _rdma_device(self, name: str, evidence: str) -> LensPodDevice:
        device = self._rdma[name]
        path = INFINIBAND + device.uverbs if device.uverbs else None
        return LensPodDevice(
            name=name,
            id=device.index,
            path=path,
            type=CHARACTER_DEVICE if path else None,
            kind="RDMA",
            uuid=guid_by_bytes(device.node_guid),
            serial=name,
            slot=device.uverbs.removeprefix(UVERBS) if device.uverbs else None,
            device=name,
            evidence=evidence,
        )


def _hidden_vendors(container: Container) -> frozenset[str]:
    """Vendors none of whose GPUs a container sees, though it may have their nodes (`oci.devices.by_environment`)."""
    chosen = (given.request.partition("=") for given in container.devices if given.request is not None)
    runs = CRI_STATES.get(container.state) == CRI_STATES["running"]
    return frozenset(NARROWING[name] for name, _, value in chosen if name in NARROWING and (runs or not value))


def _own_node(item: Item) -> str | None:
    """NVIDIA's, which is no DRM node."""
    device = item.gpu.identity.device if item.gpu else None
    return f"/dev/{device}" if device else None


def _nanoseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * NANOSECONDS)


def _written(seconds: float | None) -> str | None:
    """RFC 3339, in UTC."""
    return None if seconds is None else time.strftime(TIME_FORMAT, time.gmtime(seconds))
