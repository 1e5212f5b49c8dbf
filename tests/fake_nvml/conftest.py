"""Fixtures of the tests of the fake libnvidia-ml."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest

from tests.fake_nvml import Script, build
from tests.fake_nvml.asked import Asked

BINDINGS: Final = (13, 615)
Start = Callable[..., Asked]


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    installed = next((found.version for found in metadata.distributions(name="nvidia-ml-py")), "0")
    if tuple(int(part) for part in installed.split(".")[:2]) < BINDINGS:
        pytest.skip(
            f"nvidia-ml-py is {installed}: these tests call what only {BINDINGS[0]}.{BINDINGS[1]} and later have"
        )
    return tmp_path_factory.mktemp("fake_nvml")


@pytest.fixture
def script(tmp_path: Path) -> Script:
    script = Script(tmp_path / "script")
    script.write()
    return script


@pytest.fixture
def start(builds: Path, script: Script, tmp_path: Path) -> Iterator[Start]:
    """start(missing=(), initialize=True): a process that speaks to the fake."""
    started: list[Asked] = []

    def start(missing: tuple[str, ...] = (), initialize: bool = True) -> Asked:
        started.append(Asked(build(builds, missing), script.path, tmp_path / "calls"))
        if initialize:
            started[-1]("nvmlInit")
        return started[-1]

    yield start
    for asked in started:
        asked.close()
