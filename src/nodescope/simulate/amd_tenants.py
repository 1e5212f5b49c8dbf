"""Who the processes on the MI300X of a simulated machine belong to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nodescope.simulate.amd_tree import AmdPart
from nodescope.simulate.cpu import Cpus
from nodescope.simulate.tenants import DOCKER, FIRST, PERSON, POD, SLURM, Seat, Tenant, Tenants

_PERSON: Final = Tenant(PERSON, "person")
_TRAINING: Final = Tenant(POD, "training")
_MODEL: Final = Tenant(DOCKER, "model")
_BATCH: Final = Tenant(SLURM, "batch")
_TENANTS: Final = (_TRAINING, _TRAINING, _TRAINING, Tenant(POD, "evaluation"), _MODEL, _BATCH, _PERSON)
"""GPU by GPU; the last has no process."""
_ALTERNATES: Final = {4: _PERSON, 5: Tenant(DOCKER, "triton")}
"""Of GPUs in partitions, those whose odd ones are another's."""


def mi300x_tenants(seed: int, gpus: AmdPart, cpus: Cpus) -> Tenants:
    """Of the machine's GPUs, whole or in partitions: of the first one each partition is a pod's of its own."""

    def present(seconds: float) -> Iterator[tuple[dict[str, str], int]]:
        for board, worker in gpus.workers(seconds):
            yield {"pci_address": board.pci.address, "partition": str(worker.partition)}, worker.pid

    parts = gpus.options.partitions
    seats = [
        Seat(worker.pid, "python3", _tenant(board.number, worker.partition, parts)) for board, worker in gpus.workers(0)
    ]
    return Tenants(seed, seats, cpus, lambda number, seconds: FIRST, present)


def _tenant(number: int, part: int, parts: int) -> Tenant:
    if number == 0 and parts > 1:
        return Tenant(POD, f"part{part}")
    return _ALTERNATES.get(number, _TENANTS[number]) if part % 2 else _TENANTS[number]
