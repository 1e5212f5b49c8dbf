"""What is remembered of one vendor's GPUs from sample to sample, and from one observer to the next."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from nodescope.records.gpu import GpuIdentity
from nodescope.records.gpu_snapshot import Gpu, GpuEcc, GpuHealth, GpuLink, GpuSource, XidCount


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

    def close(self) -> None:
        """Nothing is held open."""
