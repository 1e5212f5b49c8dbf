"""Cuts what the GPU child writes into frames. Pure: bytes in, frames out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from nodescope.devices.nvidia.frame import LENGTH_BYTES, MAX_FRAME_BYTES, Frame
from nodescope.host import Malformed

_DECODER: Final = msgspec.msgpack.Decoder(Frame)


class FrameReader:
    """Takes bytes as they come, in pieces of any size. After `Malformed` it is of no more use."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._held = bytearray()

    def frames(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole now. Raises `Malformed` at one that is too long or is no frame."""
        held = self._held
        held += data
        start = 0
        try:
            while len(held) - start >= LENGTH_BYTES:
                length = int.from_bytes(held[start : start + LENGTH_BYTES], "big")
                if length > MAX_FRAME_BYTES:
                    raise Malformed(self._source, bytes(held[start:]), f"a frame of at most {MAX_FRAME_BYTES} bytes")
                end = start + LENGTH_BYTES + length
                if end > len(held):
                    break
                raw = bytes(held[start + LENGTH_BYTES : end])
                start = end
                yield self._decoded(raw)
        finally:
            del held[:start]

    def _decoded(self, raw: bytes) -> Frame:
        try:
            frame: Frame = _DECODER.decode(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError) as error:
            raise Malformed(self._source, raw, f"a frame ({error})") from None
        return frame
