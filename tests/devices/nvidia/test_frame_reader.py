"""Frames are cut from bytes of any kind, in pieces of any size."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.nvidia.frame import MAX_FRAME_BYTES, Failure, Frame, Hello, Inventory, Sample, Xid
from nodescope.devices.nvidia.frame_reader import FrameReader
from nodescope.host import Malformed
from nodescope.records.gpu import GpuIdentity, GpuReading, GpuReport


def framed(fields: Any) -> bytes:
    data = msgspec.msgpack.encode(fields)
    return len(data).to_bytes(4, "big") + data


FRAMES: list[tuple[dict[str, Any], Frame]] = [
    ({"type": "hello", "pid": 7, "driver_version": "570"}, Hello(pid=7, driver_version="570")),
    (
        {"type": "inventory", "generation": 1, "gpus": [{"vendor": "nvidia", "uuid": "GPU-1"}]},
        Inventory(generation=1, gpus=(GpuIdentity(vendor="nvidia", uuid="GPU-1"),)),
    ),
    (
        {
            "type": "sample",
            "number": 1,
            "generation": 1,
            "reports": [{"uuid": "GPU-1", "reading": {"power_milliwatts": 5, "driver_fields": {"a": 1}}}],
        },
        Sample(
            number=1,
            generation=1,
            reports=(GpuReport(uuid="GPU-1", reading=GpuReading(power_milliwatts=5, driver_fields={"a": 1})),),
        ),
    ),
    ({"type": "xid", "uuid": "GPU-1", "xid": 79, "time_seconds": 1.5}, Xid(uuid="GPU-1", xid=79, time_seconds=1.5)),
    ({"type": "failure", "code": 9, "call": "a", "text": "b"}, Failure(code=9, call="a", text="b")),
    ({"type": "hello", "pid": 7, "later": [1, {"x": None}]}, Hello(pid=7)),
]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_pieces_of_any_size(sizes: list[int]) -> None:
    """However the bytes are cut, the frames are the same, in order, and nothing is held at the end."""
    data = b"".join(framed(fields) for fields, _ in FRAMES)
    reader = FrameReader("test")
    found: list[Frame] = []
    place = turn = 0
    while place < len(data):
        size = sizes[turn % len(sizes)]
        found += reader.frames(data[place : place + size])
        place, turn = place + size, turn + 1
    assert found == [frame for _, frame in FRAMES]


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes(pieces: list[bytes]) -> None:
    """Any bytes are frames, a part of one, or malformed."""
    reader = FrameReader("test")
    with suppress(Malformed):
        for piece in pieces:
            list(reader.frames(piece))


ANYTHING = st.recursive(
    st.none() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)


@given(st.binary(max_size=60) | ANYTHING)
def test_any_message(content: Any) -> None:
    """A frame of the right length that holds anything is a frame or malformed."""
    data = content if isinstance(content, bytes) else msgspec.msgpack.encode(content)
    try:
        list(FrameReader("test").frames(len(data).to_bytes(4, "big") + data))
    except Malformed as error:
        assert str(error).startswith("test: expected a frame")  # noqa: PT017


@pytest.mark.parametrize(
    "data",
    [
        (MAX_FRAME_BYTES + 1).to_bytes(4, "big"),
        b"\xff\xff\xff\xff",
        b"\0\0\0\0",
        framed({"type": "hello"}),
        framed({"type": "sample", "number": 1, "generation": 1, "reports": [{"uuid": 5}]}),
        b"\0\1\0\0" + b"\x91" * 65_536,
    ],
    ids=["too long", "much too long", "empty", "without pid", "number for text", "nested"],
)
def test_what_is_no_frame(data: bytes) -> None:
    """Lengths beyond all bounds, missing and wrong fields and depth without end are malformed."""
    with pytest.raises(Malformed):
        list(FrameReader("test").frames(data))


def test_frames_before_a_broken_one_count() -> None:
    """What came whole before the malformed bytes is given."""
    frames = FrameReader("test").frames(framed(FRAMES[0][0]) + framed({"type": "none"}))
    assert next(frames) == FRAMES[0][1]
    with pytest.raises(Malformed):
        next(frames)
