"""Intel GPUs from sysfs and procfs: a source of readings without a library, a tool or an open device node."""

from __future__ import annotations

import threading
import time
from typing import Final, NamedTuple

import msgspec

from nodescope.devices.intel.client_scan import ClientScan, ScanLimits
from nodescope.devices.intel.device import Device
from nodescope.devices.intel.identity import DRIVERS, VENDOR
from nodescope.devices.rounds import Rounds
from nodescope.devices.source import Observed, SourceFailed
from nodescope.host import Absent, Host
from nodescope.kernel.pci_address import parse_address
from nodescope.records.gpu import GpuReport
from nodescope.records.gpu_snapshot import GpuSource

KIND: Final = "sysfs"
MAX_GPUS: Final = 64
TURN_LIMIT_S: Final = 1.0
"""One GPU is read in milliseconds; while it is being reset its files wait for that."""

LEAST_ROUND_S: Final = 0.05
"""A round has so long, however short the patience of who asks: what is late is given the next time."""

Key = tuple[str, str]
"""PCI address and driver."""


class IntelLimits(NamedTuple):
    """Seconds. `turn_s`: one GPU may take to be read, then it is unresponsive. `scan`: of the look at processes."""

    turn_s: float = TURN_LIMIT_S
    scan: ScanLimits = ScanLimits()


class IntelSource:
    """A `Source`. Utilisation is that of the busiest class of engines, as all processes together had it between the
    last two looks at them (`ScanLimits`); where not all may be looked at it is the share of time that the GPU was
    awake, which is never less than it was busy, and absent where the driver never lets the GPU sleep. Use of memory is
    the driver's, where it tells it, else the sum of what processes have.

    A GPU that cannot be read keeps its place with the last that was read of it. `interval_s`: between two readings.
    """

    def __init__(self, host: Host, interval_s: float, limits: IntelLimits | None = None) -> None:
        self._limits = limits or IntelLimits()
        self._host = host
        self._interval_s = interval_s
        self._rounds = Rounds("intel-gpus", self._turn, self._limits.turn_s)
        self._scan = ClientScan(host, self._limits.scan)
        self._closed = threading.Event()
        self._due = float("-inf")
        self._devices: dict[Key, Device] = {}
        self._observed = Observed(0, (), (), ())
        self._hung: frozenset[str] = frozenset()
        self._hung_calls = 0

    def observe(self, timeout_s: float) -> Observed:
        until = time.monotonic() + timeout_s
        wait_s = min(self._due, until) - time.monotonic()
        if self._closed.wait(wait_s) if wait_s > 0 else self._closed.is_set():
            raise SourceFailed("Intel GPUs are not read any more: the agent has given the driver up")
        now = time.monotonic()
        if now < self._due and self._devices:
            return self._observed
        self._due = now + self._interval_s
        self._look()
        keys = [_text(key) for key in self._devices]
        self._rounds.run(keys, max(until - now, LEAST_ROUND_S))
        watched = {key[0]: one.watched for key, one in self._devices.items() if one.watched is not None}
        self._scan.start_if_due(watched)
        self._observed = self._observe()
        return self._observed

    def status(self) -> GpuSource:
        observed = self._observed
        versions = sorted({gpu.driver_version for gpu in observed.gpus if gpu.driver_version})
        return GpuSource(
            vendor=VENDOR,
            kind=KIND,
            state="ok" if observed.generation else "starting",
            reason=self._scan.reason(),
            driver_version=", ".join(versions) or None,
            interval_seconds=self._interval_s,
            generation=observed.generation,
            gpus=len(observed.gpus),
            hung_calls=self._hung_calls,
        )

    def close(self) -> None:
        """Nothing is read from now on. A file that hangs keeps its thread, which does not keep the agent."""
        self._closed.set()

    def _turn(self, text: str) -> None:
        """Reads one GPU, in a thread."""
        device = self._devices.get(_key(text))
        if device is not None:
            device.turn()

    def _look(self) -> None:
        """Which GPUs there are now. Raises `Absent` where there is none."""
        found: list[Key] = []
        for driver in DRIVERS:
            try:
                names = self._host.list(self._host.sys(f"bus/pci/drivers/{driver}"))
            except (Absent, OSError):
                continue
            found += [(name, driver) for name in names if parse_address(name) is not None]
        # By address, as the kernel numbers them at its start.
        found = sorted(found)[:MAX_GPUS]
        known = self._devices
        self._devices = {
            key: known.get(key) or Device(self._host, *key, index, self._scan.use) for index, key in enumerate(found)
        }
        if not found:
            self._observed = self._observed._replace(gpus=(), reports=())
            raise Absent("no GPU has the driver i915 or xe")

    def _observe(self) -> Observed:
        stuck = {key: seconds for key, seconds in self._rounds.stuck().items() if seconds >= self._limits.turn_s}
        hung = frozenset(stuck)
        self._hung_calls += len(hung - self._hung)
        self._hung = hung
        before = self._observed
        gpus = tuple(
            msgspec.structs.replace(one.identity, index=index) for index, one in enumerate(self._devices.values())
        )
        reports = tuple(_report(one, stuck.get(_text(key))) for key, one in self._devices.items())
        return Observed(before.generation + (gpus != before.gpus), gpus, (), reports)


def _report(device: Device, stuck_s: float | None) -> GpuReport:
    """What a GPU's last turn gave; of one that hangs that it does."""
    if stuck_s is None:
        return device.report
    return msgspec.structs.replace(
        device.report,
        state="unresponsive",
        reason=f"reading {device.reading} has not returned: see the kernel's log, then reset the GPU",
        busy_call=device.reading,
        busy_seconds=stuck_s,
    )


def _text(key: Key) -> str:
    return " ".join(key)


def _key(text: str) -> Key:
    address, _, driver = text.partition(" ")
    return address, driver
