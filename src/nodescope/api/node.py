"""What the API needs of the agent: the newest records of each kind, and how old they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol


class Sampled(NamedTuple):
    """Records of one moment. `age_seconds`: since they were read, None where nothing was read yet.

    Of records from several samplers it is the greatest age.
    """

    records: tuple[Any, ...] = ()
    age_seconds: float | None = None


class Node(Protocol):
    """The newest records there are. No method waits, reads a device or raises.

    `gpus`: all that the GPU samplers of every vendor give (`records.gpu_snapshot`). `rdma`: RdmaDevice, RdmaPort,
    RdmaCounter, RdmaSource. `pci`: PciDevice, PciNeighbour, RdmaDistance. `dri`: DriDevice. `amd_static`: AmdStatic.
    `health`: verdicts (GpuHealth, DeviceHealth). `pods`: Container, ContainerUse, DeviceClaim.
    `driver_versions`: by vendor. Records of another kind are passed over.
    """

    def gpus(self) -> Sampled: ...

    def rdma(self) -> Sampled: ...

    def pci(self) -> Sampled: ...

    def dri(self) -> Sampled: ...

    def driver_versions(self) -> Mapping[str, str]: ...

    def amd_static(self) -> Sampled: ...

    def pods(self) -> Sampled: ...

    def health(self) -> Sampled: ...


class NoNode:
    """A node of which nothing is known."""

    def gpus(self) -> Sampled:
        """No GPU."""
        return Sampled()

    def driver_versions(self) -> Mapping[str, str]:
        """No driver."""
        return {}

    rdma = pci = dri = amd_static = pods = health = gpus
