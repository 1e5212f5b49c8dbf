"""Records of what DCGM sees: entities. Made of the records of GPUs, for the names of DCGM alone.

An entity is a GPU that is not divided, or a GPU instance: as dcgm-exporter does, a GPU that has instances is not shown
itself, and what is read of the whole card is shown with each of its instances.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from nodescope.records.gpu import GpuIdentity, GpuReading, InstanceIdentity, InstanceReading
from nodescope.records.gpu_pod import GpuPod

BER_EXPONENT: Final = 0xFF
BER_MANTISSA: Final = 0xF
BER_MANTISSA_SHIFT: Final = 8
"""Of NVML's bit error rates: the lowest byte is how often to divide by ten what the four bits above it say."""

_COMPUTE: Final = re.compile("^[0-9]+c[.]")
"""What the name of a compute instance's profile has before that of its GPU instance."""

COMPUTE_MODES: Final = {0: 0, 2: 1, 3: 2}
"""NVML's compute modes -> DCGM's: default, prohibited, one process alone."""


class DcgmEntity(msgspec.Struct, frozen=True, kw_only=True):
    """One entity. `model`: its GPU's, as it is to be shown. `card`: what is read of the whole GPU. `memory`: what it,
    or its instance, has of memory.

    `profiling`: GPM's metrics of it; `card_profiling`: those that only whole GPUs have, {} for an instance. `links`:
    readings of single NVLinks, by "attribute_link"; {} where no field asks for them. `xid`: the newest XID of the GPU,
    0 where none was seen, None where none was and the GPU does not answer; `xid_message`: dcgm-exporter's.
    `pod`: whom the kubelet gave it to.
    """

    identity: GpuIdentity
    hostname: str
    model: str | None
    card: GpuReading
    memory: GpuReading | InstanceReading
    profiling: dict[str, float]
    card_profiling: dict[str, float]
    instance: InstanceIdentity | None = None
    links: dict[str, float] = {}
    xid: int | None = 0
    xid_message: str = ""
    pod: GpuPod | None = None

    @property
    def device(self) -> str:
        """DCGM's "nvidia0": by the index, which need not be the number of the node under /dev."""
        return f"nvidia{self.identity.index}"

    @property
    def gpu_instance_profile(self) -> str | None:
        """The profile of the GPU instance ("3g.71gb"), without that of a compute instance in it ("1c.3g.71gb")."""
        return None if self.instance is None else _COMPUTE.sub("", self.instance.profile or "") or None

    @property
    def compute_mode(self) -> int | None:
        """As DCGM numbers it."""
        mode = self.card.compute_mode
        return None if mode is None else COMPUTE_MODES.get(mode, mode)

    @property
    def nvlink_symbol_ber(self) -> float | None:
        """Share of the bits that NVLinks receive wrong."""
        return _bit_error_rate(self.card.driver_fields.get("nvlink_count_symbol_ber"))

    @property
    def nvlink_effective_ber(self) -> float | None:
        """Share of the bits that are wrong after correction."""
        return _bit_error_rate(self.card.driver_fields.get("nvlink_count_effective_ber"))


def _bit_error_rate(raw: float | None) -> float | None:
    if raw is None:
        return None
    return float(f"{int(raw) >> BER_MANTISSA_SHIFT & BER_MANTISSA}e-{int(raw) & BER_EXPONENT}")


class DcgmXidCount(msgspec.Struct, frozen=True, kw_only=True):
    """How often an XID was seen on the entity's GPU in the window. `xid`: None, with a count of 0, where none was."""

    entity: DcgmEntity
    xid: int | None = None
    count: int = 0


class DcgmXidTotal(msgspec.Struct, frozen=True, kw_only=True):
    """How often an XID was ever seen on the entity's GPU."""

    entity: DcgmEntity
    xid: int
    count: int


class DcgmClockEvents(msgspec.Struct, frozen=True, kw_only=True):
    """In how many samples of the window an event held the GPU's clocks down. `event`: DCGM's word for it.

    `total`: how often it has begun since this agent's start.
    """

    entity: DcgmEntity
    event: str
    count: int
    total: int | None = None


class DcgmPeer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the entity's GPU reaches another one over NVLink. `peer`: its index. `status`: DCGM's word for `value`,
    which is NVML's number."""

    entity: DcgmEntity
    peer: int
    status: str
    value: int


class DcgmHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on the entity's GPU, as DCGM would give it. `watch`: "PCIE", "MEM" ... `value`: 0, 10 or 20."""

    entity: DcgmEntity
    watch: str
    error_code: str
    value: int
