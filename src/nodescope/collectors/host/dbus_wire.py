"""Messages of D-Bus as bytes: calls with string arguments out, messages of any signature in.

Source: D-Bus Specification, "Message Protocol" and "Marshaling (Wire Format)".
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from nodescope.host import Malformed, text

METHOD_CALL: Final = 1
METHOD_RETURN: Final = 2
ERROR: Final = 3
NO_AUTO_START: Final = 0x2
PROTOCOL_VERSION: Final = 1

FIXED_HEADER_BYTES: Final = 16
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
MAX_HEADER_BYTES: Final = 1024 * 1024
MAX_SIGNATURE_BYTES: Final = 255
MAX_DEPTH: Final = 32
MAX_VARIANT_DEPTH: Final = 4

PATH, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, _SENDER, SIGNATURE = range(1, 9)

_SOURCE: Final = "D-Bus message"


class Message(NamedTuple):
    """`fields`: header fields by number. `body`: its values, one for each complete type of the signature."""

    kind: int
    fields: dict[int, Any]
    body: list[Any]


class _Cursor:
    """Where reading stands. `order`: "<" or ">"."""

    __slots__ = ("data", "depth", "order", "pos")

    def __init__(self, data: bytes, order: str) -> None:
        self.data = data
        self.order = order
        self.pos = 0
        self.depth = 0


_Read = Callable[[_Cursor], Any]


def encode_call(serial: int, destination: str | None, path: str, interface: str, member: str, *words: str) -> bytes:
    """A method call, little-endian, whose arguments are all strings."""
    body = b""
    for word in words:
        body = _padded(body, 4) + _string(word)
    fields = [(PATH, b"o", path), (INTERFACE, b"s", interface), (MEMBER, b"s", member)]
    if destination is not None:
        fields.append((DESTINATION, b"s", destination))
    header = b""
    for number, kind, value in fields:
        header = _padded(header, 8) + struct.pack("<BB", number, 1) + kind + b"\0" + _string(value)
    if words:
        signature = b"s" * len(words)
        header = _padded(header, 8) + struct.pack("<BB", SIGNATURE, 1) + b"g\0"
        header += bytes((len(signature),)) + signature + b"\0"
    start = struct.pack("<cBBBIII", b"l", METHOD_CALL, NO_AUTO_START, PROTOCOL_VERSION, len(body), serial, len(header))
    return _padded(start + header, 8) + body


def _string(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<I", len(raw)) + raw + b"\0"


def _padded(data: bytes, alignment: int) -> bytes:
    return data + bytes(-len(data) % alignment)


def message_bytes(start: bytes) -> int:
    """How long the message is that begins with these `FIXED_HEADER_BYTES`. Raises `Malformed`."""
    order = {b"l": "<", b"B": ">"}.get(start[:1])
    if order is None or len(start) < FIXED_HEADER_BYTES or start[3] != PROTOCOL_VERSION:
        raise Malformed(_SOURCE, start, "a message of D-Bus, version 1")
    body, _, header = struct.unpack_from(f"{order}III", start, 4)
    length: int = FIXED_HEADER_BYTES + header + -header % 8 + body
    if header > MAX_HEADER_BYTES or length > MAX_MESSAGE_BYTES:
        raise Malformed(_SOURCE, start, f"at most {MAX_MESSAGE_BYTES} bytes")
    return length


def decode_message(data: bytes) -> Message:
    """A whole message. Raises `Malformed`."""
    if message_bytes(data[:FIXED_HEADER_BYTES]) != len(data):
        raise Malformed(_SOURCE, data, "as many bytes as its header says")
    order = "<" if data[:1] == b"l" else ">"
    (header,) = struct.unpack_from(f"{order}I", data, FIXED_HEADER_BYTES - 4)
    # The fields are an array, whose length stands in the last four bytes of the fixed header.
    (pairs,) = decode_body("a(yv)", data[: FIXED_HEADER_BYTES + header], order, FIXED_HEADER_BYTES - 4)
    fields: dict[int, Any] = dict(pairs)
    signature = fields.get(SIGNATURE, "")
    if not isinstance(signature, str):
        raise Malformed(_SOURCE, data, "a signature that is a signature")
    body = data[FIXED_HEADER_BYTES + header + -header % 8 :]
    return Message(data[1], fields, decode_body(signature, body, order))


def decode_body(signature: str, data: bytes, order: str, at: int = 0) -> list[Any]:
    """The values of `signature`. `order`: "<" or ">". Structures are tuples, dictionaries lists of pairs."""
    cursor = _Cursor(data, order)
    cursor.pos = at
    try:
        return [read(cursor) for read, _ in _types(signature)]
    except (struct.error, IndexError):
        raise Malformed(_SOURCE, data, f"values of the types {signature}") from None


@lru_cache(maxsize=256)
def _types(signature: str) -> tuple[tuple[_Read, int], ...]:
    """For each complete type what reads it, and its alignment. Raises `Malformed`."""
    if len(signature) > MAX_SIGNATURE_BYTES:
        raise Malformed(_SOURCE, signature, f"a signature of at most {MAX_SIGNATURE_BYTES} bytes")
    found, at = [], 0
    while at < len(signature):
        read, alignment, at = _type(signature, at, 0)
        found.append((read, alignment))
    return tuple(found)


def _type(signature: str, at: int, depth: int) -> tuple[_Read, int, int]:
    """What reads the type that begins at `at`, its alignment, and where it ends."""
    code = signature[at : at + 1]
    at += 1
    if code in _SIMPLE and code:
        return (*_SIMPLE[code], at)
    if depth >= MAX_DEPTH or code not in ("a", "(", "{"):
        raise Malformed(_SOURCE, signature, "a signature of D-Bus types")
    if code == "a":
        element, alignment, at = _type(signature, at, depth + 1)
        return _array(element, alignment), 4, at
    close = ")" if code == "(" else "}"
    members = []
    while not signature.startswith(close, at):
        read, _, at = _type(signature, at, depth + 1)
        members.append(read)
    if not members:
        raise Malformed(_SOURCE, signature, "a structure with members")
    return _structure(members), 8, at + 1


def _number(code: str, size: int) -> tuple[_Read, int]:
    by_order = {order: struct.Struct(order + code) for order in "<>"}

    def read(cursor: _Cursor) -> Any:
        at = cursor.pos + -cursor.pos % size
        cursor.pos = at + size
        return by_order[cursor.order].unpack_from(cursor.data, at)[0]

    return read, size


def _texts(length_of: _Read) -> _Read:
    def read(cursor: _Cursor) -> str:
        length = length_of(cursor)
        start = cursor.pos
        end = start + length
        if cursor.data[end] != 0:
            raise IndexError
        cursor.pos = end + 1
        return text(cursor.data[start:end])

    return read


def _array(element: _Read, alignment: int) -> _Read:
    def read(cursor: _Cursor) -> list[Any]:
        length = _UINT32[0](cursor)
        cursor.pos += -cursor.pos % alignment
        end = cursor.pos + length
        if end > len(cursor.data):
            raise IndexError
        found = []
        while cursor.pos < end:
            found.append(element(cursor))
        if cursor.pos != end:
            raise IndexError
        return found

    return read


def _structure(members: list[_Read]) -> _Read:
    def read(cursor: _Cursor) -> tuple[Any, ...]:
        cursor.pos += -cursor.pos % 8
        return tuple([member(cursor) for member in members])

    return read


def _variant(cursor: _Cursor) -> Any:
    signature = _SIGNATURE(cursor)
    types = _types(signature)
    cursor.depth += 1
    if len(types) != 1 or cursor.depth > MAX_VARIANT_DEPTH:
        raise Malformed(_SOURCE, signature, "one type in a variant")
    value = types[0][0](cursor)
    cursor.depth -= 1
    return value


_BYTE: Final = _number("B", 1)
_UINT32: Final = _number("I", 4)
_STRING: Final = _texts(_UINT32[0])
_SIGNATURE: Final = _texts(_BYTE[0])
_SIMPLE: Final[dict[str, tuple[_Read, int]]] = {
    "y": _BYTE,
    "b": _UINT32,
    "n": _number("h", 2),
    "q": _number("H", 2),
    "i": _number("i", 4),
    "u": _UINT32,
    "x": _number("q", 8),
    "t": _number("Q", 8),
    "d": _number("d", 8),
    "h": _UINT32,
    "s": (_STRING, 4),
    "o": (_STRING, 4),
    "g": (_SIGNATURE, 1),
    "v": (_variant, 1),
}
