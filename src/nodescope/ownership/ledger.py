"""Whose the GPUs are, kept between the sampler of containers, which tells who there is, and those of GPUs, which ask.

The parts of a GPU are worked out of the very snapshot that they are in, so that on every page they sum to what the page
says of the GPU; and with every sample of it, so that no holder's energy is missed between two looks at containers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from nodescope.ownership.attribution import Attributor
from nodescope.ownership.process_owner import Cgroups, Containers, owners
from nodescope.records.container import Attribution, Container, DeviceClaim
from nodescope.records.gpu_snapshot import GpuProcess

PATIENCE_SECONDS: Final = 15.0
"""For the first word of who there is: until then there are no parts, rather than some of holders without names."""


class Known(NamedTuple):
    """What was told last: containers, and who claims which device."""

    containers: Containers = Containers(())
    claims: tuple[DeviceClaim, ...] = ()


class Ledger:
    """For several threads. It outlives a reload, so that energy counters go on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._patient_until = clock() + PATIENCE_SECONDS
        self._known: Known | None = None
        self._attributors: dict[str, tuple[threading.Lock, Attributor]] = {}

    def tell(self, containers: Iterable[Container], claims: Iterable[DeviceClaim]) -> None:
        """Who there is now."""
        self._known = Known(Containers(containers), tuple(claims))

    def attributed(
        self,
        vendor: str,
        records: Iterable[Any],
        cgroups: Cgroups,
        user_name: Callable[[int], str | None],
        now_seconds: float,
    ) -> tuple[Attribution, ...]:
        """The parts of the GPUs of one vendor, of a snapshot's `records`. `now_seconds`: as in `Attributor`."""
        records = tuple(records)
        known = self._known
        if known is None:
            if self._clock() < self._patient_until:
                return ()
            known = Known()
        processes = (record for record in records if type(record) is GpuProcess)
        whose = owners(processes, cgroups, known.containers, user_name=user_name)
        lock, attributor = self._attributors.setdefault(vendor, (threading.Lock(), Attributor()))
        # After a reload the samplers of before may be at their last sample.
        with lock:
            return attributor.attribute(records, whose, known.claims, now_seconds)

    def close(self) -> None:
        """There is nothing to give up."""
