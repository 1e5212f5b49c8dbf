"""Who uses the GPUs."""

from __future__ import annotations

from typing import Any

from nodescope.devices.process_use import processes_by_gpu, processes_by_user, top_processes
from nodescope.records.gpu import GpuIdentity, ProcessReading
from nodescope.records.gpu_snapshot import Gpu, GpuProcess

FIRST, SECOND = (GpuIdentity(vendor="nvidia", uuid=f"GPU-{index}", index=index) for index in range(2))


def process(pid: int, identity: GpuIdentity = FIRST, **reading: Any) -> GpuProcess:
    return GpuProcess(identity=identity, reading=ProcessReading(pid=pid, type="compute", **reading))


def test_sums_of_users() -> None:
    """Users are told of each GPU apart; sums are of what is known; a PID in two MIG instances is one process."""
    uses = processes_by_user(
        [
            process(1, user="ada", memory_used_bytes=10, sm_utilization_percent=30),
            process(1, user="ada", memory_used_bytes=5, instance_uuid="MIG-1"),
            process(2, user="ada"),
            process(3, user="bob"),
            process(1, SECOND, user="ada", memory_used_bytes=0),
            process(9, user=None, memory_used_bytes=7),
        ]
    )
    assert [
        (use.identity.index, use.user, use.processes, use.memory_used_bytes, use.sm_utilization_percent) for use in uses
    ] == [
        (0, "ada", 2, 15, 30),
        (0, "bob", 1, None, None),
        (1, "ada", 1, 0, None),
        (0, None, 1, 7, None),
    ]


def test_processes_of_each_gpu() -> None:
    """A GPU that answers has a count, be it 0; of one that does not, or does not say who uses it, nothing is said."""
    gpus = [
        Gpu(identity=FIRST, state="ok", reason="", up=1),
        Gpu(identity=SECOND, state="ok", reason="", up=1),
        Gpu(identity=GpuIdentity(vendor="nvidia", uuid="GPU-2"), state="lost", reason="", up=0),
        Gpu(identity=GpuIdentity(vendor="nvidia", uuid="GPU-3"), state="ok", reason="", up=1, processes_told=False),
    ]
    uses = processes_by_gpu(gpus, [process(1), process(1), process(2)])
    assert [(use.identity.uuid, use.processes) for use in uses] == [("GPU-0", 2), ("GPU-1", 0)]


def test_the_greatest() -> None:
    """Of each GPU as many as asked for, those with most memory first, unknown memory last, else the lowest PID."""
    processes = [
        process(4, memory_used_bytes=0),
        process(3),
        process(2, memory_used_bytes=8),
        process(1, memory_used_bytes=8),
        process(7, SECOND),
    ]
    assert [found.reading.pid for found in top_processes(processes, 2)] == [1, 2, 7]
    assert [found.reading.pid for found in top_processes(processes, 9)] == [1, 2, 4, 3, 7]
    assert top_processes(processes, 0) == []
