"""A part of a machine, written below a folder that others write to as well: fixtures, machines put together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from nodescope.simulate.part import Link, Part

_NEW: Final = ".new"
START_SECONDS: Final = 86_400.0
"""Seconds after boot that a tree shows first: a day, so that counters have a past."""


def write_part(root: Path, part: Part, seconds: float = START_SECONDS) -> int:
    """Make the files of `part` below `root` say what is so `seconds` after boot; how many were written.

    Files that others wrote stay. A file is written beside its place and renamed: a reader has the old content or the
    new one. One whose content is the same is left alone, and so is a link that is there.
    Raises `ValueError` for a path that leads out of `root`.
    """
    return write_files(root, part.files(seconds))


def write_files(root: Path, files: Mapping[str, bytes]) -> int:
    """The same of single files, as `Part.files` names them."""
    return sum(_write(root, path, data) for path, data in files.items())


def _write(root: Path, path: str, data: bytes) -> bool:
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"file of a simulated machine: expected a path below its root, got {path!r}")
    place = root / path
    if path.endswith("/"):
        place.mkdir(parents=True, exist_ok=True)
        return False
    if place.is_symlink() if isinstance(data, Link) else place.is_file() and place.read_bytes() == data:
        return False
    place.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(data, Link):
        place.symlink_to(os.fsdecode(data))
        return True
    # Not beside its place: one who lists a directory must not meet it.
    new = root / _NEW
    new.write_bytes(data)
    new.rename(place)
    return True
