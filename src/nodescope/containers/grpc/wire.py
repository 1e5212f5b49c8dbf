"""Protocol buffers on the wire: fields of a message by their numbers, and the few kinds of request that are sent.

Source: protobuf.dev/programming-guides/encoding. Only the messages that nodescope reads, and of them only the fields
that it wants: what is not asked for is skipped, as the format means it to be. Of a message nothing is ever shown, only
where it breaks: it may hold a container's environment.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nodescope.kernel.file import Malformed, text

MAX_FIELDS: Final = 200_000
"""Fields of one message: each costs some 100 bytes here, however short it is on the wire."""
VARINT_BYTES: Final = 10

VARINT: Final = 0
FIXED64: Final = 1
LENGTH: Final = 2
FIXED32: Final = 5

_FIXED_BYTES: Final = {FIXED64: 8, FIXED32: 4}
_UINT64: Final = (1 << 64) - 1


def varint(data: bytes, at: int, source: str) -> tuple[int, int]:
    """The number at `at`, and where the next byte is. 64 bits; more raise `Malformed`, as does an end in it."""
    value = 0
    for index in range(VARINT_BYTES):
        if at + index >= len(data):
            break
        byte = data[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & _UINT64, at + index + 1
    raise Malformed(source, _place(at, data), "a variable-length number of at most 10 bytes")


def fields(data: bytes, source: str) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field, in order: an int of a varint, the bytes of all others."""
    at = 0
    while at < len(data):
        start = at
        key, at = varint(data, at, source)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise Malformed(source, _place(start, data), "a field number")
        if kind == VARINT:
            value, at = varint(data, at, source)
            yield number, value
            continue
        if kind == LENGTH:
            size, at = varint(data, at, source)
        elif kind in _FIXED_BYTES:
            size = _FIXED_BYTES[kind]
        else:
            raise Malformed(source, _place(start, data), "a field of a known wire type")
        if size > len(data) - at:
            raise Malformed(source, _place(start, data), f"a field of {size} bytes")
        yield number, data[at : at + size]
        at += size


def _place(at: int, data: bytes) -> str:
    return f"byte {at} of {len(data)}"


class Message:
    """A message's fields by number. A field that is not there reads as proto3 says: "", 0, nothing."""

    __slots__ = ("_source", "_values")

    def __init__(self, data: bytes, source: str) -> None:
        """Raises `Malformed` where `data` is no message, or has more than `MAX_FIELDS` fields."""
        self._source = source
        self._values: dict[int, list[int | bytes]] = {}
        for count, (number, value) in enumerate(fields(data, source)):
            if count >= MAX_FIELDS:
                raise Malformed(source, b"", f"at most {MAX_FIELDS} fields in a message")
            self._values.setdefault(number, []).append(value)

    def raw_all(self, number: int) -> list[bytes]:
        """Every value of a field of strings, bytes or messages."""
        values = []
        for value in self._values.get(number, ()):
            if not isinstance(value, bytes):
                raise Malformed(self._source, "a number", f"bytes in field {number}")
            values.append(value)
        return values

    def raw(self, number: int) -> bytes:
        """The last value of a field of bytes: the one that counts."""
        values = self.raw_all(number)
        return values[-1] if values else b""

    def text(self, number: int) -> str:
        """A string; bytes that are not UTF-8 become U+FFFD."""
        return text(self.raw(number))

    def texts(self, number: int) -> list[str]:
        """Every value of a repeated string."""
        return [text(value) for value in self.raw_all(number)]

    def number(self, number: int) -> int:
        """An unsigned number, an enumeration or a bool."""
        values = self._values.get(number)
        if not values:
            return 0
        value = values[-1]
        if isinstance(value, bytes):
            raise Malformed(self._source, f"{len(value)} bytes", f"a number in field {number}")
        return value

    def signed(self, number: int) -> int:
        """An int32 or int64: two's complement of 64 bits, whichever it is."""
        value = self.number(number)
        return value - (1 << 64) if value >> 63 else value

    def has(self, number: int) -> bool:
        """Whether the field is there at all: for messages, where absent is not the same as empty."""
        return number in self._values

    def message(self, number: int) -> Message:
        """A message within; an empty one where there is none."""
        return Message(self.raw(number), self._source)

    def messages(self, number: int) -> list[Message]:
        """Every value of a repeated message."""
        return [Message(value, self._source) for value in self.raw_all(number)]

    def string_map(self, number: int) -> dict[str, str]:
        """map<string, string>: messages of key 1 and value 2."""
        return {entry.text(1): entry.text(2) for entry in self.messages(number)}

    def seconds(self, number: int) -> float | None:
        """google.protobuf.Timestamp as Unix seconds; None where there is none, or the zero of Go's time."""
        if not self.has(number):
            return None
        stamp = self.message(number)
        seconds = stamp.signed(1) + stamp.signed(2) / 1e9
        return seconds if seconds > 0 else None


def encode_varint(value: int) -> bytes:
    """A number that is not negative, on the wire."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_bytes(number: int, value: bytes | str) -> bytes:
    """A field of a string, bytes or a message."""
    raw = value.encode() if isinstance(value, str) else value
    return encode_varint(number << 3 | LENGTH) + encode_varint(len(raw)) + raw


def encode_number(number: int, value: int) -> bytes:
    """A field of a number, an enumeration or a bool."""
    return encode_varint(number << 3 | VARINT) + encode_varint(value)
