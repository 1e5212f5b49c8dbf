"""Keeps verdicts from flapping: worse at once, better only after a while."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from nodescope.health.rule import ALL, OK, RANKS, UNKNOWN
from nodescope.records.gpu_snapshot import GpuHealth
from nodescope.records.health import DeviceHealth

HOLD_SECONDS: Final = 60.0


class _Kept(NamedTuple):
    """A verdict, when it was last found (monotonic seconds), and whether it holds when it is found no more."""

    verdict: GpuHealth
    found_at: float
    holds: bool

    def still(self, now: float) -> bool:
        return self.holds and now - self.found_at < HOLD_SECONDS


class Hold:
    """A verdict that gets better, or is no longer known, stays for `HOLD_SECONDS` after it was last found.

    Being unknown from the start on is nothing to hold on to.
    """

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, _Kept]] = {}

    def settled(self, verdict: GpuHealth, now: float) -> GpuHealth:
        """`verdict`, or the worse one that still holds. The same object as before where nothing in it changed."""
        of_gpu = self._kept.setdefault(verdict.identity.uuid, {})
        kept = of_gpu.get(verdict.component)
        if kept is not None:
            if RANKS[kept.verdict.state] > RANKS[verdict.state] and kept.still(now):
                return kept.verdict
            if kept.verdict == verdict:
                verdict = kept.verdict
        was_known = kept is not None and (kept.holds or kept.verdict.state != UNKNOWN)
        of_gpu[verdict.component] = _Kept(verdict, now, verdict.state != UNKNOWN or was_known)
        return verdict

    def held(self, uuid: str, components: Collection[str], now: float) -> list[GpuHealth]:
        """Verdicts of a GPU that still hold on components of which nothing is said now."""
        return [
            kept.verdict
            for component, kept in self._kept.get(uuid, {}).items()
            if component not in components and kept.verdict.state != OK and kept.still(now)
        ]

    def let_go(self, uuid: str) -> None:
        """That a component of this GPU is unknown holds no longer."""
        of_gpu = self._kept.get(uuid, {})
        for component, kept in of_gpu.items():
            if kept.verdict.state == UNKNOWN:
                of_gpu[component] = kept._replace(holds=False)

    def forget(self, keep: Iterable[str]) -> None:
        """Forgets all GPUs but those."""
        self._kept = {uuid: kept for uuid in keep if (kept := self._kept.get(uuid)) is not None}


def changes(
    previous: Sequence[GpuHealth], current: Sequence[GpuHealth]
) -> Sequence[tuple[str, str, Mapping[str, str]]]:
    """What to publish: kind "gpu.health", the GPU's UUID, and what is new, for each component that changed its state.

    A component that is met for the first time and is well, or unknown, is no news; the verdict on all is none either,
    for it is one of the others.
    """
    before = {(verdict.identity.uuid, verdict.component): verdict for verdict in previous}
    found: list[tuple[str, str, Mapping[str, str]]] = []
    for verdict in current:
        known = before.get((verdict.identity.uuid, verdict.component))
        if verdict is known or verdict.component == ALL:
            continue
        state = "" if known is None else known.state
        if state != verdict.state and (known is not None or RANKS[verdict.state] > RANKS[UNKNOWN]):
            gpu = verdict.identity
            about = {"vendor": gpu.vendor, "pci_address": gpu.pci_address or ""}
            found.append(("gpu.health", gpu.uuid, attributes(verdict, state, **about)))
    return found


def attributes(verdict: GpuHealth | DeviceHealth, before: str, **about: str) -> dict[str, str]:
    """Of the event of a change: what the verdict says, the state before it, and `about`; what is empty is left out."""
    found = {
        "component": verdict.component,
        "state": verdict.state,
        "before": before,
        "reason": verdict.reason,
        "evidence": verdict.evidence,
        "action": verdict.action,
        **about,
    }
    return {name: value for name, value in found.items() if value}
