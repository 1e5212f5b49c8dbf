"""A node with counters of XIDs, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from nodescope.devices.nvidia.xid.counts import XidCounts
from nodescope.kernel.kmsg import KmsgRecord
from nodescope.records.gpu import GpuIdentity

A: Final = GpuIdentity(vendor="nvidia", uuid="GPU-a", pci_address="0000:18:00.0")
B: Final = GpuIdentity(vendor="nvidia", uuid="GPU-b", pci_address="0000:9b:00.0")
NOW: Final = 1_700_000_000.0
UPTIME_S: Final = 3600.0
BOOT: Final = "0b9d2a6c-9f2c-4d3e-8f6a-1f0f7a3c2b1d"


class Clock:
    def __init__(self) -> None:
        self.now = NOW
        self._set_by = 0.0

    def __call__(self) -> float:
        return self.now

    def since_boot(self) -> float:
        return self.now - self._set_by - NOW + UPTIME_S

    def set_by(self, by: float) -> None:
        """Somebody sets the clock; no time passes."""
        self.now += by
        self._set_by += by


class Node:
    """Counters, which may be restarted, with a clock of the test's and every event that was published."""

    def __init__(self, state_path: str | None) -> None:
        self.clock = Clock()
        self.events: list[tuple[str, str, Mapping[str, str]]] = []
        self._state_path = state_path
        self._sequence = 0
        self.counts: XidCounts
        self.start()

    def start(self, boot: str = BOOT) -> None:
        self.counts = XidCounts(self._state_path, self._publish, self.clock, boot, self.clock.since_boot)

    def _publish(self, kind: str, subject: str, attributes: Mapping[str, str]) -> None:
        self.events.append((kind, subject, attributes))

    def restart(self, boot: str = BOOT) -> None:
        self.counts.close()
        self.start(boot)

    def nvml(self, xid: int, at: float = 0.0, uuid: str = "GPU-a", **about: Any) -> None:
        self.counts.seen(xid, NOW + at, "nvml", uuid=uuid, **about)

    def kmsg(self, xid: int, at: float = 0.0, place: str = "0000:18:00", said: str = "Ch 00000008") -> KmsgRecord:
        return self.line(f"NVRM: Xid (PCI:{place}): {xid}, pid=7, name=python3, {said}", at)

    def line(self, message: str, at: float = 0.0) -> KmsgRecord:
        self._sequence += 1
        record = KmsgRecord(0, self._sequence, 0, message)
        self.counts.kernel_record(record, NOW + at)
        return record

    def totals(self, *gpus: GpuIdentity) -> dict[tuple[str, int], int]:
        records = self.counts.records(gpus or (A, B))
        return {(record.identity.uuid, record.xid): record.count for record in records}
