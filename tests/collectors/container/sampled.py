"""Samples of containers, taken until one is enough."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from nodescope.sampling import SamplerLoop

LONG_S: Final = 20.0


def of(records: tuple[Any, ...], kind: type[Any]) -> list[Any]:
    return [record for record in records if type(record) is kind]


def sampled(made: SamplerLoop, enough: Callable[[tuple[Any, ...]], bool]) -> tuple[Any, ...]:
    """A sample that is `enough`, in time."""
    deadline = time.monotonic() + LONG_S
    while True:
        records = made.sampler.sample()
        if enough(records):
            return records
        assert time.monotonic() < deadline, records
        time.sleep(0.05)
