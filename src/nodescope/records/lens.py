"""Records of what Primus-Lens' node-exporter shows of GPUs. Made of the records of GPUs, for its names alone."""

from __future__ import annotations

from typing import Final

import msgspec

from nodescope.records.gpu import GpuIdentity, GpuReading

KILOBYTES_OF_MEGABIT: Final = 125
INSTANTANEOUS: Final = "pcie_bandwidth_inst"


class LensGpu(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU. `identity`: its index is unique on the node, also where there are GPUs of several vendors."""

    identity: GpuIdentity
    reading: GpuReading

    @property
    def pcie_bandwidth(self) -> float | None:
        """What the driver calls it; else what went over the bus, both ways, in Mbit/s. None unless both are known."""
        told = self.reading.driver_fields.get(INSTANTANEOUS)
        if told is not None:
            return told
        sent, received = self.reading.pcie_tx_kilobytes_per_second, self.reading.pcie_rx_kilobytes_per_second
        return None if sent is None or received is None else (sent + received) / KILOBYTES_OF_MEGABIT
