"""Records of what device-metrics-exporter shows. Made of the records of AMD's GPUs, for its names alone.

An entry is a GPU, or a partition of one: as there, what is read of a GPU that is divided is told of its partition 0.
"""

from __future__ import annotations

from typing import Final

import msgspec

from nodescope.records.gpu import GpuIdentity, GpuReading, InstanceReading, LinkReading, ProcessReading

PCIE_SPEEDS: Final = {1: 2.5, 2: 5, 3: 8, 4: 16, 5: 32, 6: 64}
"""Generation -> GT/s."""

UNKNOWN_PARTITION: Final = "none"
ONE_DIE: Final = "cpx"
"""The mode in which each compute die (XCC) is a partition."""


class RocmEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What labels say of a GPU or partition. `gpu_id`: GPUs and partitions counted together, from 0."""

    identity: GpuIdentity
    hostname: str
    gpu_id: int
    partition_id: int = 0

    @property
    def card_model(self) -> str | None:
        """The board's model number, "102-G30211-0C"; of boards without one the name."""
        return self.identity.part_number or self.identity.model

    @property
    def compute_partition(self) -> str:
        return (self.identity.compute_partition or UNKNOWN_PARTITION).lower()

    @property
    def memory_partition(self) -> str:
        return (self.identity.memory_partition or UNKNOWN_PARTITION).lower()


class RocmGpu(msgspec.Struct, frozen=True, kw_only=True):
    """A whole GPU. `ecc`: errors by "correct_umc", "uncorrect_total" ...; `clocks`: MHz by "system_0", "memory_0" ...;
    `health`: 1 healthy, 0 not, None unknown."""

    entry: RocmEntry
    reading: GpuReading
    ecc: dict[str, int] = {}
    clocks: dict[str, float] = {}
    health: int | None = None

    @property
    def pcie_speed(self) -> float | None:
        """In GT/s."""
        return PCIE_SPEEDS.get(self.reading.pcie_generation or 0)

    @property
    def pcie_max_speed(self) -> float | None:
        """In GT/s."""
        return PCIE_SPEEDS.get(self.reading.pcie_max_generation or 0)

    @property
    def free_bytes(self) -> int | None:
        """What is not used of all VRAM, as there: what the driver keeps for itself is free."""
        return _rest(self.reading.memory_total_bytes, self.reading.memory_used_bytes)

    @property
    def free_visible_bytes(self) -> int | None:
        return _rest(self.reading.bar1_total_bytes, self.reading.bar1_used_bytes)

    @property
    def free_gtt_bytes(self) -> int | None:
        return _rest(self.reading.gtt_total_bytes, self.reading.gtt_used_bytes)


class RocmNode(msgspec.Struct, frozen=True, kw_only=True):
    """The node. `gpus`: GPUs that are not divided, and partitions."""

    hostname: str
    gpus: int


class RocmLink(msgspec.Struct, frozen=True, kw_only=True):
    """An XGMI link of a GPU."""

    entry: RocmEntry
    reading: LinkReading


class RocmPartition(msgspec.Struct, frozen=True, kw_only=True):
    """A partition of a GPU."""

    entry: RocmEntry
    reading: InstanceReading

    @property
    def core_busy_percent(self) -> float | None:
        """Use of its one compute die; None where it has several, of which only the mean is known."""
        return self.reading.utilization_percent if self.entry.compute_partition == ONE_DIE else None


class RocmProcess(msgspec.Struct, frozen=True, kw_only=True):
    """A process on a GPU."""

    entry: RocmEntry
    reading: ProcessReading

    @property
    def occupancy_percent(self) -> float | None:
        """Compute units that it keeps busy, of all that the GPU has."""
        used, units = self.reading.compute_units_used, self.entry.identity.compute_units
        return None if used is None or not units else 100 * used / units


def _rest(total: int | None, used: int | None) -> int | None:
    return None if total is None or used is None else total - used
