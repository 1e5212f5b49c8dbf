"""Writes frames to the parent: a length of four bytes, big-endian, and a msgpack map."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from nodescope.devices.nvidia.child.errors import CallFailed

LENGTH_BYTES: Final = 4
MAX_FRAME_BYTES: Final = 8 * 1024 * 1024

Frame = Mapping[str, Any]


class FrameWriter:
    """For all threads: each frame is written whole. It waits while the parent does not read; nothing is dropped.

    Raises `OSError` when the parent has gone.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()
        self._encoder = msgspec.msgpack.Encoder()
        self._buffer = bytearray()

    def write(self, *frames: Frame) -> None:
        """The frames in their order, with as few writes as may be."""
        with self._lock:
            self._write(frames)

    def _write(self, frames: Iterable[Frame]) -> None:
        buffer = self._buffer
        buffer.clear()
        for frame in frames:
            start = len(buffer)
            self._encoder.encode_into(frame, buffer, start + LENGTH_BYTES)
            size = len(buffer) - start - LENGTH_BYTES
            if size > MAX_FRAME_BYTES:
                raise ValueError(f"a frame of {size} bytes: the parent takes {MAX_FRAME_BYTES}")
            buffer[start : start + LENGTH_BYTES] = size.to_bytes(LENGTH_BYTES, "big")
        view = memoryview(buffer)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        finally:
            view.release()


def known(values: Mapping[str, Any]) -> Frame:
    """`values` without those that are unknown."""
    return {key: value for key, value in values.items() if value is not None}


def hello(driver: str | None, library: str | None, cuda: str | None) -> Frame:
    """The library is initialised."""
    versions = {"driver_version": driver, "library_version": library, "cuda_version": cuda}
    return {"type": "hello", "pid": os.getpid(), **known(versions)}


def inventory(
    generation: int,
    gpus: Iterable[Mapping[str, Any]],
    instances: Iterable[Mapping[str, Any]],
    unopened: Iterable[Mapping[str, Any]] = (),
) -> Frame:
    """What is there."""
    return {
        "type": "inventory",
        "generation": generation,
        "gpus": [known(gpu) for gpu in gpus],
        "instances": [known(instance) for instance in instances],
        "unopened": list(unopened),
    }


def sample(number: int, generation: int, reports: Iterable[Mapping[str, Any]], cpu_seconds: float) -> Frame:
    """A report of each GPU."""
    return {
        "type": "sample",
        "number": number,
        "generation": generation,
        "reports": list(reports),
        "cpu_seconds": cpu_seconds,
    }


def xid(uuid: str, code: int, time_seconds: float, gpu_instance: int | None, compute_instance: int | None) -> Frame:
    """An XID event."""
    ids = {"gpu_instance_id": gpu_instance, "compute_instance_id": compute_instance}
    return {"type": "xid", "uuid": uuid, "xid": code, "time_seconds": time_seconds, **known(ids)}


def failure(failed: CallFailed) -> Frame:
    """This process cannot go on."""
    return {
        "type": "failure",
        "code": failed.code,
        "call": failed.call,
        "text": failed.text,
        "no_library": failed.no_library,
    }
