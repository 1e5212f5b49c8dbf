"""In how many samples of the last five minutes each reason held a GPU's clocks down, and how often it began to."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from nodescope.records.gpu_snapshot import GpuThrottle

WINDOW_SECONDS: Final = 300.0
BUCKET_SECONDS: Final = 5.0
"""The window moves on by so much at a time: what is kept does not grow with the samples."""


class _Bucket(NamedTuple):
    start: float
    active: Counter[str]


class _OfGpu:
    """What is counted of one GPU. `sampled`: when the newest sample was complete; `active`: what held in it.

    What holds in the first sample has not begun with it.
    """

    def __init__(self) -> None:
        self.sampled = float("-inf")
        self.buckets: deque[_Bucket] = deque()
        self.total: Counter[str] = Counter()
        self.active: Counter[str] | None = None
        self.begun: Counter[str] = Counter()

    def add(self, active: Counter[str], sampled: float) -> None:
        if sampled <= self.sampled:
            return
        self.sampled = sampled
        if self.active is not None:
            self.begun.update(active - self.active)
        self.active = active
        start = sampled - sampled % BUCKET_SECONDS
        if not self.buckets or self.buckets[-1].start != start:
            self.buckets.append(_Bucket(start, Counter()))
        self.buckets[-1].active.update(active)
        self.total.update(active)
        while self.buckets[0].start <= sampled - WINDOW_SECONDS:
            self.total.subtract(self.buckets.popleft().active)


class ThrottleWindow:
    """Counts samples. A GPU that has not been sampled for as long as the window is forgotten."""

    def __init__(self) -> None:
        self._gpus: dict[str, _OfGpu] = {}

    def counted(self, throttles: Sequence[GpuThrottle], sampled_monotonic_seconds: float) -> tuple[GpuThrottle, ...]:
        """`throttles`, all of one GPU, with their counts. The same sample given again is not counted again."""
        if not throttles:
            return ()
        uuid = throttles[0].identity.uuid
        gpu = self._gpus.get(uuid)
        if gpu is None:
            self._forget(sampled_monotonic_seconds)
            gpu = self._gpus[uuid] = _OfGpu()
        gpu.add(Counter(throttle.reason for throttle in throttles if throttle.active), sampled_monotonic_seconds)
        return tuple(
            msgspec.structs.replace(
                throttle, window_count=gpu.total[throttle.reason], begun_count=gpu.begun[throttle.reason]
            )
            for throttle in throttles
        )

    def _forget(self, now: float) -> None:
        self._gpus = {uuid: gpu for uuid, gpu in self._gpus.items() if now - gpu.sampled <= WINDOW_SECONDS}
