"""Which GPUs there are, from the threads that hold them, and whether that has changed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from nodescope.devices.nvidia.child.frames import Frame, inventory
from nodescope.devices.nvidia.child.gpu import report
from nodescope.devices.nvidia.child.peers import Peer
from nodescope.devices.nvidia.child.worker import DENIED_STATE, Worker

OPENED_SECONDS: Final = 10.0
"""What a call may take that opens a GPU: where the driver does not keep it initialised that is some seconds."""

_NODE: Final = re.compile(r"nvidia\d+", re.ASCII)

Values = dict[str, Any]


def listed(workers: Iterable[Worker]) -> list[Worker]:
    """Those whose GPU is in the inventory: each GPU once, by index.

    Where a GPU was taken out the others move up: then one that was lost may be known under two indices.
    """
    by_uuid: dict[str, Worker] = {}
    for worker in workers:
        if worker.gpu is None:
            continue
        before = by_uuid.get(worker.gpu.uuid)
        if before is None or (worker.is_open and not before.is_open):
            by_uuid[worker.gpu.uuid] = worker
    return sorted(by_uuid.values(), key=lambda worker: worker.index)


def answering(idle: Iterable[Worker]) -> list[Peer]:
    """The GPUs of workers that have nothing to do, but for those that are lost or left alone."""
    return [
        (worker.gpu.uuid, worker.gpu.handle)
        for worker in listed(idle)
        if worker.gpu is not None and worker.is_open and not worker.gpu.left_alone
    ]


def signature(workers: Iterable[Worker]) -> tuple[tuple[str, int], ...]:
    """Changes with the inventory."""
    return tuple((worker.gpu.uuid, worker.version) for worker in workers if worker.gpu is not None)


def unopened(workers: Sequence[Worker]) -> list[Values]:
    """The GPUs that are counted and were never opened, by index.

    Those that are denied to this process are others', unless all are: then it lacks a permission.
    """
    closed = [one for worker in workers if (one := _closed(worker)) is not None]
    given = [one for one in closed if one["state"] != DENIED_STATE]
    return given if given or any(worker.gpu is not None for worker in workers) else closed


def _closed(worker: Worker) -> Values | None:
    """Why a GPU was not opened; of one whose opening has not returned, that it starts, and then that it hangs."""
    call, seconds = worker.in_flight()
    if worker.unopened is not None or worker.gpu is not None or not call:
        return worker.unopened
    state = "starting" if seconds < OPENED_SECONDS else "unresponsive"
    return {"index": worker.index, "state": state, "reason": f"{call} has not returned"}


def frame(generation: int, workers: Sequence[Worker], never_opened: Iterable[Values]) -> Frame:
    """The inventory."""
    gpus = [worker.gpu for worker in workers if worker.gpu is not None]
    instances = [instance.identity for gpu in gpus for instance in gpu.instances]
    return inventory(generation, [dict(gpu.identity) for gpu in gpus], instances, never_opened)


def report_of(worker: Worker, uuid: str, but: str = "") -> Values:
    """The newest report of a GPU, fresh or not, with the call that has not returned. `but`: what else is to be said."""
    call, seconds = worker.in_flight()
    newest = worker.report
    if newest is None or newest["uuid"] != uuid:
        reason = f"{call} has not returned" if call else "it has not been read yet"
        newest = report(uuid, "unresponsive", reason, 0.0)
    if but and not newest["reason"]:
        newest = {**newest, "reason": but}
    return {**newest, "busy_call": call, "busy_seconds": seconds} if call else newest


def device_nodes(folder: str = "/dev") -> frozenset[str]:
    """The driver's device nodes of GPUs, by name."""
    try:
        return frozenset(name for name in os.listdir(folder) if _NODE.fullmatch(name))
    except OSError:
        return frozenset()
