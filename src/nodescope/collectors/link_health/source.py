"""The sampler of verdicts: it reads no device, only what other samplers have read."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from nodescope.collectors.joined import Loop
from nodescope.collectors.over_reloads import of_machine
from nodescope.collectors.parts import Parts, Publish
from nodescope.health.links import MAX_KEPT, LinkHealthRules, changes
from nodescope.host import Absent
from nodescope.records.health import DeviceHealth
from nodescope.sampling import SamplerLoop

FIRST_WAIT_S: Final = 10.0
"""How long the first look waits for the samplers that it looks at."""

GRACE_S: Final = 30.0
ROOM: Final = __name__.rpartition(".")[0].rpartition(".")[0]
SAMPLERS: Final = {name: f"{ROOM}.{name}.source" for name in ("rdma", "pci", "nvme_fabrics", "memory_modules")}
"""Collector -> the module of its sampler. One that is switched off is not looked at."""


class LinkPast:
    """The rules with what they remember, such as which ports were up, and the verdicts told last, over reloads.

    `lock`: for while one sampler ends and the next begins.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.rules = LinkHealthRules()
        self.told: tuple[DeviceHealth, ...] = ()

    def close(self) -> None:
        """Nothing is held open."""


class LinkHealthSampler:
    """Verdicts on RDMA ports, PCI Express links, NVMe controllers and memory modules.

    *Source*: the newest snapshots of their samplers; one that has none costs only its own verdicts. *Absent when*: none
    of them has found a device. *Cost*: half a millisecond for eight GPUs and twelve HCAs.
    """

    name: ClassVar[str] = "link_health"
    demand_wait_s: float = 0.0

    def __init__(self, loops: Sequence[Loop], publish: Publish, interval_s: float, past: LinkPast) -> None:
        self.interval_s = self.rest_s = interval_s
        self._loops = tuple(loops)
        self._publish = publish
        self._past = past
        self._waited = False

    def sample(self) -> tuple[Any, ...]:
        if not self._waited:
            deadline = time.monotonic() + FIRST_WAIT_S
            for loop in self._loops:
                loop.first(deadline)
            self._waited = True
        records = [record for loop in self._loops if loop.snapshot is not None for record in loop.snapshot.records]
        if not records:
            raise Absent("any RDMA, PCI or NVMe device, or memory controller")
        with self._past.lock:
            before, verdicts = self._past.told, self._past.rules.examined(records)
            self._past.told = (*verdicts, *self._unseen(before, verdicts))
            for kind, subject, attributes in changes(before, verdicts):
                self._publish(kind, subject, attributes)
        return verdicts

    def _unseen(self, told: Sequence[DeviceHealth], verdicts: Sequence[DeviceHealth]) -> Sequence[DeviceHealth]:
        """What was told of devices that may be those of a sampler which has given nothing yet, as after a reload."""
        if all(loop.snapshot is not None for loop in self._loops):
            return ()
        there = {(one.component, one.subject) for one in verdicts}
        return [one for one in told if (one.component, one.subject) not in there][:MAX_KEPT]


def loop(parts: Parts) -> SamplerLoop:
    """The loop of the one sampler of verdicts."""
    loops = [parts.loop((module,)) for name, module in SAMPLERS.items() if parts.settings.collects(name)]
    past = of_machine(parts, "link_health.past", LinkPast)
    sampler = LinkHealthSampler(loops, parts.publish, parts.settings["collector.link_health.interval"], past)
    return SamplerLoop(sampler, grace_s=GRACE_S)
