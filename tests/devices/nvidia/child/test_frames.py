"""Tests of the child's frames: what is written is what the parent reads."""

from __future__ import annotations

import os
import threading

import pytest

from nodescope.devices.nvidia import frame
from nodescope.devices.nvidia.child import frames
from nodescope.devices.nvidia.child.errors import CallFailed
from nodescope.devices.nvidia.child.frames import FrameWriter
from nodescope.devices.nvidia.frame_reader import FrameReader
from nodescope.records.gpu import GpuIdentity, GpuReport, InstanceIdentity


def read_all(fd: int) -> list[frame.Frame]:
    reader = FrameReader("test")
    found: list[frame.Frame] = []
    while data := os.read(fd, 65536):
        found += reader.frames(data)
    return found


def written(*given: frames.Frame) -> list[frame.Frame]:
    read_end, write_end = os.pipe()
    FrameWriter(write_end).write(*given)
    os.close(write_end)
    found = read_all(read_end)
    os.close(read_end)
    return found


def test_each_frame_is_read_as_its_record() -> None:
    """Every kind of frame is decoded by the parent; what is unknown is left out."""
    failed = CallFailed("nvmlInit_v2", 9)
    assert written(
        frames.hello("570.86.10", None, "12.8"),
        frames.inventory(
            2, [{"vendor": "nvidia", "uuid": "GPU-1", "serial": None}], [{"gpu_uuid": "GPU-1", "uuid": "MIG-1"}]
        ),
        frames.sample(3, 2, [{"uuid": "GPU-1", "state": "lost"}], 1.5),
        frames.xid("GPU-1", 79, 12.0, None, None),
        frames.failure(failed),
    ) == [
        frame.Hello(pid=os.getpid(), driver_version="570.86.10", cuda_version="12.8"),
        frame.Inventory(
            generation=2,
            gpus=(GpuIdentity(vendor="nvidia", uuid="GPU-1"),),
            instances=(InstanceIdentity(gpu_uuid="GPU-1", uuid="MIG-1"),),
        ),
        frame.Sample(number=3, generation=2, reports=(GpuReport(uuid="GPU-1", state="lost"),), cpu_seconds=1.5),
        frame.Xid(uuid="GPU-1", xid=79, time_seconds=12.0),
        frame.Failure(code=9, call="nvmlInit_v2", text=failed.text),
    ]


def test_frames_of_several_threads_are_not_mixed() -> None:
    """Frames of many threads, larger than a pipe, arrive whole and in each thread's order."""
    read_end, write_end = os.pipe()
    writer = FrameWriter(write_end)

    def write(thread: int) -> None:
        for number in range(20):
            writer.write(*(frames.xid("x" * 3000, thread * 1000 + number * 10 + part, 1.0, 0, 0) for part in range(10)))

    threads = [threading.Thread(target=write, args=(each,)) for each in range(4)]
    for each in threads:
        each.start()

    def close() -> None:
        for each in threads:
            each.join()
        os.close(write_end)

    closer = threading.Thread(target=close)
    closer.start()
    found = [each.xid for each in read_all(read_end) if isinstance(each, frame.Xid)]
    closer.join()
    os.close(read_end)
    assert sorted(found) == [thread * 1000 + number for thread in range(4) for number in range(200)]
    for thread in range(4):
        of_thread = [xid for xid in found if xid // 1000 == thread]
        assert of_thread == sorted(of_thread)


def test_a_frame_that_is_too_long_is_not_written() -> None:
    """A frame beyond what the parent takes is an error, not a broken stream."""
    with pytest.raises(ValueError, match="8388608"):
        written(frames.xid("x" * (9 << 20), 1, 1.0, None, None))


def test_a_parent_that_has_gone_is_noticed() -> None:
    """Writing to a pipe that nobody reads raises."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    with pytest.raises(BrokenPipeError):
        FrameWriter(write_end).write(frames.hello(None, None, None))
    os.close(write_end)


def test_the_limits_are_the_parents() -> None:
    """Both sides have the same sizes."""
    assert (frames.LENGTH_BYTES, frames.MAX_FRAME_BYTES) == (frame.LENGTH_BYTES, frame.MAX_FRAME_BYTES)
