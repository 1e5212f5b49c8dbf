"""tools/environment.sh for real: makes environments, with packages from the index."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 240
pytestmark = pytest.mark.timeout(2 * LIMIT_S)


@pytest.mark.parametrize("lacks", ["", "ensurepip"])
@pytest.mark.usefixtures("index")
def test_run_environment_works(lacks: str, tmp_path: Path) -> None:
    """`run` gives a nodescope that starts, also where Python came without ensurepip but with pip."""
    python = tmp_path / "python3"
    without = f'case "$*" in *import\\ {lacks},*) exit 1 ;; esac\n' if lacks else ""
    python.write_text(f'#!/bin/sh\n{without}exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    made = tmp_path / "made"
    command = ["sh", str(ROOT / "tools/environment.sh"), str(made), "run"]
    environment = {**os.environ, "PYTHON": str(python)}
    subprocess.run(command, env=environment, check=True, timeout=LIMIT_S)
    found = subprocess.run(
        [made / "bin/nodescope", "metrics", "--collector", "loadavg"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "node_load1 " in found.stdout
    assert (made / ".run").exists()
