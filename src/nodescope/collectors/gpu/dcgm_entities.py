"""Makes what DCGM sees of what was sampled: entities, and what is known of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec import structs

from nodescope.collectors.gpu.dcgm_devices import FLEXIBLE, Devices
from nodescope.profiles.dcgm import DEFAULT_NAMING, Naming, Selection
from nodescope.profiles.dcgm_xids import message
from nodescope.records.dcgm import DcgmClockEvents, DcgmEntity, DcgmHealth, DcgmPeer, DcgmXidCount, DcgmXidTotal
from nodescope.records.gpu import LinkReading
from nodescope.records.gpu_peer import peers
from nodescope.records.gpu_pod import GpuPod
from nodescope.records.gpu_snapshot import Gpu, GpuHealth, GpuInstance, GpuLink, GpuThrottle, XidCount

Kinds = dict[type, list[Any]]
ByGpu = dict[str, list[DcgmEntity]]
Pods = dict[tuple[str, int | None], tuple[GpuPod, ...]]
"""By GPU, and its instance, None for the whole."""

LINK_FIELDS: Final = (
    "throughput_megabytes_per_second",
    "tx_megabytes_per_second",
    "rx_megabytes_per_second",
    "crc_flit_errors",
    "crc_data_errors",
    "replay_errors",
    "recovery_errors",
)
CLOCK_EVENTS: Final = {
    "gpu_idle": "gpu_idle",
    "applications_clocks_setting": "clocks_setting",
    "sw_power_cap": "power_cap",
    "hw_slowdown": "hw_slowdown",
    "sync_boost": "sync_boost",
    "sw_thermal_slowdown": "sw_thermal",
    "hw_thermal_slowdown": "hw_thermal",
    "hw_power_brake_slowdown": "hw_power_brake",
    "display_clock_setting": "display_clocks",
}
"""Reasons for lower clocks -> dcgm-exporter's words."""

WATCHES: Final = {
    "device": "ALL",
    "xid": "ALL",
    "driver": "DRIVER",
    "inforom": "INFOROM",
    "memory": "MEM",
    "nvlink": "NVLINK",
    "pcie": "PCIE",
    "power": "POWER",
    "thermal": "THERMAL",
}
"""Components of health -> DCGM's watches, of which ALL is for what befalls the whole GPU. DCGM's PMU, MCU and SM are
not judged here, and are absent."""

PEER_STATUSES: Final = (
    "OK",
    "ChipsetNotSupported",
    "GPUNotSupported",
    "TopologyNotSupported",
    "DisabledByRegKey",
    "NotSupported",
    "Unknown",
)
"""dcgm-exporter's words, by NVML's numbers; the last one for all that are greater."""

RESULTS: Final = {0: (0, "DCGM_FR_OK"), 1: (10, "DCGM_FR_UNKNOWN"), 2: (20, "DCGM_FR_UNKNOWN")}
"""Our verdicts -> DCGM's result (pass, warn, fail) and error code. Unknown is none of them."""


class DcgmEntities:
    """`hostname`: what the label Hostname says. `selection`: which fields will be asked for. `devices`: of what.

    `left_out`: MIG devices of the newest snapshot whose GPU instance is not known: no label tells two of them apart.
    None where instances are not asked for.
    """

    def __init__(
        self, hostname: str, selection: Selection, naming: Naming = DEFAULT_NAMING, devices: Devices = FLEXIBLE
    ) -> None:
        self.left_out = 0
        self._hostname = hostname
        self._naming = naming
        self._devices = devices
        self._links = any(row.field.startswith("links[") for rows in selection.rows.values() for row in rows)
        self._about = [_ABOUT[kind] for kind in selection.rows if kind in _ABOUT]

    def made(self, records: Iterable[Any]) -> tuple[list[Any], list[Any]]:
        """The entities of a snapshot, and what else is asked for of each: whole GPUs, and GPU instances."""
        kinds: Kinds = {}
        for record in records:
            kinds.setdefault(type(record), []).append(record)
        xids: list[XidCount] = kinds.get(XidCount, [])
        last = {count.identity.uuid: count.xid for count in xids if count.last}
        links = _links(kinds.get(GpuLink, [])) if self._links else {}
        first: list[GpuInstance] = [instance for instance in kinds.get(GpuInstance, []) if instance.first]
        instances = [instance for instance in first if instance.instance.gpu_instance_id is not None]
        self.left_out = len(first) - len(instances) if self._devices.instances else 0
        divided = {instance.identity.uuid for instance in instances}
        gpus: list[Gpu] = [gpu for gpu in kinds.get(Gpu, []) if self._is_shown(gpu, gpu.identity.uuid in divided)]
        if not self._devices.instances:
            instances = []
        pods = _pods(kinds.get(GpuPod, ()), kinds.get(GpuInstance, ()))
        whole = [entity for gpu in gpus for entity in self._entities(gpu, None, last, links, pods)]
        parts = [entity for part in instances for entity in self._entities(part.gpu, part, last, links, pods)]
        return self._with_more(whole, kinds), self._with_more(parts, kinds)

    def _is_shown(self, gpu: Gpu, divided: bool) -> bool:
        devices = self._devices
        wanted = devices.divided if divided else devices.undivided
        return wanted and (devices.gpus is None or gpu.identity.index in devices.gpus)

    def _with_more(self, entities: list[DcgmEntity], kinds: Kinds) -> list[Any]:
        by_gpu: ByGpu = {}
        for entity in entities:
            by_gpu.setdefault(entity.identity.uuid, []).append(entity)
        return [*entities, *(record for about in self._about for record in about(by_gpu, kinds))]

    def _entities(
        self,
        gpu: Gpu,
        part: GpuInstance | None,
        last: dict[str, int],
        links: dict[str, dict[str, float]],
        pods: Pods,
    ) -> list[DcgmEntity]:
        """One, and of a GPU that several pods share one for each, where that is asked for."""
        # That a GPU which does not answer has had no error is not known.
        model = gpu.identity.model
        xid = last.get(gpu.identity.uuid, 0 if gpu.up else None)
        entity = DcgmEntity(
            identity=gpu.identity,
            hostname=self._hostname,
            model="-".join(model.split()) if model and self._naming.dashes else model,
            card=gpu.reading,
            memory=part.reading if part else gpu.reading,
            profiling=(part or gpu).reading.profiling,
            card_profiling={} if part else gpu.reading.profiling,
            instance=part.instance if part else None,
            links=links.get(gpu.identity.uuid, {}),
            xid=xid,
            xid_message="" if xid is None else message(xid),
        )
        held = pods.get((gpu.identity.uuid, part.instance.gpu_instance_id if part else None), ())
        return [structs.replace(entity, pod=pod) for pod in self._shown(held)] or [entity]

    def _shown(self, held: Sequence[GpuPod]) -> list[GpuPod]:
        """Of those that hold a GPU the ones that it is shown with, each once."""
        if self._naming.shares:
            return list({(pod.namespace, pod.name, pod.container, pod.share): pod for pod in held}.values())
        return [structs.replace(pod, share="") for pod in held[-1:] if self._naming.pods]


def _pods(pods: Iterable[GpuPod], instances: Iterable[GpuInstance]) -> Pods:
    """Whom GPUs and GPU instances were given to; a GPU instance to all that have a compute instance of it."""
    by_uuid: dict[str, tuple[GpuPod, ...]] = {}
    for pod in pods:
        by_uuid[pod.uuid] = (*by_uuid.get(pod.uuid, ()), pod)
    found: Pods = {(uuid, None): held for uuid, held in by_uuid.items()}
    for part in instances:
        key = (part.identity.uuid, part.instance.gpu_instance_id)
        if key[1] is not None and (held := by_uuid.get(part.instance.uuid, ())):
            found[key] = (*found.get(key, ()), *held)
    return found


def _links(links: Sequence[GpuLink]) -> dict[str, dict[str, float]]:
    """GPU -> what is read of its single links, by "attribute_link"."""
    found: dict[str, dict[str, float]] = {}
    for link in links:
        found.setdefault(link.identity.uuid, {}).update(_named(link.reading))
    return found


def _named(link: LinkReading) -> Iterator[tuple[str, float]]:
    for field in LINK_FIELDS:
        value = getattr(link, field)
        if value is not None:
            yield f"{field}_{link.link}", value


def _xid_counts(by_gpu: ByGpu, kinds: Kinds) -> Iterator[DcgmXidCount]:
    """XIDs of the window; of a GPU that had none, one count of 0."""
    xids: list[XidCount] = [count for count in kinds.get(XidCount, []) if count.window_count]
    seen = {xid.identity.uuid for xid in xids}
    for xid in xids:
        for entity in by_gpu.get(xid.identity.uuid, ()):
            yield DcgmXidCount(entity=entity, xid=xid.xid, count=xid.window_count)
    for uuid, entities in by_gpu.items():
        if uuid not in seen:
            yield from (DcgmXidCount(entity=entity) for entity in entities)


def _xid_totals(by_gpu: ByGpu, kinds: Kinds) -> Iterator[DcgmXidTotal]:
    xids: list[XidCount] = kinds.get(XidCount, [])
    for xid in xids:
        for entity in by_gpu.get(xid.identity.uuid, ()):
            yield DcgmXidTotal(entity=entity, xid=xid.xid, count=xid.count)


def _clock_events(by_gpu: ByGpu, kinds: Kinds) -> Iterator[DcgmClockEvents]:
    throttles: list[GpuThrottle] = kinds.get(GpuThrottle, [])
    for throttle in throttles:
        event = CLOCK_EVENTS.get(throttle.reason)
        if event and throttle.window_count is not None:
            for entity in by_gpu.get(throttle.identity.uuid, ()):
                yield DcgmClockEvents(
                    entity=entity, event=event, count=throttle.window_count, total=throttle.begun_count
                )


def _verdicts(by_gpu: ByGpu, kinds: Kinds) -> Iterator[DcgmHealth]:
    """The worst verdict of each watch of which something is known."""
    verdicts: list[GpuHealth] = kinds.get(GpuHealth, [])
    worst: dict[tuple[str, str], int] = {}
    for verdict in verdicts:
        watch = WATCHES.get(verdict.component)
        if watch and verdict.value in RESULTS:
            key = (verdict.identity.uuid, watch)
            worst[key] = max(verdict.value, worst.get(key, 0))
    for (uuid, watch), value in worst.items():
        result, error_code = RESULTS[value]
        for entity in by_gpu.get(uuid, ()):
            yield DcgmHealth(entity=entity, watch=watch, value=result, error_code=error_code)


def _peers(by_gpu: ByGpu, kinds: Kinds) -> Iterator[DcgmPeer]:
    for pair in peers(kinds.get(Gpu, [])):
        if pair.peer.index is None:
            continue
        status = PEER_STATUSES[min(pair.number, len(PEER_STATUSES) - 1)]
        for entity in by_gpu.get(pair.identity.uuid, ()):
            yield DcgmPeer(entity=entity, peer=pair.peer.index, status=status, value=pair.number)


_ABOUT: Final[dict[type, Callable[[ByGpu, Kinds], Iterable[Any]]]] = {
    DcgmXidCount: _xid_counts,
    DcgmXidTotal: _xid_totals,
    DcgmClockEvents: _clock_events,
    DcgmHealth: _verdicts,
    DcgmPeer: _peers,
}
"""What is made for rows of a kind, where there are any."""
