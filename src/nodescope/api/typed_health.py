"""/api/v1/health: the verdicts on devices. The HTTP status is 200 whatever they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from nodescope.api.node import Node
from nodescope.api.query import Query
from nodescope.api.selection import MAX_VERDICTS, Answer, chosen_gpus, limited
from nodescope.api.typed_gpus import worst
from nodescope.health.drivers import driver_verdicts
from nodescope.health.rule import ALL, RANKS
from nodescope.records.gpu_snapshot import GpuHealth, GpuSource
from nodescope.records.health import DeviceHealth
from nodescope.records.kinds import of_kind


class VerdictAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one component of a device. `evidence`: what was read; `action`: what to do.

    `subject`: the GPU's uuid, or another device's name: a port ("mlx5_0/1"), a PCI address, a controller ("nvme0");
    of a driver that tells of no GPU the vendor. `vendor`: of a GPU or a driver; `uuid`, `index`, `pci_address`: of a
    GPU alone.
    """

    subject: str
    vendor: str | None
    uuid: str | None
    index: int | None
    pci_address: str | None
    component: str
    state: str
    reason: str
    evidence: str
    action: str


class HealthAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`state`: the worst of those asked for: "ok", "unknown", "warning" or "critical"; "unknown" where there are none.

    Of a GPU whose verdict on "all" is among them that one counts, as for `nodescope check`: what merely was not judged
    makes no GPU unknown. `counts`: verdicts by state. `verdicts`: the worst first. `left_out`: those beyond the limit.
    """

    state: str
    sampled_age_seconds: float | None
    left_out: int
    counts: dict[str, int]
    verdicts: list[VerdictAnswer]


def health(node: Node, query: Query) -> Answer:
    """Every verdict that is asked for."""
    found = node.health()
    if "uuid" in query:
        chosen_gpus(node.gpus().records, query)
    of_gpus = [one for one in of_kind(found.records, GpuHealth) if _is_asked_for(one, query)]
    of_others = [] if {"vendor", "uuid"} & query.keys() else of_kind(found.records, DeviceHealth)
    all_asked = [*map(_of_gpu, of_gpus), *_of_drivers(node, of_kind(found.records, GpuHealth), query)]
    all_asked += map(_of_device, of_others)
    verdicts = [one for one in all_asked if query.get("state") in (None, one.state)]
    verdicts.sort(key=lambda one: -RANKS.get(one.state, 0))
    shown, left_out = limited(verdicts, MAX_VERDICTS)
    answer = HealthAnswer(
        state=_worst(verdicts),
        sampled_age_seconds=found.age_seconds,
        left_out=left_out,
        counts=dict(Counter(one.state for one in verdicts)),
        verdicts=shown,
    )
    return Answer(answer, found.age_seconds, left_out)


def _worst(verdicts: Sequence[VerdictAnswer]) -> str:
    """A GPU's own verdict stands for those on its components."""
    whole = {one.uuid for one in verdicts if one.component == ALL}
    return worst(one.state for one in verdicts if one.component == ALL or one.uuid not in whole)


def _is_asked_for(one: GpuHealth, query: Query) -> bool:
    identity = one.identity
    return query.get("vendor") in (None, identity.vendor) and query.get("uuid") in (None, identity.uuid)


def _of_drivers(node: Node, of_gpus: Sequence[GpuHealth], query: Query) -> list[VerdictAnswer]:
    """Of drivers that tell of no GPU: no uuid is theirs."""
    if "uuid" in query:
        return []
    found = driver_verdicts(of_kind(node.gpus().records, GpuSource), of_gpus)
    return [_of_device(one, one.subject) for one in found if query.get("vendor") in (None, one.subject)]


def _of_device(one: DeviceHealth, vendor: str | None = None) -> VerdictAnswer:
    return VerdictAnswer(
        subject=one.subject,
        vendor=vendor,
        uuid=None,
        index=None,
        pci_address=None,
        component=one.component,
        state=one.state,
        reason=one.reason,
        evidence=one.evidence,
        action=one.action,
    )


def _of_gpu(one: GpuHealth) -> VerdictAnswer:
    return VerdictAnswer(
        subject=one.identity.uuid,
        vendor=one.identity.vendor,
        uuid=one.identity.uuid,
        index=one.identity.index,
        pci_address=one.identity.pci_address,
        component=one.component,
        state=one.state,
        reason=one.reason,
        evidence=one.evidence,
        action=one.action,
    )
