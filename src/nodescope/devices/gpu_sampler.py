"""Samples one vendor's GPUs where there are any, and costs nothing where there are none."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, Protocol

import msgspec

from nodescope.host import Absent, Host
from nodescope.records.gpu_sampling import GpuSampling
from nodescope.records.gpu_snapshot import GpuSource

ABSENT_REST_S: Final = 10.0
REST_SHARE: Final = 0.5
FAILED: Final = frozenset({"failed", "abandoned"})
"""States of a source that could not be read."""


class Observer(Protocol):
    """What has the driver: see observer.py."""

    def sample(self) -> tuple[Any, ...]: ...

    def close(self) -> None: ...


class GpuSampler:
    """Every GPU of one vendor, and every partition of them.

    *Source*: what the observer is opened over. *Absent when*: there is none of `signs`, the files and folders that are
    there while the driver is loaded; then nothing is started and nothing imported. *Cost*: what the source costs, and
    well under a millisecond for each GPU.

    `observer`: opens the source. `forced`: open it even where nothing shows that the driver is loaded.
    """

    name: ClassVar[str] = "gpu"
    demand_wait_s: float = 0.0

    def __init__(
        self,
        host: Host,
        signs: Sequence[str],
        observer: Callable[[], Observer],
        interval_s: float,
        forced: bool = False,
    ) -> None:
        self.interval_s = interval_s
        self._host = host
        self._signs = signs
        self._open = observer
        self._forced = forced
        self._observer: Observer | None = None
        self._absent = False
        self._closed = False
        self._sampling = GpuSampling()
        self._timed = ("", 0)

    @property
    def rest_s(self) -> float:
        """The source sets the pace: between samples there is only to be a moment, but where there is no driver."""
        return ABSENT_REST_S if self._absent else self.interval_s * REST_SHARE

    def sample(self) -> tuple[Any, ...]:
        self._absent = True
        if self._observer is None:
            if not self._forced and not any(self._host.exists(sign) for sign in self._signs):
                raise Absent(self._signs[0])
            self._observer = self._open()
            if self._closed:
                self._observer.close()
        try:
            records = self._observer.sample()
        except Absent:
            raise
        except Exception:
            self._count(None)
            raise
        self._absent = False
        self._count(next((record for record in records if type(record) is GpuSource), None))
        return (*records, self._sampling)

    def _count(self, source: GpuSource | None) -> None:
        """Notes how a sample went; without a source it is one that failed."""
        before = self._sampling
        failed = source is None or source.state in FAILED
        took = None if source is None or failed else self._took(source)
        self._sampling = msgspec.structs.replace(
            before,
            samples=before.samples + 1,
            failures=before.failures + failed,
            timed=before.timed + (took is not None),
            seconds=before.seconds + (took or 0.0),
            newest_seconds=before.newest_seconds if failed else time.time(),
        )

    def _took(self, source: GpuSource) -> float | None:
        """How long the round took that a sample shows. A source that is slower than samples shows one in several."""
        before, self._timed = self._timed, (source.kind, source.rounds)
        return None if self._timed == before else source.sample_seconds

    def close(self) -> None:
        """Gives the driver up."""
        self._closed = True
        if self._observer is not None:
            self._observer.close()
