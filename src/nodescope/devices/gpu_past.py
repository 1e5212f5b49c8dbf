"""What is remembered of one vendor's GPUs from sample to sample, and from one observer to the next."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from typing import Final, Protocol

from nodescope.records.gpu import GpuIdentity
from nodescope.records.gpu_snapshot import Gpu, GpuEcc, GpuHealth, GpuLink, GpuSource, XidCount

UNKNOWN: Final = "unknown"


class Health(Protocol):
    """What judges GPUs."""

    def examined(
        self,
        gpus: Sequence[Gpu],
        links: Sequence[GpuLink],
        eccs: Sequence[GpuEcc],
        xids: Sequence[XidCount],
        source: GpuSource | None,
    ) -> tuple[GpuHealth, ...]: ...


class GpuPast:
    """Which GPUs there were, with their states, by UUID; the newest verdicts, and what judges with all that it knows.

    It outlives its observer: without it a reload of the settings would tell again what was told, and never what changed
    meanwhile. `lock`: for while one observer ends and the next begins.
    """

    def __init__(self, health: Health) -> None:
        self.health = health
        self.lock = threading.Lock()
        self.known: dict[str, tuple[str, GpuIdentity]] = {}
        self.verdicts: tuple[GpuHealth, ...] = ()
        self._told: tuple[GpuHealth, ...] = ()

    def news(
        self, verdicts: Sequence[GpuHealth], resting: Collection[str]
    ) -> tuple[tuple[GpuHealth, ...], tuple[GpuHealth, ...]]:
        """The verdicts that were told last, and those that are to be told now.

        `resting`: UUIDs of GPUs that are not read for a while, as in a pause, which their state tells: that nothing is
        known of each of their components meanwhile is no news.
        """
        before, known = self._told, {_key(verdict): verdict for verdict in self._told}
        now = {_key(verdict): verdict for verdict in verdicts}
        for key, verdict in known.items():
            if verdict.identity.uuid in resting and (key not in now or now[key].state == UNKNOWN):
                now[key] = verdict
        self._told = tuple(now.values())
        return before, self._told

    def close(self) -> None:
        """Nothing is held open."""


def _key(verdict: GpuHealth) -> tuple[str, str]:
    return verdict.identity.uuid, verdict.component
