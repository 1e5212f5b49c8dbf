"""Verdicts on RDMA ports, PCIe links, NVMe controllers, the paths to NVMe subsystems, and memory modules.

*Source*: the newest records of their samplers, judged by `link_rules`. *Absent when*: there is no such device; a bridge
that is well has none. A verdict gets worse at once and better after a minute. *Cost*: well under 5 ms for 12 ports and
60 PCI devices.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from nodescope.health.history import HOUR_SECONDS
from nodescope.health.hold import HOLD_SECONDS, attributes
from nodescope.health.link_inputs import (
    ENDS,
    UP,
    Inputs,
    controller_inputs,
    module_inputs,
    path_inputs,
    pci_inputs,
    port_inputs,
    port_name,
    port_state,
)
from nodescope.health.link_rules import COUNTERS, MEMORY, NVME, NVME_PATHS, PCIE, RDMA, RULES, THRESHOLDS, UNREAD
from nodescope.health.rule import OK, RANKS, UNKNOWN, VALUES, Rules, merged
from nodescope.health.thresholds import thresholds
from nodescope.records.health import DeviceHealth
from nodescope.records.kinds import of_kind
from nodescope.records.memory import MemoryModule
from nodescope.records.nvme import NvmeController, NvmeNamespace
from nodescope.records.pci import PciDevice
from nodescope.records.rdma import RdmaCounter, RdmaDevice, RdmaPort

Key = tuple[str, str]
"""Component and subject."""

MAX_KEPT: Final = 4096
MINUTE_SECONDS: Final = 60.0
KIND: Final = "link.health"
_WATCHED: Final = frozenset(counter.name for counter in COUNTERS)
_SEVERITIES: Final = ("correctable", "nonfatal", "fatal")
_MEMORY_KINDS: Final = ("correctable", "uncorrectable")


class LinkHealthRules:
    """Judges links each time `examined` is called, which is best done each time they were sampled.

    `given`: thresholds that differ from `THRESHOLDS`; raises `ValueError` for one that is not there. `clock`: monotonic
    seconds.
    """

    def __init__(self, given: Mapping[str, float] | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        values = thresholds(given or {}, THRESHOLDS)
        self._clock = clock
        self._rules = {component: Rules(rules, UNREAD[component], values) for component, rules in RULES.items()}
        self._rises: dict[tuple[str, str], HourlyRise] = {}
        self._ports_up: dict[str, None] = {}
        self._pci: dict[str, tuple[float, Inputs]] = {}
        self._live: dict[str, HourlyMost] = {}
        self._kept: dict[Key, _Kept] = {}

    def examined(self, records: Iterable[Any]) -> tuple[DeviceHealth, ...]:
        """The verdicts on what `records` tell of: those of the RDMA, PCI, NVMe and memory samplers, in any order."""
        now = self._clock()
        records = tuple(records)
        inputs: dict[Key, Inputs] = {
            **self._rdma(records, now),
            **self._pcie(of_kind(records, PciDevice), now),
            **self._nvme(of_kind(records, NvmeController), of_kind(records, NvmeNamespace), now),
            **self._memory(of_kind(records, MemoryModule), now),
        }
        verdicts = [self._verdict(key, known, now) for key, known in inputs.items()]
        self._forget(inputs.keys())
        return tuple(
            one for one in verdicts if one.state != OK or inputs[one.component, one.subject].get("kind") in SHOWN
        )

    def _rdma(self, records: Sequence[Any], now: float) -> dict[Key, Inputs]:
        ports = of_kind(records, RdmaPort)
        devices = of_kind(records, RdmaDevice)
        found = port_inputs(ports, devices, self._ports_up)
        # A device that does not answer has no ports; every device has one.
        silent = {device.name for device in devices} - {port.device for port in ports}
        found |= {name: {"device": name, "port_state": None} for name in sorted(silent)}
        for port in ports:
            if port_state(port) in UP and len(self._ports_up) < MAX_KEPT:
                self._ports_up[port_name(port)] = None
        for counter in of_kind(records, RdmaCounter):
            name = f"{counter.device}/{counter.port}"
            if counter.counter in _WATCHED and name in found:
                found[name][f"{counter.counter}_last_hour"] = self._rise(name, counter.counter, counter.value, now)
        return {(RDMA, name): known for name, known in found.items()}

    def _pcie(self, devices: Sequence[PciDevice], now: float) -> dict[Key, Inputs]:
        found = pci_inputs(devices)
        for device in devices:
            for severity in _SEVERITIES if device.address in found else ():
                count = getattr(device, f"aer_{severity}_errors")
                if count is not None:
                    rise = self._rise(device.address, severity, count, now)
                    found[device.address] |= {f"aer_{severity}_last_hour": rise, f"aer_{severity}_errors": count}
        self._pci |= {address: (now, known) for address, known in found.items() if known["kind"] in ENDS}
        # Where nothing is told of any device, none of them is gone: the tree could not be read.
        self._pci = {at: known for at, known in self._pci.items() if now - known[0] < HOUR_SECONDS or not found}
        gone = {at: known for at, (_, known) in self._pci.items() if at not in found} if found else {}
        told = found | {
            at: {"gone": 1, **{name: known[name] for name in ("address", "kind", "names")}}
            for at, known in gone.items()
        }
        return {(PCIE, address): known for address, known in told.items()}

    def _nvme(
        self, controllers: Sequence[NvmeController], namespaces: Sequence[NvmeNamespace], now: float
    ) -> dict[Key, Inputs]:
        found: dict[Key, Inputs] = {(NVME, one.name): controller_inputs(one) for one in controllers}
        for subject, inputs in path_inputs(controllers, namespaces).values():
            live = inputs["controllers_live"]
            most = self._live.setdefault(subject, HourlyMost()).take(live, now)
            expected = max(most, inputs["controllers"])
            inputs |= {"controllers_expected": expected, "controllers_missing": expected - live}
            found[NVME_PATHS, subject] = inputs
        return found

    def _memory(self, modules: Sequence[MemoryModule], now: float) -> dict[Key, Inputs]:
        """Where nothing is counted nothing is said."""
        found: dict[Key, Inputs] = {}
        for module in modules:
            counts = {kind: getattr(module, f"{kind}_errors") for kind in _MEMORY_KINDS}
            rises = {
                f"{kind}_last_hour": self._rise(module.name, kind, count, now)
                for kind, count in counts.items()
                if count is not None
            }
            if rises:
                found[MEMORY, module.name] = module_inputs(module) | rises
        return found

    def _rise(self, subject: str, counter: str, count: int, now: float) -> int:
        """How much a counter has risen in the last hour."""
        rise = self._rises.get((subject, counter))
        if rise is None:
            rise = self._rises[subject, counter] = HourlyRise()
        return rise.take(count, now)

    def _verdict(self, key: Key, inputs: Inputs, now: float) -> DeviceHealth:
        component, subject = key
        rules = self._rules[component]
        findings = rules.findings(subject, inputs.get, now)
        state, reason, evidence, action = merged([*findings, *rules.unread(inputs.get)])
        verdict = DeviceHealth(
            component=component,
            subject=subject,
            state=state,
            value=VALUES[state],
            reason=reason,
            evidence=evidence,
            action=action,
        )
        kept = self._kept.get(key)
        if kept is not None:
            if RANKS[kept.verdict.state] > RANKS[state] and kept.verdict.state != UNKNOWN and kept.holds(now):
                return kept.verdict
            if kept.verdict == verdict:
                verdict = kept.verdict
        self._kept[key] = _Kept(verdict, now)
        return verdict

    def _forget(self, keys: Iterable[Key]) -> None:
        """What is told of no more."""
        there = frozenset(keys)
        subjects = frozenset(subject for _, subject in there)
        self._kept = {key: kept for key, kept in self._kept.items() if key in there}
        self._rises = {key: rise for key, rise in self._rises.items() if key[0] in subjects}
        self._live = {subject: most for subject, most in self._live.items() if subject in subjects}
        for component, rules in self._rules.items():
            rules.forget([subject for of, subject in there if of == component])


SHOWN: Final = frozenset({None, *ENDS})
"""Kinds of PCI devices of which it is told that they are well; None: what is no PCI device."""


class _Kept(NamedTuple):
    verdict: DeviceHealth
    found_at: float

    def holds(self, now: float) -> bool:
        return now - self.found_at < HOLD_SECONDS


class HourlyRise:
    """How much a counter rose in the last hour, by minutes. One that begins again has risen by nothing in between."""

    __slots__ = ("_before", "_minutes")

    def __init__(self) -> None:
        self._before: int | None = None
        self._minutes: deque[tuple[float, int]] = deque()

    def take(self, count: int, now: float) -> int:
        rise = 0 if self._before is None else max(0, count - self._before)
        self._before = count
        minute = now // MINUTE_SECONDS
        if rise:
            if self._minutes and self._minutes[-1][0] == minute:
                rise += self._minutes.pop()[1]
            self._minutes.append((minute, rise))
        while self._minutes and minute - self._minutes[0][0] >= HOUR_SECONDS / MINUTE_SECONDS:
            self._minutes.popleft()
        return sum(rise for _, rise in self._minutes)


class HourlyMost:
    """The most there was in the last hour."""

    __slots__ = ("_falling",)

    def __init__(self) -> None:
        self._falling: deque[tuple[float, int]] = deque()

    def take(self, count: int, now: float) -> int:
        # Less than what came after it can no longer be the most.
        while self._falling and self._falling[-1][1] <= count:
            self._falling.pop()
        self._falling.append((now, count))
        while now - self._falling[0][0] >= HOUR_SECONDS:
            self._falling.popleft()
        return self._falling[0][1]


def changes(
    previous: Sequence[DeviceHealth], current: Sequence[DeviceHealth]
) -> Sequence[tuple[str, str, Mapping[str, str]]]:
    """What to publish: kind "link.health", the subject, and what is new, for each verdict whose state changed.

    What is met for the first time and is well, or unknown, is no news.
    """
    before = {(one.component, one.subject): one.state for one in previous}
    found: list[tuple[str, str, Mapping[str, str]]] = []
    for verdict in current:
        state = before.get((verdict.component, verdict.subject), "")
        if state != verdict.state and (state or RANKS[verdict.state] > RANKS[UNKNOWN]):
            found.append((KIND, verdict.subject, attributes(verdict, state)))
    return found
