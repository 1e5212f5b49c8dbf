"""The processes on a simulated GPU: workers that are always there on the host, and use it while they have a job."""

from __future__ import annotations

from typing import Final, NamedTuple

from nodescope.simulate.gpu_activity import ACTIVITIES, GIB, IDLE, MIB, PARTITIONED, SERVING, WAITING
from nodescope.simulate.gpu_board import INSTANCES, Board, instance_uuid
from nodescope.simulate.gpu_timeline import Moment
from nodescope.simulate.load import mix

FIRST_PID: Final = 20_000
PIDS_PER_GPU: Final = 100
CONTEXT_BYTES: Final = 20 * MIB
"""What the driver keeps on a GPU for all of its processes together."""
INSTANCE_CONTEXT_BYTES: Final = 9 * MIB

FIRST_IN_INSTANCES: Final = 10
_INSTANCE_GIBIBYTES: Final = (2, 6)
_PERMILLE: Final = 1000


class Worker(NamedTuple):
    """One process. `memory`, `busy`: its part of all that the GPU's processes have, in thousandths."""

    pid: int
    command: str
    memory: int
    busy: int


_ALONE: Final = (Worker(0, "python3", 1000, 1000),)
_SERVERS: Final = (
    Worker(0, "python3", 820, 700),
    Worker(1, "tritonserver", 110, 200),
    Worker(2, "tritonserver", 70, 100),
)
_WORKERS: Final = tuple(
    _SERVERS if activity in (SERVING, WAITING) else () if activity in (IDLE, PARTITIONED) else _ALONE
    for activity in range(len(ACTIVITIES))
)
IDLE_GPU: Final = 7
"""The GPU that has no jobs; where it is partitioned its last instance has no process."""
_IN_INSTANCES: Final = (*range(INSTANCES), 0)
_IN_SOME_INSTANCES: Final = (*range(INSTANCES - 1), 0, 1)


def commands(board: Board) -> dict[int, str]:
    """Names of all processes that ever use this GPU, by PID."""
    whole = {_pid(board, worker.pid): worker.command for worker in _SERVERS}
    parts = {_pid(board, FIRST_IN_INSTANCES + nth): "python3" for nth in range(len(in_instances(board)))}
    return whole | parts


def in_instances(board: Board) -> tuple[int, ...]:
    """The slot that each process of a partitioned GPU runs in: one in each, the others in the first."""
    return _IN_SOME_INSTANCES if board.number == IDLE_GPU else _IN_INSTANCES


def memory_bytes(board: Board, moment: Moment) -> int:
    """Of all processes of a GPU that is not partitioned."""
    activity = ACTIVITIES[moment.activity]
    apart = activity.memory_apart_bytes // MIB
    return activity.memory_bytes + (mix(board.jobs ^ moment.job) % apart * MIB if apart else 0)


def processes(board: Board, moment: Moment, busy_percent: int, memory_busy_percent: int) -> list[dict[str, object]]:
    """Fields of `ProcessReading`; together they have all that the GPU's processes have."""
    workers = _WORKERS[moment.activity]
    memory = _parts(memory_bytes(board, moment), [worker.memory for worker in workers])
    busy = _parts(busy_percent, [worker.busy for worker in workers])
    memory_busy = _parts(memory_busy_percent, [worker.busy for worker in workers])
    return [
        {
            "pid": _pid(board, worker.pid),
            "type": "compute",
            "memory_used_bytes": used,
            "sm_utilization_percent": sm,
            "memory_utilization_percent": bus,
            "encoder_utilization_percent": 0,
            "decoder_utilization_percent": 0,
        }
        for worker, used, sm, bus in zip(workers, memory, busy, memory_busy, strict=True)
    ]


def instance_processes(board: Board) -> list[dict[str, object]]:
    """Those of a partitioned GPU. How busy each is the driver does not say."""
    return [
        {
            "pid": _pid(board, FIRST_IN_INSTANCES + nth),
            "type": "compute",
            "instance_uuid": instance_uuid(board, slot),
            "memory_used_bytes": instance_memory_bytes(board, nth),
        }
        for nth, slot in enumerate(in_instances(board))
    ]


def instance_memory_bytes(board: Board, nth: int) -> int:
    """Of the process that is `nth` in `in_instances`."""
    low, high = _INSTANCE_GIBIBYTES
    return (low + mix(board.own - nth) % (high - low + 1)) * GIB


def _pid(board: Board, nth: int) -> int:
    return FIRST_PID + PIDS_PER_GPU * board.number + nth


def _parts(whole: int, permille: list[int]) -> list[int]:
    """Of a whole number, whole numbers; the first has what is left over."""
    parts = [whole * part // _PERMILLE for part in permille]
    if parts:
        parts[0] += whole - sum(parts)
    return parts
