"""Fixtures for tests of NVIDIA's source."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.devices.nvidia.supervised import Supervised, processes_of_ours


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Callable[..., Supervised]]:
    """supervised("good('GPU-0')", limits=...): closed after the test, which leaves neither process nor descriptor."""
    descriptors, processes = len(os.listdir("/proc/self/fd")), processes_of_ours()
    made: list[Supervised] = []

    def make(script: str, **more: object) -> Supervised:
        made.append(Supervised(tmp_path, script, **more))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()
    assert processes_of_ours() == processes
    assert len(os.listdir("/proc/self/fd")) == descriptors
