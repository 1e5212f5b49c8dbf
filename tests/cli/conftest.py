"""Fixtures for tests of commands."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from tools.serving import own_environment

Run = Callable[..., subprocess.CompletedProcess[str]]
COMMAND_TIMEOUT_S = 60


@pytest.fixture
def run() -> Run:
    """run("metrics", "--flag", environment={}): a command that ends by itself, with what it wrote."""

    def command(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "nodescope", *arguments],
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
            env={**own_environment(), **(environment or {})},
        )

    return command
