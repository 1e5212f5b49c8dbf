"""Names of files and directories as labels show them."""

from __future__ import annotations

import os

from nodescope.host import text


def shown(name: str) -> str:
    """`name`, as a directory lists it, with one U+FFFD for each run of bytes that are not UTF-8."""
    return name if name.isascii() else text(os.fsencode(name))
