"""Families of the newest snapshot, kept until there is a newer one: who asks twice pays once."""

from __future__ import annotations

from collections.abc import Callable

from nodescope.metric import Family
from nodescope.sampler import Snapshot


class Newest:
    """What was made of one snapshot. Where the making fails, what was made before is not shown for it."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._families: list[Family] = []

    def of(self, snapshot: Snapshot, make: Callable[[Snapshot], list[Family]]) -> list[Family]:
        """The families of a snapshot, of the very same one as before without being made anew."""
        if self._snapshot is not snapshot:
            self._families = make(snapshot)
            self._snapshot = snapshot
        return self._families
