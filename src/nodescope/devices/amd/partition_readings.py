"""What each partition of a GPU reads.

*Source*: the GPU's gpu_metrics where it tells of partitions, else the file xcp/xcp_metrics of its own device (since
Linux 6.17); memory from the partition's KFD node, of which the driver of ROCm's packages tells what is used.
*Absent when*: neither tells it; power, temperatures and the like are of the whole GPU.
"""

from __future__ import annotations

from collections.abc import Sequence

from nodescope.devices.amd import gpu_metrics, gpu_metrics_reading
from nodescope.devices.amd.device_files import DeviceFiles
from nodescope.devices.amd.gpu_metrics import GpuMetrics
from nodescope.devices.amd.gpu_metrics_reading import PartitionReading
from nodescope.devices.amd.kfd import NODES
from nodescope.devices.amd.partitions import Partition
from nodescope.host import Host, Malformed
from nodescope.kernel.number import uint64
from nodescope.records.gpu import InstanceIdentity, InstanceReading


class PartitionReadings:
    """Reads through the GPU's `files`, so that what hangs has a name."""

    def __init__(self, host: Host, files: DeviceFiles) -> None:
        self._host = host
        self._files = files

    def read(
        self, instances: Sequence[InstanceIdentity], parts: Sequence[Partition], metrics: GpuMetrics | None
    ) -> tuple[InstanceReading, ...]:
        """One for each partition, in order."""
        if not parts:
            return ()
        told = gpu_metrics_reading.partitions(metrics) if metrics is not None else ()
        return tuple(
            self._one(instance.uuid, part, told[part.number] if part.number < len(told) else self._own(part))
            for instance, part in zip(instances, parts, strict=True)
        )

    def _one(self, uuid: str, part: Partition, said: PartitionReading | None) -> InstanceReading:
        total, used = part.node.memory_bytes, self._used_memory(part)
        return InstanceReading(
            uuid=uuid,
            memory_total_bytes=total,
            memory_used_bytes=used,
            memory_free_bytes=total - used if total is not None and used is not None and used <= total else None,
            utilization_percent=said.utilization_percent if said else None,
            clock_graphics_megahertz=said.clock_graphics_megahertz if said else None,
        )

    def _own(self, part: Partition) -> PartitionReading | None:
        raw = self._kept(f"{part.folder}/xcp/xcp_metrics") if part.folder else None
        if not raw:
            return None
        try:
            return gpu_metrics_reading.partition(gpu_metrics.decode_partition(raw, part.folder), part.number)
        except Malformed:
            self._files.left_out += 1
            return None

    def _used_memory(self, part: Partition) -> int | None:
        raw = self._kept(self._host.sys(f"{NODES}/{part.node.node}/mem_banks/0/used_memory"))
        return None if raw is None else uint64(raw.strip())

    def _kept(self, path: str) -> bytes | None:
        return self._files.guarded(lambda path: self._host.read(path, built_in=True), path)
