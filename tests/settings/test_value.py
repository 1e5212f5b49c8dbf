"""nodescope.settings.value: what a raw value is as a value of its setting."""

from __future__ import annotations

from nodescope.api.table import ROUTES
from nodescope.settings.value import TAKEN_PATHS


def test_every_route_is_taken() -> None:
    """The metrics cannot be served where something else is, on any listener."""
    assert {route.path for route in ROUTES} <= set(TAKEN_PATHS)
