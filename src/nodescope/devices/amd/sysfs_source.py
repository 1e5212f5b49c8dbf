"""AMD's GPUs from sysfs and KFD: a `Source`.

*Source*: as `placement`, `sysfs_gpu` and `processes` say. Neither /dev/kfd nor a node under /dev/dri is ever
opened. *Absent when*: amdgpu is not loaded or has no GPU. *Cost*: one thread for some milliseconds a sample; a file
that hangs costs its GPU alone, and one thread until it answers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from nodescope.devices.amd.identity import VENDOR
from nodescope.devices.amd.marketing_names import MarketingNames
from nodescope.devices.amd.partitions import by_gpu_id
from nodescope.devices.amd.placement import Placement, Placements
from nodescope.devices.amd.processes import Owner, Owners, Processes
from nodescope.devices.amd.sysfs_gpu import Placed, SysfsGpu
from nodescope.devices.one_by_one import OneByOne
from nodescope.devices.source import Observed, SourceFailed
from nodescope.host import Absent, Host
from nodescope.records.gpu import GpuIdentity, GpuReport, InstanceIdentity, ProcessReading
from nodescope.records.gpu_snapshot import GpuSource

KIND: Final = "sysfs"
PLACES: Final = "places"
PROCESSES: Final = "processes"
LOOK_S: Final = 0.02


class SysfsLimits(NamedTuple):
    """Seconds. `patience_s`: how long the others wait for a GPU that does not answer, once; `hung_s`: for how long one
    has not answered that is told of as "unresponsive"; `inventory_s`: between two looks at all of the PCI bus."""

    patience_s: float = 0.5
    hung_s: float = 5.0
    inventory_s: float = 60.0


LIMITS: Final = SysfsLimits()
replace = msgspec.structs.replace


class SysfsSource:
    """See above. For one caller at a time, but `close` and `status`, which any thread may call."""

    def __init__(self, host: Host, interval_s: float, limits: SysfsLimits = LIMITS) -> None:
        self._host = host
        self._interval_s = interval_s
        self._limits = limits
        self._closed = threading.Event()
        self._names = MarketingNames(host)
        self._places = Placements(host, limits.inventory_s)
        self._processes = Processes(host)
        self._gpus: dict[str, SysfsGpu] = {}
        self._placed: Placement | None = None
        self._one_by_one = OneByOne(self._work, limits.patience_s)
        self._due = float("-inf")
        self._observed: Observed | None = None
        self._driver_version: str | None = None
        self._sample_s: float | None = None
        self._rounds = 0
        self._generation = 0
        self._hung: set[str] = set()
        self._hung_calls = 0

    def observe(self, timeout_s: float) -> Observed:
        """Paces itself: a sample begins `interval_s` after the one before, or is not awaited."""
        wait_s = self._due - time.monotonic()
        self._closed.wait(max(0.0, min(wait_s, timeout_s)))
        if self._closed.is_set():
            raise SourceFailed("AMD's GPUs are not read any more: the agent has given the driver up")
        if wait_s <= timeout_s or self._observed is None:
            began = time.monotonic()
            self._due = began + self._interval_s
            self._observed = self._sampled()
            self._sample_s = time.monotonic() - began
            self._rounds += 1
        return self._observed

    def status(self) -> GpuSource:
        observed = self._observed
        stuck = self._places.stuck(self._limits.hung_s)
        reasons = [f"the list of GPUs is not renewed: {stuck}"] if stuck else []
        if PROCESSES in self._one_by_one.stuck:
            reasons.append(f"processes are not looked for: reading {self._processes.path} has not returned")
        return GpuSource(
            vendor=VENDOR,
            kind=KIND,
            state="ok" if observed else "failed" if stuck else "starting",
            reason="; ".join(reasons),
            driver_version=self._driver_version,
            interval_seconds=self._interval_s,
            sample_seconds=self._sample_s,
            rounds=self._rounds,
            generation=observed.generation if observed else 0,
            gpus=len(observed.gpus) if observed else 0,
            hung_calls=self._hung_calls,
        )

    def close(self) -> None:
        """Nothing is read from now on; what hangs ends with the read that it is in."""
        self._closed.set()

    def _sampled(self) -> Observed:
        placement = self._placement()
        if not placement.gpus:
            self._observed = None
            self._gpus = {}
            raise Absent(self._host.sys("bus/pci/drivers/amdgpu"))
        self._arrange(placement)
        self._one_by_one.each(self._gpus)
        self._processes.owners = self._owners()
        self._one_by_one.each([PROCESSES])
        return self._composed()

    def _placement(self) -> Placement:
        """The newest there is; the first one is waited for, for as long as nothing is said to hang."""
        deadline = time.monotonic() + self._limits.hung_s
        self._one_by_one.each([PLACES])
        while (newest := self._places.newest) is None:
            why = self._places.stuck(0.0)
            if not why or time.monotonic() >= deadline or self._closed.wait(LOOK_S):
                raise SourceFailed(f"the list of AMD's GPUs is not known: {why or 'it is asked for again'}")
        return newest

    def _work(self, name: str) -> None:
        """Of one name: a GPU's address, or a constant. In a thread that may be left behind."""
        if name == PLACES:
            self._places.look()
        elif name == PROCESSES:
            self._processes.scan()
        else:
            self._gpus[name].sample()

    def _arrange(self, placement: Placement) -> None:
        """The GPUs that there are now, each with its place. One that came anew under its address starts afresh."""
        if placement is self._placed:
            return
        self._placed = placement
        known = self._gpus
        self._gpus = {
            gpu.address: known.get(gpu.address) or SysfsGpu(self._host, gpu.address, self._names)
            for gpu in placement.gpus
        }
        for address in known.keys() - self._gpus.keys():
            self._host.forget(known[address].files.folder)
        self._driver_version = placement.driver_version
        for index, gpu in enumerate(placement.gpus):
            placed = Placed(index, gpu.bound, placement.nodes.get(gpu.address, ()), placement.driver_version)
            self._gpus[gpu.address].place(placed, placement.peers)

    def _owners(self) -> Owners:
        by_gpu: dict[int, Owner] = {}
        by_address: dict[str, Owner] = {}
        by_node: dict[str, Owner] = {}
        for gpu in self._gpus.values():
            uuid, instances = gpu.known.identity.uuid, gpu.known.instances
            by_gpu |= {
                gpu_id: Owner(uuid, instance) for gpu_id, instance in by_gpu_id(gpu.known.nodes, instances).items()
            }
            by_address[gpu.address] = Owner(uuid)
            for instance in instances:
                for node in (instance.dri_card, instance.dri_render):
                    if node is not None:
                        by_node[node] = Owner(uuid, instance.uuid)
        return Owners(by_gpu, by_address, by_node)

    def _composed(self) -> Observed:
        gpus: dict[str, GpuIdentity] = {}
        instances: list[InstanceIdentity] = []
        reports: list[GpuReport] = []
        processes = self._processes.found()
        for gpu in self._gpus.values():
            known = gpu.known
            if known.identity.uuid in gpus:
                gpu.go_by_address()
                continue
            gpus[known.identity.uuid] = known.identity
            instances += known.instances
            report = self._report(gpu, known.identity.uuid, processes)
            if report is not None:
                reports.append(report)
        before = self._observed
        found = tuple(gpus.values()), tuple(instances)
        same = before is not None and found == (before.gpus, before.instances)
        self._generation += not same
        return Observed(self._generation, *found, tuple(reports))

    def _report(
        self, gpu: SysfsGpu, uuid: str, processes: Mapping[str, tuple[ProcessReading, ...]] | None
    ) -> GpuReport | None:
        """The newest of a GPU, with its processes; of one that hangs the last one, and what hangs."""
        report, started = gpu.report, gpu.started
        if report is not None and report.uuid != uuid:
            report = None
        busy_s = 0.0 if started is None else time.monotonic() - started
        if started is None or busy_s < self._limits.hung_s:
            self._hung.discard(gpu.address)
            if report is None or report.state != "ok":
                return report
            if processes is None:
                return replace(report, processes_told=False)
            return replace(report, processes=processes[uuid]) if uuid in processes else report
        if gpu.address not in self._hung:
            self._hung.add(gpu.address)
            self._hung_calls += 1
        path = gpu.files.path or gpu.files.folder
        return replace(
            report or GpuReport(uuid=uuid),
            state="unresponsive",
            reason=f"reading {path} has not returned for {busy_s:.0f} s; the kernel log may say why",
            busy_call=path,
            busy_seconds=busy_s,
        )
