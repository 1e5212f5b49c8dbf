"""Families of the newest snapshot."""

from __future__ import annotations

import pytest

from nodescope.collectors.newest import Newest
from nodescope.metric import Family, Metric, single
from nodescope.sampler import Snapshot


def named(snapshot: Snapshot) -> list[Family]:
    if not snapshot.records:
        raise ValueError("there is nothing to make")
    return [single(Metric(name, "gauge", "x"), 1) for name in snapshot.records]


def test_a_snapshot_is_made_once() -> None:
    """Of the very same snapshot the very same families are given; an equal one is made anew."""
    newest = Newest()
    snapshot, other = Snapshot(("a",), 0, 0), Snapshot(("a",), 0, 0)
    families = newest.of(snapshot, named)
    assert newest.of(snapshot, named) is families
    assert newest.of(other, named) is not families
    assert newest.of(other, named) == families


def test_what_failed_is_made_again() -> None:
    """A snapshot of which nothing could be made is tried each time, and never shows what was made before."""
    newest = Newest()
    newest.of(Snapshot(("a",), 0, 0), named)
    odd = Snapshot((), 0, 0)
    for _ in range(2):
        with pytest.raises(ValueError, match="nothing"):
            newest.of(odd, named)
