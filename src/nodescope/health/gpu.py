"""Verdicts on GPUs: one on each component of each GPU, and one on all of it.

*Source*: the records of a snapshot, their history and their siblings, judged by `rules`. *Absent when*: a GPU has no
such component (no NVLink, no InfoROM). *Cost*: well under 2 ms for eight GPUs.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from nodescope.health.gpu_inputs import Inputs, derived, nvlink_inputs, source_inputs
from nodescope.health.history import HOUR_SECONDS, SAMPLE_SECONDS, History
from nodescope.health.hold import Hold, changes
from nodescope.health.rule import ALL, OK, RANKS, UNKNOWN, VALUES, Finding, Rules, merged
from nodescope.health.rules import RULES, UNREAD
from nodescope.health.siblings import Peer, compared, own_trend
from nodescope.health.thresholds import thresholds
from nodescope.health.xids import missed_findings, xid_findings
from nodescope.records.gpu_snapshot import Gpu, GpuEcc, GpuHealth, GpuLink, GpuSource, XidCount

__all__ = ["COMPONENTS", "GpuHealthRules", "changes"]

T = TypeVar("T", GpuLink, GpuEcc, XidCount)

READ: Final = ("memory", "pcie", "nvlink", "power", "thermal", "clocks")
"""Components that only a reading tells of."""

COMPONENTS: Final = ("device", "driver", *READ, "inforom", "xid")
ALWAYS: Final = frozenset(COMPONENTS) - {"nvlink", "inforom"}
"""Components that every GPU has."""

WEIGHTY: Final = frozenset({"device", "driver"})
"""Components that make the whole GPU unknown when they are; of others it is said that they were not judged."""

FORGET_SECONDS: Final = HOUR_SECONDS
"""How long the history of a GPU that is gone is kept: it may come back, after a reset."""

STAGGER_SECONDS: Final = 7.5
"""Between the ends of two GPUs' minutes, so that their histories are not all worked on at once."""

MAX_KEPT: Final = 256
MAX_HUNG: Final = 64
CLOCK_STEP_S: Final = 60.0
"""From which on the clock was set, and not slewed."""
STARTING: Final = "starting"
PAUSED: Final = "paused"
NOT_LOOKED_AT: Final = frozenset({PAUSED, STARTING})
"""States of a GPU that nobody reads just now: that it was lost or due for a reset before is not over."""

AFTER_RESET: Final = frozenset({"lost", "reset_required"})
NOT_READ: Final = "the GPU gives no readings"
SEE_DEVICE: Final = "see what the components device and driver say"


class GpuHealthRules:
    """Judges GPUs each time `examined` is called; between the calls should be some seconds, and at most a minute.

    `given`: thresholds that differ from the table's. `clock`: monotonic seconds; `wall_clock`: Unix time;
    `booted_seconds`: when the node was started, Unix time: older XIDs are history. `xids_problem`: why XIDs may be
    missing, "" where they are not. `on_reset(uuid, time)`: told of each reset that is seen, Unix time.
    """

    def __init__(
        self,
        given: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        booted_seconds: float | None = None,
        xids_problem: Callable[[], str] = str,
        on_reset: Callable[[str, float], object] = lambda uuid, seconds: None,
    ) -> None:
        values = thresholds(given or {})
        self._pcie_busy_percent = values["pcie_busy_percent"]
        self._clock = clock
        self._xids_problem = xids_problem
        self._on_reset = on_reset
        self._wall_clock = wall_clock
        self._boot_is_given = booted_seconds is not None
        self._booted_seconds = _booted(wall_clock()) if booted_seconds is None else booted_seconds
        self._booted_before = self._booted_seconds
        self._rules = Rules(RULES, UNREAD, values)
        self._hold = Hold()
        self._kept: dict[str, _Kept] = {}
        self._compared: tuple[int, dict[str, dict[str, float]]] = (-1, {})
        self._hung = _Rises()

    def examined(
        self,
        gpus: Sequence[Gpu],
        links: Sequence[GpuLink],
        eccs: Sequence[GpuEcc],
        xids: Sequence[XidCount],
        source: GpuSource | None,
    ) -> tuple[GpuHealth, ...]:
        """The verdicts on `gpus`, each GPU's together, "all" the last of them."""
        now, wall = self._clock(), self._wall_clock()
        if not self._boot_is_given:
            self._follow_clock(_booted(wall))
        links_of, eccs_of, xids_of = _by_gpu(links), _by_gpu(eccs), _by_gpu(xids)
        for gpu in gpus:
            self._see(now, wall, gpu, links_of.get(gpu.identity.uuid, ()))
        from_source = source_inputs(source)
        if source is not None:
            from_source["driver_hung_calls_last_hour"] = self._hung.last_hour(source.hung_calls, now)
        siblings = self._siblings(gpus)
        usual_links = _usual_links(gpus, links_of)
        xids_missed = missed_findings(self._xids_problem())
        found: list[GpuHealth] = []
        for gpu in gpus:
            uuid = gpu.identity.uuid
            kept, its_links = self._kept[uuid], links_of.get(uuid, ())
            nvlinks = nvlink_inputs(gpu, its_links, kept.nvlinks, usual_links.get(gpu.identity.model))
            inputs = derived(gpu, its_links, eccs_of.get(uuid, ()), nvlinks, self._pcie_busy_percent)
            compared_with = siblings.get(uuid, {})
            inputs |= from_source
            if gpu.up:
                inputs |= own_trend(kept.history.derived, compared_with) | compared_with
            if source is not None and source.state == PAUSED:
                kept.paused = True
            elif kept.paused and gpu.up:
                # That it was not read was asked for, and is over: nothing of it is to be kept from flapping.
                kept.paused = False
                self._hold.let_go(uuid)
            findings = self._findings(gpu, Inputs(gpu.reading, inputs), now)
            its_xids = xids_of.get(uuid, ())
            resets = (xid.gpu_reset_seconds or 0.0 for xid in its_xids)
            since = max(self._booted_seconds, kept.reset_seconds, *resets)
            findings += xid_findings(its_xids, uuid, wall, since) + xids_missed
            found += self._verdicts(gpu, findings, kept, now)
        self._forget(now)
        return tuple(found)

    def _see(self, now: float, wall: float, gpu: Gpu, links: Sequence[GpuLink]) -> None:
        kept = self._of(gpu)
        before = kept.reset_seconds
        kept.see(now, wall, gpu, links)
        if kept.reset_seconds > before:
            self._on_reset(gpu.identity.uuid, kept.reset_seconds)

    def _findings(self, gpu: Gpu, lookup: Inputs, now: float) -> list[Finding]:
        findings = self._rules.findings(gpu.identity.uuid, lookup, now)
        if not gpu.up:
            read = f"state={gpu.state}"
            return findings + [Finding(component, UNKNOWN, NOT_READ, read, SEE_DEVICE) for component in READ]
        return findings + list(self._rules.unread(lookup))

    def _follow_clock(self, booted: float) -> None:
        """`booted`: when the node was started, by the clock as it is now."""
        step = booted - self._booted_before
        self._booted_before = booted
        if step > CLOCK_STEP_S:
            # Set forward, as on a node that learns the time late: XIDs of this boot are told by the new clock then.
            self._booted_seconds = booted
        if abs(step) > CLOCK_STEP_S:
            for kept in self._kept.values():
                kept.follow_clock(step)
        # A clock that was ahead at the start and is set right: what is seen from then on is since the start, too.
        self._booted_seconds = min(self._booted_seconds, booted)

    def _verdicts(self, gpu: Gpu, findings: Sequence[Finding], kept: _Kept, now: float) -> list[GpuHealth]:
        said = {finding.component for finding in findings if finding.reason is not NOT_READ}
        # Of a GPU that has not been read yet nothing is known, and that is no news of its components.
        there = WEIGHTY if gpu.state == STARTING else ALWAYS | kept.components
        present = [one for one in COMPONENTS if one in there or one in said]
        verdicts = []
        for component in present:
            verdict = _verdict(gpu, component, [one for one in findings if one.component == component])
            verdicts.append(self._hold.settled(verdict, now))
        verdicts += self._hold.held(gpu.identity.uuid, present, now)
        return [*verdicts, _of_all(gpu, verdicts)]

    def _of(self, gpu: Gpu) -> _Kept:
        kept = self._kept.get(gpu.identity.uuid)
        if kept is None:
            first_seconds = SAMPLE_SECONDS - len(self._kept) * STAGGER_SECONDS % SAMPLE_SECONDS
            kept = self._kept[gpu.identity.uuid] = _Kept(first_seconds)
        return kept

    def _siblings(self, gpus: Sequence[Gpu]) -> dict[str, dict[str, float]]:
        """Compares anew when some history has grown."""
        version = sum(kept.history.version for kept in self._kept.values()) + len(gpus) * 1_000_003
        if version != self._compared[0]:
            peers = [
                Peer(gpu.identity.uuid, gpu.identity.model, gpu.reading.power_limit_enforced_milliwatts, recent)
                for gpu in gpus
                if gpu.up and (recent := self._kept[gpu.identity.uuid].history.recent) is not None
            ]
            self._compared = (version, compared(peers))
        return self._compared[1]

    def _forget(self, now: float) -> None:
        if all(now == kept.seen_at for kept in self._kept.values()):
            return
        newest = sorted(self._kept.items(), key=lambda item: -item[1].seen_at)[:MAX_KEPT]
        self._kept = {uuid: kept for uuid, kept in newest if now - kept.seen_at <= FORGET_SECONDS}
        here = [uuid for uuid, kept in self._kept.items() if kept.seen_at == now]
        self._rules.forget(here)
        self._hold.forget(here)


class _Kept:
    """What is remembered of a GPU. `nvlinks`: the most that were ever up. `components`: those that not every GPU has.
    `reset_seconds`: when it was last reset, Unix time, or a moment before. `paused`: not read since a pause."""

    __slots__ = (
        "before_drop",
        "components",
        "energy",
        "history",
        "nvlinks",
        "paused",
        "reset_seconds",
        "seen_at",
        "state",
        "wall",
    )

    def __init__(self, first_seconds: float) -> None:
        self.history = History(first_seconds)
        self.components: set[str] = set()
        self.nvlinks = 0
        self.paused = False
        self.reset_seconds = 0.0
        self.energy = 0
        self.before_drop: float | None = None
        self.state = ""
        self.seen_at = 0.0
        self.wall = 0.0

    def follow_clock(self, step: float) -> None:
        """The clock was set by `step` seconds."""
        self.wall += step
        self.reset_seconds += step if self.reset_seconds else 0.0
        if self.before_drop is not None:
            self.before_drop += step

    def see(self, now: float, wall: float, gpu: Gpu, links: Sequence[GpuLink]) -> None:
        """Takes a reading in."""
        self.seen_at = now
        reading = gpu.reading
        if self.state in AFTER_RESET and gpu.state == OK and gpu.up:
            self._was_reset(self.wall)
        if reading.energy_millijoules is not None:
            self._compare_energy(reading.energy_millijoules)
        # A reset under a clock that was ahead and is set right was before now in any case.
        self.reset_seconds = min(self.reset_seconds, wall)
        if gpu.state not in NOT_LOOKED_AT:
            self.state, self.wall = gpu.state, wall
        if links:
            self.components.add("nvlink")
            self.nvlinks = max(self.nvlinks, sum(link.reading.active == 1 for link in links))
        if gpu.identity.inforom_image_version:
            self.components.add("inforom")
        if gpu.up:
            self.history.add(now, gpu, links)

    def _compare_energy(self, energy: int) -> None:
        """The energy counter begins anew with the driver and with a reset; once less may be a slip of the driver."""
        if energy >= self.energy:
            self.energy, self.before_drop = energy, None
        elif self.before_drop is None:
            self.before_drop = self.wall
        else:
            self._was_reset(self.before_drop)
            self.energy, self.before_drop = energy, None

    def _was_reset(self, after_seconds: float) -> None:
        """It was after `after_seconds`, the last look before: no XID since then is forgotten."""
        self.reset_seconds = after_seconds
        self.nvlinks = 0


class _Rises:
    """How much a counter has risen in the last hour."""

    def __init__(self) -> None:
        self._before: int | None = None
        self._rises: deque[tuple[float, int]] = deque(maxlen=MAX_HUNG)

    def last_hour(self, count: int, now: float) -> int:
        if self._before is not None and count > self._before:
            self._rises.append((now, count - self._before))
        self._before = count
        while self._rises and now - self._rises[0][0] > HOUR_SECONDS:
            self._rises.popleft()
        return sum(rise for _, rise in self._rises)


def _booted(wall: float) -> float:
    """When the node was started, Unix time, by a clock that says `wall` now."""
    return wall - time.clock_gettime(time.CLOCK_BOOTTIME)


def _by_gpu(records: Iterable[T]) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {}
    for record in records:
        found.setdefault(record.identity.uuid, []).append(record)
    return found


def _usual_links(gpus: Sequence[Gpu], links_of: Mapping[str, Sequence[GpuLink]]) -> dict[str | None, int]:
    """How many links are up on most GPUs of a model, partitioned ones left out."""
    counts: dict[str | None, list[int]] = {}
    for gpu in gpus:
        links = links_of.get(gpu.identity.uuid, ())
        if links and gpu.reading.mig_mode != 1:
            counts.setdefault(gpu.identity.model, []).append(sum(link.reading.active == 1 for link in links))
    return {model: Counter(found).most_common(1)[0][0] for model, found in counts.items() if len(found) > 1}


def _verdict(gpu: Gpu, component: str, findings: Sequence[Finding]) -> GpuHealth:
    state, reason, evidence, action = merged(findings)
    return _made(gpu, component, state, reason, evidence, action)


def _of_all(gpu: Gpu, verdicts: Sequence[GpuHealth]) -> GpuHealth:
    """The worst of what is known; unknown only where device or driver are. Its evidence says what was not judged."""
    judged = [one for one in verdicts if one.state != UNKNOWN or one.component in WEIGHTY]
    others = [one.component for one in verdicts if one.state == UNKNOWN and one.component not in WEIGHTY]
    bad = sorted((one for one in judged if one.state != OK), key=lambda one: -RANKS[one.state])
    not_judged = f"not judged: {' '.join(others)}" if others else ""
    if not bad:
        return _made(gpu, ALL, OK, "", not_judged, "")
    more = f"; and {len(bad) - 1} more" if len(bad) > 1 else ""
    evidence = "; ".join(filter(None, (bad[0].evidence, not_judged)))
    return _made(gpu, ALL, bad[0].state, f"{bad[0].component}: {bad[0].reason}{more}", evidence, bad[0].action)


def _made(gpu: Gpu, component: str, state: str, reason: str, evidence: str, action: str) -> GpuHealth:
    known: dict[str, Any] = {"identity": gpu.identity, "component": component, "state": state, "value": VALUES[state]}
    return GpuHealth(**known, reason=reason, evidence=evidence, action=action)
