"""Whether a device sleeps: reading most of its files would wake it. Source: Documentation/power/runtime_pm.rst."""

from __future__ import annotations

from typing import Final

STATUS: Final = "power/runtime_status"
"""The file below a device's folder, which wakes nothing."""

ASLEEP: Final = frozenset({b"suspended", b"suspending"})
"""What it says of one that sleeps."""
