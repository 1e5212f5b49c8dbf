"""Records of pairs of GPUs: whether one reaches the other over NVLink."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from nodescope.records.gpu import GpuIdentity
from nodescope.records.gpu_snapshot import Gpu

STATUSES: Final = {
    0: "ok",
    1: "chipset_not_supported",
    2: "gpu_not_supported",
    3: "topology_not_supported",
    4: "disabled",
    5: "not_supported",
}
"""NVML's numbers (`nvmlGpuP2PStatus_t`). Any other is one that the driver does not know itself."""

OK: Final = 0


class GpuPeer(msgspec.Struct, frozen=True, kw_only=True):
    """Two GPUs of one machine, one way. `number`: what the driver says of it."""

    identity: GpuIdentity
    peer: GpuIdentity
    number: int

    @property
    def status(self) -> str:
        """In a word; "unknown" where the driver does not know."""
        return STATUSES.get(self.number, "unknown")

    @property
    def reached(self) -> int | None:
        """1 where `identity` reaches `peer` over NVLink, 0 where it does not."""
        return int(self.number == OK) if self.number in STATUSES else None


def peers(gpus: Iterable[Gpu]) -> Iterator[GpuPeer]:
    """A record for each pair that was told of, both of them among `gpus`."""
    listed = {gpu.identity.uuid: gpu for gpu in gpus}
    for gpu in listed.values():
        for uuid, number in gpu.reading.peer_nvlink_status.items():
            if uuid in listed:
                yield GpuPeer(identity=gpu.identity, peer=listed[uuid].identity, number=number)
