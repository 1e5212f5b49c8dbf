"""What `nodescope doctor` says of one thing."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """`level`: "ok", "missing" (not there, and nobody asked for it by name) or "problem" (asked for, cannot work)."""

    level: str
    subject: str
    text: str
    action: str = ""
