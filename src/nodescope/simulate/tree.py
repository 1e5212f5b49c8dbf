"""A directory that holds a simulated machine's files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from nodescope.simulate.part import Link

_ROOT: Final = "root"
_NEW: Final = "new"


class Roots(NamedTuple):
    """Where a machine's kernel files are: the arguments of `Host`, in its order."""

    procfs: str
    sysfs: str
    rootfs: str
    udev_data: str


class Tree:
    """The files below `directory`, which must be this tree's alone.

    A file is written beside the tree and then renamed, so a reader has the old content or the new one and never a
    part; one whose content is the same is left alone.
    """

    def __init__(self, directory: str) -> None:
        self._root = f"{directory}/{_ROOT}"
        self._new = f"{directory}/{_NEW}"
        self._content: dict[str, bytes] = {}
        os.mkdir(self._root)

    @property
    def roots(self) -> Roots:
        return Roots(f"{self._root}/proc", f"{self._root}/sys", self._root, f"{self._root}/run/udev/data")

    def update(self, files: Mapping[str, bytes]) -> int:
        """Make the tree hold `files` and no others; how many were written.

        A path that ends in "/" is a directory, a `Link` is a symbolic link.
        Raises `ValueError` for a path that leads out of the tree, `OSError` where a file cannot be written.
        """
        changed = [path for path, data in files.items() if self._content.get(path) != data]
        for path in changed:
            if path not in self._content:
                self._make_parent(path)
            if not path.endswith("/"):
                self._replace(path, files[path])
            self._content[path] = files[path]
        for path in self._content.keys() - files.keys():
            self._remove(path)
        return len(changed)

    def _make_parent(self, path: str) -> None:
        if path.startswith("/") or ".." in path.split("/"):
            raise ValueError(f"file of a simulated machine: expected a path below its root, got {path!r}")
        os.makedirs(os.path.dirname(f"{self._root}/{path}"), exist_ok=True)

    def _replace(self, path: str, data: bytes) -> None:
        if isinstance(data, Link):
            # In place at once: links are there from the start and never change, so none is read half made.
            os.symlink(os.fsdecode(data), f"{self._root}/{path}")
            return
        with open(self._new, "wb") as file:
            file.write(data)
        os.rename(self._new, f"{self._root}/{path}")

    def _remove(self, path: str) -> None:
        """The file, and the directories that are empty without it."""
        del self._content[path]
        if not path.endswith("/"):
            os.unlink(f"{self._root}/{path}")
        parent = os.path.dirname(path)
        with suppress(OSError):
            while parent and f"{parent}/" not in self._content:
                os.rmdir(f"{self._root}/{parent}")
                parent = os.path.dirname(parent)
