"""Who the processes on the eight H200 of a simulated machine belong to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nodescope.simulate.cpu import Cpus
from nodescope.simulate.gpu_machine import Gpus, state
from nodescope.simulate.gpu_model import Gpu
from nodescope.simulate.gpu_process import FIRST_IN_INSTANCES, FIRST_PID, IDLE_GPU, PIDS_PER_GPU, commands
from nodescope.simulate.gpu_timeline import Job
from nodescope.simulate.tenants import DOCKER, PERSON, POD, SLURM, Seat, Tenant, Tenants

_PERSON: Final = Tenant(PERSON, "person")
_TRAINING: Final = Tenant(POD, "training")
_BATCH: Final = Tenant(SLURM, "batch", 4)
_SERVING: Final = (Tenant(DOCKER, "model", 6), Tenant(DOCKER, "triton", 6), _PERSON)

_WHOLE: Final = (*[(_TRAINING,) * 3] * 4, *[(_BATCH,) * 3] * 2, _SERVING, (_PERSON,) * 3)
"""GPU by GPU, of its three workers."""
_OF_PARTS: Final = (POD, POD, DOCKER, DOCKER, SLURM, SLURM, PERSON, PERSON)
"""GPU by GPU, of the processes in its instances: each a pod of its own, else all of a GPU together."""


def h200_tenants(seed: int, gpus: Gpus, cpus: Cpus) -> Tenants:
    """Of the machine's GPUs, whole or in parts."""
    seats = [
        Seat(pid, command, _tenant(gpu, pid - FIRST_PID - PIDS_PER_GPU * gpu.board.number))
        for gpu in gpus.gpus
        for pid, command in commands(gpu.board).items()
    ]

    def job(number: int, seconds: float) -> Job:
        return gpus.gpus[number].job(seconds)

    def present(seconds: float) -> Iterator[tuple[dict[str, str], int]]:
        for gpu in gpus.gpus if gpus.driver_loaded(seconds) else ():
            for process in gpu.processes(seconds) if state(gpu, seconds) == "ok" else ():
                part = process.get("instance_uuid")
                instance = {} if part is None else {"instance": str(part)}
                yield {"uuid": gpu.board.uuid, **instance}, int(str(process["pid"]))

    return Tenants(seed, seats, cpus, job, present)


def _tenant(gpu: Gpu, nth: int) -> Tenant:
    """A process that never runs is a person's, so that there is no container of it."""
    number, in_parts = gpu.board.number, nth >= FIRST_IN_INSTANCES
    if in_parts not in gpu.ways():
        return _PERSON
    if not in_parts:
        return _WHOLE[number][nth]
    kind = DOCKER if number == IDLE_GPU and nth % 2 else _OF_PARTS[number]
    if kind == PERSON:
        return _PERSON
    name = f"part{number}.{nth}" if kind == POD else f"part{number}"
    return Tenant(kind, name)
