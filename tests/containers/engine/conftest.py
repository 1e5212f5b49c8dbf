"""An engine on a socket, and who follows it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.containers.engine.fake_engine import FakeEngine
from tests.containers.engine.followed import Follow, Followed


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    """An engine with a short path, for a socket's has at most 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="nse", dir="/tmp"))
    with FakeEngine(folder / "s") as running:
        yield running
    shutil.rmtree(folder)


@pytest.fixture
def follow(engine: FakeEngine) -> Iterator[Follow]:
    """Begins to follow, and waits until it fares as is wanted."""
    started: list[Followed] = []

    def start(**options: Any) -> Followed:
        follower = Followed(engine.path, **options)
        started.append(follower)
        return follower.begun()

    yield start
    for follower in started:
        follower.close()
