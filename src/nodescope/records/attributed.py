"""Records of what each holder has of a GPU, with a field for each quantity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from nodescope.records.container import Attribution

QUANTITIES: Final = frozenset({"memory_bytes", "utilization_ratio", "power_watts", "energy_joules"})


class Attributed(msgspec.Struct, frozen=True, kw_only=True):
    """A holder's part of a GPU's quantity, in the field of that quantity; the others are None."""

    part: Attribution
    memory_bytes: float | None = None
    utilization_ratio: float | None = None
    power_watts: float | None = None
    energy_joules: float | None = None


def attributed(parts: Iterable[Attribution]) -> Iterator[Attributed]:
    """Each part under the name of its quantity; quantities without a field are left out."""
    for part in parts:
        if part.quantity in QUANTITIES:
            yield Attributed(part=part, **{part.quantity: part.value})
