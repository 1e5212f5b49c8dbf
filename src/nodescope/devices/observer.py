"""Makes the records of a snapshot from what a source of readings of one vendor's GPUs reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from nodescope.devices.dri import dri_nodes
from nodescope.devices.gpu_past import GpuPast
from nodescope.devices.plausible import Plausible
from nodescope.devices.rates import Rates
from nodescope.devices.source import Observed, Source, SourceFailed
from nodescope.devices.throttle_window import ThrottleWindow
from nodescope.devices.window import Windows
from nodescope.host import Host
from nodescope.records.gpu import GpuIdentity, GpuReading, GpuReport, InstanceIdentity, ProcessReading
from nodescope.records.gpu_snapshot import (
    Gpu,
    GpuEcc,
    GpuHealth,
    GpuInstance,
    GpuLink,
    GpuProcess,
    GpuSource,
    GpuThrottle,
    MissedXids,
    XidCount,
)

FIRST_WAIT_S: Final = 10.0
"""How long the first sample waits for the driver to start; meanwhile nobody is told anything wrong."""

HEALTH_SECONDS: Final = 5.0
RESTING: Final = frozenset({"paused", "starting"})
"""States of GPUs that are not read for a while, and that nobody need be told of component by component."""
MAX_IDENTITIES: Final = 256
AGE_LIMIT_INTERVALS: Final = 3

Publish = Callable[[str, str, Mapping[str, str]], object]


class Xids(Protocol):
    """What counts XIDs, from all sources together."""

    def identities(self, gpus: Sequence[GpuIdentity]) -> None: ...

    def records(self, gpus: Sequence[GpuIdentity]) -> tuple[XidCount, ...]: ...

    def was_reset(self, uuid: str, time_seconds: float) -> None: ...

    def missed(self) -> tuple[MissedXids, ...]: ...


class NoXids:
    """Counts nothing: only NVIDIA has XIDs."""

    def identities(self, gpus: Sequence[GpuIdentity]) -> None:
        """Nothing to tell them apart for."""

    def records(self, gpus: Sequence[GpuIdentity]) -> tuple[XidCount, ...]:
        """None, of every GPU."""
        return ()

    def was_reset(self, uuid: str, time_seconds: float) -> None:
        """There is nothing that a reset ends."""

    def missed(self) -> tuple[MissedXids, ...]:
        """None."""
        return ()


class Parts(NamedTuple):
    """What the observer is made of. `throttles` says why clocks are low; `past` is what an observer before knew, with
    what judges; `named` fills in who a process is; `changes` says what to publish of verdicts."""

    vendor: str
    source: Source
    throttles: Callable[[GpuIdentity, GpuReading], Sequence[GpuThrottle]]
    xids: Xids
    past: GpuPast
    changes: Callable[[Sequence[GpuHealth], Sequence[GpuHealth]], Iterable[tuple[str, str, Mapping[str, str]]]]
    named: Callable[[Sequence[ProcessReading]], tuple[ProcessReading, ...]]
    publish: Publish


class GpuObserver:
    """One source, and all that its reports become.

    `max_age_s`: how old a reading may be and still be shown. `interval_s`: of the source's samples.
    """

    def __init__(self, host: Host, parts: Parts, interval_s: float, max_age_s: float, window_s: float) -> None:
        self._host = host
        self._parts = parts
        self._interval_s = interval_s
        self._max_age_s = self._limit_s = max_age_s
        self._plausible = Plausible(parts.vendor)
        self._rates = Rates()
        self._windows = Windows(window_s)
        self._throttle_window = ThrottleWindow()
        self._past = parts.past
        self._completed_identities: dict[GpuIdentity, GpuIdentity] = {}
        self._judged_at = float("-inf")
        self._started = False

    def close(self) -> None:
        """Gives the driver up."""
        self._parts.source.close()

    def sample(self) -> tuple[Any, ...]:
        """Waits for something new, and gives its records. Raises `Absent` where there is no GPU."""
        source = self._parts.source
        wait_s = 2 * self._interval_s if self._started else max(FIRST_WAIT_S, 2 * self._interval_s)
        try:
            observed = source.observe(wait_s)
        except SourceFailed:
            self._started = True
            return (source.status(), *self._plausible.records())
        self._started = True
        return tuple(self._records(observed, source.status()))

    def _records(self, observed: Observed, status: GpuSource) -> Iterator[Any]:
        self._limit_s = max(self._max_age_s, AGE_LIMIT_INTERVALS * status.interval_seconds)
        identities = {identity.uuid: self._completed(identity) for identity in observed.gpus}
        reports = {report.uuid: report for report in observed.reports}
        slots = {instance.uuid: instance for instance in observed.instances}
        self._parts.xids.identities(tuple(identities.values()))
        gpus: list[Gpu] = []
        links: list[GpuLink] = []
        eccs: list[GpuEcc] = []
        now = time.monotonic()
        for uuid, identity in identities.items():
            report = self._checked(reports.get(uuid) or GpuReport(uuid=uuid, state="starting"))
            gpu = self._gpu(identity, report, now)
            gpus.append(gpu)
            if gpu.reading is report.reading:
                links += [GpuLink(identity=identity, reading=link) for link in report.links]
                eccs += [GpuEcc(identity=identity, reading=ecc) for ecc in report.ecc]
                told = self._parts.throttles(identity, report.reading)
                yield from self._throttle_window.counted(told, report.sampled_monotonic_seconds)
                yield from _instances(gpu, report, slots)
                yield from self._processes(identity, report, slots)
        # That a source lists none before it has looked, as in a pause, does not say that any has gone.
        has_looked = bool(gpus) or observed.generation > 0
        if has_looked:
            with self._past.lock:
                self._tell(gpus)
        xids = self._parts.xids.records(tuple(identities.values()))
        yield from gpus
        yield from links
        yield from eccs
        yield from xids
        if has_looked:
            with self._past.lock:
                verdicts = self._judged(gpus, links, eccs, xids, status, now)
            yield from verdicts
        yield from self._parts.xids.missed()
        yield status
        yield from self._plausible.records()

    def _completed(self, identity: GpuIdentity) -> GpuIdentity:
        """With its DRM nodes, which the vendor's library does not tell. One object for each identity."""
        known = self._completed_identities.get(identity)
        if known is None:
            card, render = dri_nodes(self._host, identity.pci_address) if identity.pci_address else (None, None)
            known = msgspec.structs.replace(identity, dri_card=card, dri_render=render)
            if len(self._completed_identities) >= MAX_IDENTITIES:
                self._completed_identities.clear()
            self._completed_identities[identity] = known
        return known

    def _checked(self, report: GpuReport) -> GpuReport:
        return self._rates.applied(self._plausible.checked(report))

    def _gpu(self, identity: GpuIdentity, report: GpuReport, now: float) -> Gpu:
        sampled = report.sampled_monotonic_seconds
        age = max(0.0, now - sampled) if sampled else None
        fresh = age is not None and age <= self._limit_s
        return Gpu(
            identity=identity,
            state=report.state,
            reason=report.reason,
            up=int(fresh and report.state == "ok"),
            age_seconds=age,
            reading=report.reading if fresh else GpuReading(),
            window=self._windows.added(report),
            processes_told=report.processes_told,
        )

    def _processes(
        self, identity: GpuIdentity, report: GpuReport, slots: Mapping[str, InstanceIdentity]
    ) -> Iterator[GpuProcess]:
        for process in self._parts.named(report.processes):
            instance = slots.get(process.instance_uuid or "")
            yield GpuProcess(identity=identity, reading=process, instance=instance)

    def _judged(
        self,
        gpus: Sequence[Gpu],
        links: Sequence[GpuLink],
        eccs: Sequence[GpuEcc],
        xids: Sequence[XidCount],
        status: GpuSource,
        now: float,
    ) -> tuple[GpuHealth, ...]:
        """The verdicts, which are made anew each `HEALTH_SECONDS`, and at once when a GPU came, went or changed."""
        if now - self._judged_at >= HEALTH_SECONDS:
            self._past.verdicts = self._past.health.examined(gpus, links, eccs, xids, status)
            self._judged_at = now
            resting = {gpu.identity.uuid for gpu in gpus if gpu.state in RESTING}
            for kind, subject, attributes in self._parts.changes(*self._past.news(self._past.verdicts, resting)):
                self._parts.publish(kind, subject, attributes)
        return self._past.verdicts

    def _tell(self, gpus: Sequence[Gpu]) -> None:
        """Events of what came, went and changed its state; a change makes health be examined at once."""
        current = {gpu.identity.uuid: (gpu.state, gpu.identity) for gpu in gpus}
        for gpu in gpus:
            before = self._past.known.get(gpu.identity.uuid)
            if before is None:
                self._publish("gpu.added", gpu.identity, state=gpu.state)
            elif before[0] != gpu.state:
                self._publish("gpu.state", gpu.identity, state=gpu.state, before=before[0], reason=gpu.reason)
        for uuid, (_, identity) in self._past.known.items():
            if uuid not in current:
                self._publish("gpu.removed", identity)
        if {uuid: state for uuid, (state, _) in self._past.known.items()} != {
            uuid: state for uuid, (state, _) in current.items()
        }:
            self._judged_at = float("-inf")
        self._past.known = current

    def _publish(self, kind: str, identity: GpuIdentity, **attributes: str) -> None:
        about = {"vendor": identity.vendor, "pci_address": identity.pci_address or "", "model": identity.model or ""}
        self._parts.publish(kind, identity.uuid, {**about, **attributes})


def _instances(gpu: Gpu, report: GpuReport, slots: Mapping[str, InstanceIdentity]) -> Iterator[GpuInstance]:
    """What is shared is told of the first compute instance of each GPU instance; one whose GPU instance the driver does
    not name shares with none."""
    seen: set[int | str] = set()
    for reading in report.instances:
        instance = slots.get(reading.uuid)
        if instance is None or instance.gpu_uuid != gpu.identity.uuid:
            continue
        whole = instance.uuid if instance.gpu_instance_id is None else instance.gpu_instance_id
        first = int(whole not in seen)
        seen.add(whole)
        yield GpuInstance(identity=gpu.identity, instance=instance, gpu=gpu, first=first, reading=reading)
