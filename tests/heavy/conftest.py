"""Fixtures of the heavy tier."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import pytest

INDEX_LIMIT_S: Final = 240


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The test is skipped where no package index answers."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
    folder = str(tmp_path_factory.mktemp("index"))
    try:
        subprocess.run([*command, folder, "msgspec"], check=True, capture_output=True, timeout=INDEX_LIMIT_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("no package index answers, or this environment has no pip")
