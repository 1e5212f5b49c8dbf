"""tools/environment.sh on machines that lack something, made of stub Pythons; nothing is installed here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIM = "echo 'command not found' >&2; exit 127"
TOO_OLD = "exit 1"
WORKS = f'exec "{sys.executable}" "$@"'
BARE = (
    """case "$*" in *ensurepip*|*pip*) exit 1 ;; esac
"""
    + WORKS
)

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def stub(tmp_path: Path) -> Callable[[str, str], Path]:
    """stub(name, script): a program in the folder `bin`."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def make(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def environment(tmp_path: Path) -> Run:
    """environment(*arguments, PYTHON=...): runs the script with the stubs first on PATH."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        settings = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", **variables}
        command = ["sh", str(ROOT / "tools/environment.sh"), *arguments]
        return subprocess.run(command, env=settings, capture_output=True, text=True, timeout=50, check=False)

    return run


def test_takes_the_first_python_that_runs(stub: Callable[[str, str], Path], environment: Run) -> None:
    """A shim that fails and a Python that is too old are passed over."""
    stub("python3.13", SHIM)
    stub("python3.12", TOO_OLD)
    works = stub("python3.11", WORKS)
    assert environment("python").stdout.strip() == str(works)


def test_python_is_what_the_caller_says(stub: Callable[[str, str], Path], environment: Run) -> None:
    """PYTHON goes before what is on PATH, and may have a space in its path."""
    stub("python3.13", WORKS)
    mine = stub("my python", WORKS)
    assert environment("python", PYTHON=str(mine)).stdout.strip() == str(mine)


def test_no_python_at_all_is_one_sentence(stub: Callable[[str, str], Path], environment: Run) -> None:
    """Without a Python that is new enough the script says so in one line and fails."""
    found = environment("python", PYTHON=str(stub("python3.10", TOO_OLD)))
    assert found.returncode == 1
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1
    assert "3.11 or newer" in found.stderr


def test_without_ensurepip_and_pip_names_one_package(
    stub: Callable[[str, str], Path], environment: Run, tmp_path: Path
) -> None:
    """Where neither ensurepip nor pip is there, one line names the package to install, and nothing is left behind."""
    found = environment(str(tmp_path / "made"), "run", PYTHON=str(stub("python3.11", BARE)))
    assert found.returncode == 1
    assert found.stderr.count("\n") == 1
    assert "apt-get install python3-venv" in found.stderr
    assert not (tmp_path / "made").exists()


def test_never_deletes_what_is_no_environment(
    stub: Callable[[str, str], Path], environment: Run, tmp_path: Path
) -> None:
    """A folder that is no virtual environment is refused and stays as it is."""
    precious = tmp_path / "made" / "precious"
    precious.parent.mkdir()
    precious.touch()
    found = environment(str(tmp_path / "made"), "run", PYTHON=str(stub("python3.11", WORKS)))
    assert found.returncode == 1
    assert "no virtual environment" in found.stderr
    assert precious.exists()


def test_unknown_mode_is_refused_before_anything_is_made(environment: Run, tmp_path: Path) -> None:
    """A mode that does not exist is named, with those that do."""
    found = environment(str(tmp_path / "made"), "fast")
    assert found.returncode == 1
    assert "expected run, dev or wheel" in found.stderr
    assert not (tmp_path / "made").exists()
