"""A family for each counter of RDMA devices, in a dialect, and no more families than there may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from nodescope.metric import Family, Metric, Row
from nodescope.profiles.rdma_native import Counted
from nodescope.records.rdma import RdmaCounter

MAX_FAMILIES: Final = 512
"""Ten times what a driver counts: the names are the driver's."""
MAX_REMEMBERED: Final = 4096


class CounterFamilies:
    """`counted`: the family of a counter, by its name. `no_port`: the label of one that is not of a port.

    `left_out`: counters of the newest `families` that have no family: their name is none, there were too many families,
    or there was one of the same name already.
    """

    def __init__(self, counted: Callable[[str], Counted | None], no_port: str = "") -> None:
        self._counted = counted
        self._no_port = no_port
        self._known: dict[str, Counted | None] = {}
        self.left_out = 0

    def families(self, counters: Iterable[RdmaCounter]) -> list[Family]:
        """The families of `counters`, in the order in which they first come."""
        found: dict[Metric, dict[tuple[str, ...], float]] = {}
        self.left_out = 0
        for counter in counters:
            family = self._family(counter.counter)
            if family is None:
                self.left_out += 1
                continue
            rows = found.get(family.metric)
            if rows is None:
                if len(found) >= MAX_FAMILIES:
                    self.left_out += 1
                    continue
                rows = found[family.metric] = {}
            labels = (counter.device, self._no_port if counter.port is None else str(counter.port))
            if labels in rows:
                self.left_out += 1
            else:
                rows[labels] = counter.value * family.scale
        return [Family(metric, _rows(rows)) for metric, rows in found.items()]

    def _family(self, counter: str) -> Counted | None:
        if counter not in self._known:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            self._known[counter] = self._counted(counter)
        return self._known[counter]


def _rows(rows: dict[tuple[str, ...], float]) -> list[Row]:
    return list(rows.items())
