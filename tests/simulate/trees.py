"""What tests of simulated trees look for in any of them."""

from __future__ import annotations

import os
from pathlib import Path


def dangling(root: Path) -> list[str]:
    """Links that lead nowhere, but those of processes, which name device nodes as their machine has them."""
    links = [path for path in root.rglob("*") if path.is_symlink() and not path.exists()]
    return [str(path.relative_to(root)) for path in links if not os.readlink(path).startswith("/dev/")]


def number(path: Path) -> int:
    return int(path.read_bytes())


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
