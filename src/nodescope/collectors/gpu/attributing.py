"""Adds to what is observed of GPUs whose they are, where containers are looked at too."""

from __future__ import annotations

import time
from typing import Any, Final

from nodescope.collectors.over_reloads import over_reloads
from nodescope.collectors.parts import Parts
from nodescope.containers.cgroup.process import ProcessCgroups
from nodescope.devices.gpu_sampler import Observer
from nodescope.devices.process_names import Users
from nodescope.host import Host
from nodescope.ownership.ledger import Ledger

CONTAINERS: Final = "nodescope.collectors.container.source"
LEDGER: Final = "ownership"


def attributing(parts: Parts, vendor: str, observer: Observer) -> Observer:
    """`observer`, or one whose snapshots have the parts of each holder too, where the sampler of containers runs."""
    if CONTAINERS not in parts.loops:
        return observer
    return AttributingObserver(parts.host, ledger(parts), vendor, observer)


def ledger(parts: Parts) -> Ledger:
    """The one of the agent: energy counters never go back while it runs."""
    return over_reloads(parts, LEDGER, Ledger)


class AttributingObserver:
    """An observer, and the ledger that says whose its GPUs are. *Cost*: one small file for each process on a GPU."""

    def __init__(self, host: Host, ledger: Ledger, vendor: str, observer: Observer) -> None:
        self._cgroups = ProcessCgroups(host)
        self._users = Users(host)
        self._ledger = ledger
        self._vendor = vendor
        self._observer = observer

    def sample(self) -> tuple[Any, ...]:
        """What is observed, and the parts. Raises what the observer raises."""
        records = self._observer.sample()
        return (
            *records,
            *self._ledger.attributed(self._vendor, records, self._cgroups, self._users.name, time.monotonic()),
        )

    def close(self) -> None:
        """Gives the driver up."""
        self._observer.close()
