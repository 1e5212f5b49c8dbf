"""XIDs from both of their sources, counted together for the life of the agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from nodescope.devices.nvidia.frame import Xid
from nodescope.devices.nvidia.told import VENDOR
from nodescope.devices.nvidia.xid.counts import XidCounts
from nodescope.devices.nvidia.xid.kmsg import WORD
from nodescope.devices.nvidia.xid.state import boot_id
from nodescope.host import Host
from nodescope.kernel.kmsg import KernelLog
from nodescope.records.gpu import GpuIdentity
from nodescope.records.gpu_snapshot import MissedXids, XidCount

FIRST_READ_S: Final = 2.0
"""How long the first counts wait for what the kernel log holds: who looks but once would miss it."""

STILL_READ: Final = "the kernel log is still being read"


class Xids:
    """The library's events come by `nvml`; the kernel log is read from `kmsg` (a path; "" for not at all).
    `state_path`: where counts are kept, None for nowhere."""

    def __init__(
        self, host: Host, state_path: str | None, kmsg: str, publish: Callable[[str, str, Mapping[str, str]], object]
    ) -> None:
        self._counts = XidCounts(state_path, publish, boot_id=boot_id(host))
        self._patience_s = FIRST_READ_S
        self._log = KernelLog(host.root(kmsg), self._counts.kernel_record, "start", (WORD,)) if kmsg else None

    @property
    def problem(self) -> str:
        """Why XIDs may be missing, "" where they are not; not to read the kernel log at all was asked for."""
        if self._log is None:
            return ""
        return self._log.problem if self._log.is_settled() else STILL_READ

    def nvml(self, xid: Xid) -> None:
        """Counts an event of the library."""
        self._counts.seen(
            xid.xid,
            xid.time_seconds,
            "nvml",
            uuid=xid.uuid,
            gpu_instance_id=xid.gpu_instance_id,
            compute_instance_id=xid.compute_instance_id,
        )

    def identities(self, gpus: Sequence[GpuIdentity]) -> None:
        """Which GPU is where."""
        self._counts.identities(gpus)

    def records(self, gpus: Sequence[GpuIdentity]) -> tuple[XidCount, ...]:
        """The counts of these GPUs."""
        if self._log is not None:
            self._log.is_settled(self._patience_s)
            self._patience_s = 0.0
        return self._counts.records(gpus)

    def missed(self) -> tuple[MissedXids, ...]:
        """What may have cost XIDs their count; kinds that cost none are absent."""
        counts = {"uncounted": self._counts.dropped}
        if self._log is not None:
            counts |= {"malformed": self._log.malformed, "overwritten": self._log.lost}
        return tuple(
            MissedXids(vendor=VENDOR, kind=kind, count=count) for kind, count in sorted(counts.items()) if count
        )

    def was_reset(self, uuid: str, time_seconds: float) -> None:
        """Keeps that a GPU was reset."""
        self._counts.was_reset(uuid, time_seconds)

    def close(self) -> None:
        """Stops reading, and saves."""
        if self._log is not None:
            self._log.close()
        self._counts.close()
