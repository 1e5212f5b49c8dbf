"""The contract of a sampler, and the snapshot it yields."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import msgspec


class Snapshot(msgspec.Struct, frozen=True):
    """Records of one moment; reading never changes it.

    `time_seconds` is Unix time; `monotonic_seconds` is `time.monotonic()` when the sample was complete.
    """

    records: tuple[Any, ...]
    time_seconds: float
    monotonic_seconds: float


class Sampler(Protocol):
    """Reads what can block, or what needs a rate, in a thread of its own.

    `interval_s`: seconds between background samples; a snapshot older than three is not shown. `rest_s`: how long the
    thread rests between two: the interval, or less where `sample` itself waits for something new. `demand_wait_s`: 0,
    or how long a scrape that asks for a fresh sample waits for it before it takes the newest one there is.
    """

    name: ClassVar[str]
    interval_s: float
    demand_wait_s: float

    @property
    def rest_s(self) -> float: ...

    def sample(self) -> tuple[Any, ...]: ...
