"""One Intel GPU: its sensors, clocks, memory and clients, put together to a report."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from nodescope.devices.dri import dri_nodes
from nodescope.devices.intel import gt, hwmon, pcie_link
from nodescope.devices.intel.attributes import Attributes
from nodescope.devices.intel.client_scan import Watched
from nodescope.devices.intel.client_use import Use
from nodescope.devices.intel.identity import bare, engines, identity
from nodescope.devices.intel.power import Power
from nodescope.host import Host
from nodescope.records.gpu import GpuReading, GpuReport

LEARN_S: Final = 60.0
LEAST_LEARN_S: Final = 2.0
HELD_S: Final = 10.0
ASLEEP: Final = frozenset({b"suspended", b"suspending"})
SUSPENDED: Final = "suspended: the driver has put it to sleep, and reading more than that would wake it"
OFF_THE_BUS: Final = b"\xff\xff"

LatestUse = Callable[[str], tuple[Use, bool] | None]


class Device:
    """The GPU at a PCI address, as one driver has it. `turn` is for one thread at a time; all else may be read by
    others.

    A GPU that sleeps is not read, for that would wake it. One that is awake is kept awake by being read: its driver
    counts that as use.
    """

    def __init__(self, host: Host, pci_address: str, driver: str, index: int, use: LatestUse) -> None:
        self.driver = driver
        self.identity = bare(pci_address, driver, index)
        self.report = GpuReport(uuid=self.identity.uuid, state="starting")
        self._watched: Watched | None = None
        self._asleep = self._half_learned = False
        self._pci_address = pci_address
        self._attributes = Attributes(host)
        self._folder = host.sys(f"bus/pci/devices/{pci_address}")
        self._card = ""
        self._use = use
        self._gts: tuple[gt.Gt, ...] = ()
        self._sensors = hwmon.Sensors()
        self._tiles: list[str] = []
        self._learn_due = self._held_due = float("-inf")
        self._learned_at = float("-inf")
        self._held: dict[str, Any] = {}
        self._link: dict[str, Any] = {}
        self._held_left_out = 0
        self._lost = self._replaced = False
        self._idle = gt.Idle()
        self._power = Power()
        # What was known of another device at this address, or of this one under another driver.
        host.forget(self._folder)

    @property
    def watched(self) -> Watched | None:
        """What its clients are looked for by; None while it sleeps, for that would wake it too."""
        return None if self._asleep else self._watched

    @property
    def reading(self) -> str:
        """The file that is being read, or was last."""
        return self._attributes.reading

    def turn(self) -> None:
        """Reads all of it."""
        attributes, now = self._attributes, time.monotonic()
        attributes.begin()
        self._asleep = attributes.now(f"{self._folder}/power/runtime_status") in ASLEEP
        if now >= self._learn_due or (self._half_learned and not self._asleep):
            self._learn(now)
        if self._asleep:
            reading = GpuReading(**self._held)
            self.report = GpuReport(
                uuid=self.identity.uuid,
                reason=SUSPENDED,
                sampled_monotonic_seconds=time.monotonic(),
                reading=reading,
                processes_told=False,
            )
            return
        if now >= self._held_due:
            self._hold(now)
            self._held_left_out = attributes.left_out
        attributes.begin()
        fields = {} if self._lost else self._fields()
        left_out = attributes.left_out + self._held_left_out
        if attributes.gone:
            # Something was replaced or renamed: look for it again soon.
            self._replaced = True
            self._learn_due = min(self._learn_due, max(now, self._learned_at + LEAST_LEARN_S))
        state, reason = self._state()
        found = self._use(self._pci_address)
        processes = found[0].processes if found else ()
        self.report = GpuReport(
            uuid=self.identity.uuid,
            state=state,
            reason=reason,
            sampled_monotonic_seconds=time.monotonic(),
            left_out=left_out + (found[0].left_out if found else 0),
            reading=GpuReading(**_with_use(fields, found)),
            processes=processes,
            processes_told=found is not None and found[1],
        )

    def _learn(self, now: float) -> None:
        """Finds out what there is to read. Of a GPU that sleeps only what can be known without waking it."""
        attributes, folder = self._attributes, self._folder
        host = attributes.host
        if self._replaced:
            self._replaced = False
            host.forget(folder)
        nodes = dri_nodes(host, self._pci_address)
        self._card = f"{folder}/drm/{nodes.card}" if nodes.card else ""
        self._tiles = gt.tiles(attributes, folder)
        self.identity = identity(attributes, folder, self.identity, self.driver)
        self._learn_due = now + LEARN_S
        self._half_learned = self._asleep
        if self._asleep:
            return
        self._learned_at = now
        self._sensors = hwmon.find(attributes, folder, self.driver)
        if self.driver == "xe":
            self._gts = gt.find_xe(attributes, folder)
        else:
            self._gts = gt.find_i915(attributes, self._card) if self._card else ()
        self._held_due = float("-inf")
        found = frozenset(node for node in nodes if node)
        self._watched = Watched(self.driver, found, engines(attributes, folder, self._card, self._tiles))

    def _hold(self, now: float) -> None:
        """What changes seldom: limits, the size of the memory, the link."""
        attributes = self._attributes
        self._held_due = now + HELD_S
        self._held = {**hwmon.limits(attributes, self._sensors), **gt.greatest_clocks(attributes, self._gts)}
        total = self._memory_total()
        if total:
            self._held["memory_total_bytes"] = total
        link = pcie_link.link(attributes, self._folder)
        told_at = pcie_link.link_folder(self._folder, link)
        self._link = link if told_at == self._folder else pcie_link.link(attributes, told_at)
        config = attributes.now(f"{self._folder}/config")
        self._lost = config is not None and config.startswith(OFF_THE_BUS)

    def _memory_total(self) -> int | None:
        """Of the GPU's own memory: i915's, where it tells it, or that of all tiles of xe."""
        attributes = self._attributes
        if self.driver != "xe":
            path = f"{self._card}/lmem_total_bytes"
            return attributes.number(path, attributes.seldom) if self._card else None
        sizes = [
            attributes.number(f"{self._folder}/{tile}/physical_vram_size_bytes", attributes.seldom)
            for tile in self._tiles
        ]
        known = [size for size in sizes if size is not None]
        return sum(known) if known and len(known) == len(sizes) else None

    def _fields(self) -> dict[str, Any]:
        """Fields of a `GpuReading`, but what comes of its clients."""
        attributes, sensors = self._attributes, self._sensors
        fields = {**self._held, **self._link, **hwmon.readings(attributes, sensors)}
        if sensors.energy:
            fields |= self._power.fields(attributes.number(sensors.energy), time.monotonic())
        gts = [gt.read(attributes, one) for one in self._gts]
        fields |= gt.clocks(gts)
        fields["driver_fields"] = gt.driver_fields(gts)
        awake = self._idle.awake_percent(gts, time.monotonic())
        if awake is not None:
            fields["utilization_percent"] = awake
        total = self._held.get("memory_total_bytes")
        if total and self.driver != "xe":
            free = attributes.number(f"{self._card}/lmem_avail_bytes")
            if free is not None and 0 <= free <= total:
                fields |= {"memory_free_bytes": free, "memory_used_bytes": total - free}
        return fields

    def _state(self) -> tuple[str, str]:
        """State and reason, by how the files were read."""
        attributes = self._attributes
        if self._lost:
            return "lost", f"PCI device {self._pci_address} does not answer on its bus: restart the machine"
        failures = attributes.gone + attributes.denied + attributes.refused + attributes.left_out
        if attributes.answered or not failures:
            return "ok", ""
        self._held_due = float("-inf")
        if attributes.denied:
            return "denied", f"this user may not read {self.reading} and its like: give it the right to, or run as root"
        return "failed", f"{self.driver} answers for no file of it, not for {self.reading}: see the kernel's log"


def _with_use(fields: dict[str, Any], found: tuple[Use, bool] | None) -> dict[str, Any]:
    """With what its clients had. Where not all of them are seen, nothing can be said of the whole."""
    if found is None or not found[1]:
        return fields
    use = found[0]
    if use.engines is not None:
        # The busiest class of engines: unlike the time awake it does not count what a display or a timer takes.
        fields["engines"] = dict(use.engines)
        fields["utilization_percent"] = max(use.engines.values(), default=0.0)
    # Nobody has any of a memory that is there.
    none = 0 if "memory_total_bytes" in fields and not use.processes else None
    used = use.local_bytes if use.local_bytes is not None else none
    if "memory_used_bytes" not in fields and used is not None:
        fields["memory_used_bytes"] = used
    return fields
