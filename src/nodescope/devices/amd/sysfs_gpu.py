"""One AMD GPU in sysfs: what is known of it, and its newest report.

*Source*: the folder of its PCI device. `power/runtime_status` is read first: of a GPU that sleeps nothing is read that
would wake it; it is told of as "ok" for the reason "suspended", without a reading. *Cost*: about twenty reads a sample;
what hardly ever changes each `LEARN_SECONDS`, counts of errors as `error_counts` says.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from nodescope.devices.amd import gpu_metrics_reading, identity, limits, sysfs_reading
from nodescope.devices.amd.activity import Activity
from nodescope.devices.amd.device_files import DeviceFiles
from nodescope.devices.amd.energy import FIELD as ENERGY
from nodescope.devices.amd.energy import EnergyCounter
from nodescope.devices.amd.error_counts import FOLDER as RAS_FOLDER
from nodescope.devices.amd.error_counts import ErrorCounts
from nodescope.devices.amd.gpu_metrics import GpuMetrics
from nodescope.devices.amd.hwmon import Hwmon
from nodescope.devices.amd.kfd import KfdNode
from nodescope.devices.amd.marketing_names import MarketingNames
from nodescope.devices.amd.partition_readings import PartitionReadings
from nodescope.devices.amd.partitions import Partition, identities, partitions
from nodescope.devices.amd.xgmi import links_of_topology
from nodescope.host import Host
from nodescope.kernel.runtime_power import ASLEEP, STATUS
from nodescope.records.gpu import GpuIdentity, GpuReading, GpuReport, InstanceIdentity, LinkReading

LEARN_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 5.0
"""Where some of it was refused, as during a reset."""

SUSPENDED: Final = "suspended"
NO_DRIVER: Final = "no driver has it, though amdgpu is loaded: its start failed, the kernel log says why"


class Placed(NamedTuple):
    """What is known of a GPU's place. `number`: in the order of addresses. `bound`: whether amdgpu drives it. `nodes`:
    of KFD, one for each partition."""

    number: int = 0
    bound: bool = True
    nodes: tuple[KfdNode, ...] = ()
    driver_version: str | None = None


class Known(NamedTuple):
    """What a GPU and its partitions are. `nodes`: of KFD, for the instances in order, or of a whole GPU."""

    identity: GpuIdentity
    instances: tuple[InstanceIdentity, ...] = ()
    nodes: tuple[KfdNode, ...] = ()


class SysfsGpu:
    """`sample` is for one thread at a time, and may hang; all else never does.

    `known`: what it is, as far as that is known. `report`: the newest, None before the first. `started`: when the
    sample that is under way began (CLOCK_MONOTONIC), None where there is none.
    """

    def __init__(self, host: Host, address: str, names: MarketingNames) -> None:
        self.address = address
        self.files = DeviceFiles(host, host.sys(f"bus/pci/devices/{address}"))
        self.known = Known(identity.provisional(address, 0, ()))
        self.report: GpuReport | None = None
        self.started: float | None = None
        self._host = host
        self._names = names
        self._placed: Placed | None = None
        self._learnt: Placed | None = None
        self._peers: Mapping[int, str] = {}
        self._due = float("-inf")
        self._awake: GpuIdentity | None = None
        self._has: frozenset[str] = frozenset()
        self._hot: frozenset[str] = frozenset()
        self._hwmon = Hwmon(self.files)
        self._errors = ErrorCounts(self.files)
        self._partition_readings = PartitionReadings(host, self.files)
        self._activity = Activity()
        self._energy = EnergyCounter()
        self._limits: dict[str, Any] = {}
        self._parts: tuple[Partition, ...] = ()
        self._left_out = 0
        self._by_address = False
        self._metrics_tell_links = False

    def place(self, placed: Placed, peers: Mapping[int, str]) -> None:
        """What differs from before is learnt anew with the next sample. `peers`: KFD node -> address, of all GPUs."""
        self._placed, self._peers = placed, peers
        if self.report is None:
            self.known = Known(identity.provisional(self.address, placed.number, placed.nodes))

    def go_by_address(self) -> None:
        """From the next sample on its address is its uuid: another GPU says that it has the same number."""
        self._by_address, self._learnt = True, None

    def sample(self) -> None:
        """Reads it. A file that hangs keeps this from coming back."""
        self.started = time.monotonic()
        try:
            self.report = self._sampled(self._placed or Placed())
        finally:
            self.started = None

    def _sampled(self, placed: Placed) -> GpuReport:
        files = self.files
        if not placed.bound:
            return self._without_reading("failed", NO_DRIVER)
        files.begin()
        asleep = (files.now(STATUS) or b"").strip() in ASLEEP
        now = time.monotonic()
        if now >= self._due or placed != self._learnt:
            self._learn(placed, asleep)
            # One that slept is asked for the rest as soon as it is awake.
            self._learnt = None if asleep else placed
            self._due = now + (RETRY_SECONDS if files.unsettled else LEARN_SECONDS)
        if asleep:
            return self._without_reading("ok", SUSPENDED)
        files.begin()
        sampled = sysfs_reading.sample(files, self._has, self._hwmon, self._activity, self._limits)
        if not files.answered and self._hot:
            return self._silent()
        if self._hwmon.moved:
            self._learnt = None
        return self._report(sampled.fields, sampled.metrics)

    def _report(self, fields: dict[str, Any], metrics: GpuMetrics | None) -> GpuReport:
        known, errors = self.known, self._errors
        if RAS_FOLDER in self._has:
            errors.read()
        fields["driver_fields"] |= errors.driver_fields
        if ENERGY in fields:
            fields[ENERGY] = self._energy.continued(fields[ENERGY], time.monotonic())
        instances = self._partition_readings.read(known.instances, self._parts, metrics)
        return GpuReport(
            uuid=known.identity.uuid,
            reading=GpuReading(**{**fields, **errors.fields}),
            links=self._links(metrics),
            ecc=errors.eccs,
            instances=instances,
            left_out=self._left_out + self.files.left_out,
            sampled_monotonic_seconds=time.monotonic(),
        )

    def _without_reading(self, state: str, reason: str) -> GpuReport:
        """Of this moment all the same."""
        uuid = self.known.identity.uuid
        return GpuReport(uuid=uuid, state=state, reason=reason, sampled_monotonic_seconds=time.monotonic())

    def _silent(self) -> GpuReport:
        """Not one file answered."""
        self._learnt = None
        refused = self.files.refused
        if refused:
            return self._without_reading(
                "failed", f"the driver refuses all readings, as it does during a reset; {refused}"
            )
        return self._without_reading("lost", f"no file in {self.files.folder} answers any more; see the kernel log")

    def _learn(self, placed: Placed, asleep: bool) -> None:
        """All that hardly ever changes; of one that sleeps what it said when it was awake, as far as it ever was."""
        files = self.files
        found = identity.provisional(self.address, placed.number, placed.nodes)
        before = self._awake
        if before is not None and len(placed.nodes) != len(self.known.nodes):
            # Divided anew: its modes are others.
            before = msgspec.structs.replace(before, compute_partition=None, memory_partition=None)
        found = identity.complete(self._host, files, self._names, found, placed.driver_version, asleep, before)
        if self._by_address:
            found = msgspec.structs.replace(found, uuid=self.address)
        self._has = frozenset(files.names(""))
        # One that had such files once has to have them.
        self._hot = self._has & sysfs_reading.HOT or self._hot
        if not asleep:
            self._awake = found
            self._hwmon.learn()
            self._errors.learn()
            self._limits = limits.read_limits(files, self._has, self._hwmon)
        shown = (self._awake if asleep else None) or found
        self._parts = partitions(self._host, placed.nodes, shown.compute_partition, shown.dri_render)
        instances = identities(shown.uuid, self._parts, shown.compute_partition)
        self.known = Known(shown, instances, placed.nodes)
        self._left_out = files.left_out

    def _links(self, metrics: GpuMetrics | None) -> tuple[LinkReading, ...]:
        found = gpu_metrics_reading.links(metrics) if metrics is not None else ()
        # The topology numbers links in another way: it never stands in for a file that is refused for a moment.
        self._metrics_tell_links |= bool(found)
        return found if self._metrics_tell_links else links_of_topology(self.known.nodes, self.address, self._peers)
