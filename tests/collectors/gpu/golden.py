"""What the collectors of GPUs make of one snapshot, looked at by eye and kept."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import nodescope

FOLDER: Final = Path(__file__).resolve().parents[2] / "golden"


def golden(name: str) -> str:
    """The text that collector `name` is to show of `gpu_snapshot.SNAPSHOT`."""
    return (FOLDER / f"{name}.txt").read_text().replace('"VERSION"', f'"{nodescope.__version__}"')
