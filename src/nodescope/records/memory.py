"""Records of the node's memory modules, and of what their controllers count."""

from __future__ import annotations

from typing import Final

import msgspec

UNPLACED: Final = "unknown"
"""In place of a module: errors that the controller could not place."""


class MemoryModule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A module, or in place of one what a controller could not say the place of: `module` is then "unknown".

    `controller`: "mc0". `module`: "dimm3", "rank1". `label`: what the board calls its slot, as far as the driver knows.
    `location`: "channel 1 slot 0". `kind`: "Registered-DDR5". Errors are those since the node was booted, or the
    counters were last reset.
    """

    controller: str
    module: str
    label: str | None = None
    location: str | None = None
    kind: str | None = None
    size_bytes: int | None = None
    correctable_errors: int | None = None
    uncorrectable_errors: int | None = None

    @property
    def name(self) -> str:
        """Unique on the node: "mc0/dimm3"."""
        return f"{self.controller}/{self.module}"
