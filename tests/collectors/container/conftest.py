"""Samplers of containers that end with the test, and the fake kubelet with its certificates."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from nodescope.collectors.container.source import loop
from nodescope.collectors.parts import Parts
from nodescope.sampling import SamplerLoop
from tests.containers.kubelet.conftest import cluster, start

__all__ = ["cluster", "start"]


@pytest.fixture
def sampler() -> Iterator[Callable[[Parts], SamplerLoop]]:
    built: list[Parts] = []

    def make(given: Parts) -> SamplerLoop:
        built.append(given)
        made = loop(given)
        built[-1].loops["containers"] = made
        return made

    yield make
    for given in built:
        for one in given.loops.values():
            one.stop()
        given.surroundings.end()
