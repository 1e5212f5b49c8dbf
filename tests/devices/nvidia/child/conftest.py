"""Fixtures of the tests of the GPU child: the fake driver's library and processes that use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.devices.nvidia.child.running import Running
from tests.fake_nvml import Script, build, environment, missing_in

Start = Callable[..., Running]


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fake_nvml")


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Two healthy GPUs."""
    script = Script(tmp_path / "script", count=2)
    script.write()
    return script


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    """The file that counts the calls of the children of this test."""
    return tmp_path / "calls"


@pytest.fixture
def start(builds: Path, script: Script, counted: Path) -> Iterator[Start]:
    """start(driver=None, **options): a child. `driver`: what a driver of this version has not is not there."""
    started: list[Running] = []

    def start(driver: str | None = None, **options: Any) -> Running:
        library = build(builds, missing_in(driver) if driver else ())
        told = {"interval_seconds": 0.2, "library": str(library), **options}
        started.append(Running(told, environment(library, script.path, counted)))
        return started[-1]

    yield start
    for running in started:
        running.end()
