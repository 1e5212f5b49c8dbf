from __future__ import annotations

from pathlib import Path

import pytest

from tests.collectors.host.machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine without any file yet."""
    folder = tmp_path / "machine"
    folder.mkdir()
    return Machine(folder)
