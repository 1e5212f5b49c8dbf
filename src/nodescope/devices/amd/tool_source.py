"""AMD GPUs as one of AMD's tools tells of them, where sysfs cannot be read.

A run costs up to a second of a CPU, so there is one each few seconds at most, in a thread of its own: nobody who reads
waits for a run longer than they said.
"""

from __future__ import annotations

import time
from typing import Final, NamedTuple, Protocol

import msgspec

from nodescope.devices.amd.smi_identity import VENDOR
from nodescope.devices.amd.smi_program import ABSENT, HUNG, Unreadable
from nodescope.devices.amd.smi_records import Told
from nodescope.devices.paced_runs import PacedRuns
from nodescope.devices.source import Observed, SourceFailed
from nodescope.host import Absent, Host
from nodescope.kernel.pci_address import parse_address
from nodescope.records.amd_static import AmdStatic
from nodescope.records.gpu import GpuIdentity, GpuReport
from nodescope.records.gpu_snapshot import GpuSource

INTERVAL_S: Final = 15.0
LEAST_INTERVAL_S: Final = 5.0
RUN_LIMIT_S: Final = 10.0
ROUND_LIMIT_S: Final = 30.0
INVENTORY_S: Final = 600.0
LONGEST_REST_S: Final = 300.0
CLOSE_LIMIT_S: Final = 1.5
MAX_GPUS: Final = 64

NOTHING: Final = Observed(0, (), (), ())


class ToolLimits(NamedTuple):
    """Seconds. `run_s`: one run may take, then it is killed. `round_s`: all runs of one round. `inventory_s`: how long
    what hardly changes is believed. `longest_rest_s`: between two tries, which double with each failure."""

    least_interval_s: float = LEAST_INTERVAL_S
    run_s: float = RUN_LIMIT_S
    round_s: float = ROUND_LIMIT_S
    inventory_s: float = INVENTORY_S
    longest_rest_s: float = LONGEST_REST_S
    close_s: float = CLOSE_LIMIT_S


class Tool(Protocol):
    """What is asked. `ask` raises `Unreadable`; it has its own deadlines. `stop` ends it at once, and for good."""

    @property
    def kind(self) -> str: ...

    @property
    def starts(self) -> int: ...

    def ask(self) -> tuple[Told, ...]: ...

    def stop(self) -> None: ...


class ToolSource:
    """A `Source`. Where a run fails the last readings stay, with their time, and their GPUs' state says why.

    `interval_s`: between two rounds, `limits.least_interval_s` at least.
    """

    def __init__(
        self, host: Host, tool: Tool, interval_s: float = INTERVAL_S, limits: ToolLimits | None = None
    ) -> None:
        self._limits = limits or ToolLimits()
        self._interval_s = max(interval_s, self._limits.least_interval_s)
        self._host = host
        self._tool = tool
        self._runs = PacedRuns(self._tool.kind, self._round, self._interval_s, self._limits.longest_rest_s)
        # What follows is read by others, under the lock of the condition.
        self._changed = self._runs.changed
        self._observed: Observed | None = None
        self._statics: tuple[AmdStatic, ...] = ()
        self._failure: Unreadable | None = None
        self._generation = 0
        self._hung = 0
        self._failed = 0
        self._round_s: float | None = None
        self._rounds = 0

    def observe(self, timeout_s: float) -> Observed:
        with self._changed:
            if not self._runs.wait(timeout_s):
                raise SourceFailed(f"{self._tool.kind} is not asked any more: the agent has given the driver up")
            if self._observed is not None:
                return self._observed
            if self._failure is None:
                return NOTHING
            kind, reason = self._failure.kind, str(self._failure)
        raise (Absent if kind in ABSENT else SourceFailed)(reason)

    def statics(self) -> tuple[AmdStatic, ...]:
        """What was told of each GPU and partition that does not change; never waits."""
        with self._changed:
            return self._statics

    def status(self) -> GpuSource:
        with self._changed:
            observed = self._observed or NOTHING
            versions = [gpu.driver_version for gpu in observed.gpus if gpu.driver_version]
            return GpuSource(
                vendor=VENDOR,
                kind=self._tool.kind,
                state="failed" if self._failure else "ok" if self._runs.ended else "starting",
                reason=str(self._failure or ""),
                interval_seconds=self._interval_s,
                sample_seconds=self._round_s,
                rounds=self._rounds,
                driver_version=versions[0] if versions else None,
                generation=observed.generation,
                gpus=len(observed.gpus),
                starts=self._tool.starts,
                hung_calls=self._hung,
                failed_runs=self._failed,
            )

    def close(self) -> None:
        """No further round is started; one that is under way is ended."""
        self._tool.stop()
        self._runs.close(self._limits.close_s)

    def _round(self) -> bool:
        """One round, in a thread of its own; whether it went well."""
        began = time.monotonic()
        try:
            found = self._tool.ask()
        except Unreadable as error:
            self._take_failure(error)
            return False
        fresh = self._inventoried(found[:MAX_GPUS])
        with self._changed:
            self._failure = None
            self._round_s = time.monotonic() - began
            self._rounds += 1
            self._observed = fresh
            self._statics = tuple(static for one in found for static in one.statics)
        return True

    def _inventoried(self, found: tuple[Told, ...]) -> Observed:
        """With the GPUs that are no longer told of, though their devices are there."""
        before = self._observed or NOTHING
        there = {one.identity.uuid for one in found} | {one.identity.pci_address for one in found}
        lost = [gpu for gpu in before.gpus if gpu.uuid not in there and gpu.pci_address not in there]
        lost = [gpu for gpu in lost if self._is_there(gpu)]
        gpus = (*(one.identity for one in found), *lost)
        instances = tuple(instance for one in found for instance in one.instances)
        if (gpus, instances) != (before.gpus, before.instances):
            self._generation += 1
        reports = (*(one.report for one in found), *(self._lost(gpu) for gpu in lost))
        return Observed(self._generation, gpus, instances, reports)

    def _is_there(self, gpu: GpuIdentity) -> bool:
        # The address comes from the tool, and becomes part of a path.
        if gpu.pci_address is None or parse_address(gpu.pci_address) is None:
            return False
        return self._host.exists(self._host.sys(f"bus/pci/devices/{gpu.pci_address}"))

    def _lost(self, gpu: GpuIdentity) -> GpuReport:
        reason = (
            f"{self._tool.kind} no longer tells of it, though PCI device {gpu.pci_address} is there: see the kernel log"
            " for amdgpu, then reset the GPU or restart the machine"
        )
        return GpuReport(uuid=gpu.uuid, state="lost", reason=reason)

    def _take_failure(self, error: Unreadable) -> None:
        """Without a driver nothing is there; else the last that was known stays."""
        state = "unresponsive" if error.kind == HUNG else "failed"
        with self._changed:
            self._failure = error
            self._hung += error.kind == HUNG
            self._failed += error.kind not in (HUNG, *ABSENT)
            if error.kind in ABSENT:
                self._observed = None
                self._statics = ()
            elif self._observed is not None:
                reports = (
                    msgspec.structs.replace(one, state=state, reason=str(error)) for one in self._observed.reports
                )
                self._observed = self._observed._replace(reports=tuple(reports))
