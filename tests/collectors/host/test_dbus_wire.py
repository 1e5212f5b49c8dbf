from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.dbus_wire import (
    MAX_MESSAGE_BYTES,
    decode_body,
    decode_message,
    encode_call,
    message_bytes,
)
from nodescope.host import Malformed
from tests.collectors.host.fake_systemd import encode, message
from tests.collectors.host.machine import mangled, parses_or_refuses

REPLY = message(2, {5: ("u", 7), 7: ("s", ":1.1")}, "a(ssou)v", [[("a", "bc", "/d", 4), ("", "é", "/", 5)], ("t", 9)])
VALUES: list[tuple[str, Any]] = [
    ("yut", [1, 2, 3]), ("ysyx", [1, "text", 2, -5]), ("as", [["a", "", "ccc"]]), ("at", [[]]),
    ("ya(yt)", [1, [(1, 2)]]),
    ("a{sv}", [[("a", ("s", "b")), ("c", ("au", [1, 2]))]]), ("v", [("(sd)", ("x", 1.5))]), ("gv", ["a{sv}", ("b", 1)]),
]  # fmt: skip


def plain(kind: str, value: Any) -> Any:
    """A value as it is read: variants without their signature."""
    if kind == "v":
        return plain(*value)
    if kind[0] == "a":
        return [plain(kind[1:], one) for one in value]
    if kind[0] == "{":
        return (value[0], plain(kind[2:-1], value[1]))
    return value


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("signature", "values"), VALUES)
def test_values_of_all_types(signature: str, values: list[Any], order: str) -> None:
    """What was marshalled in either byte order, with the gaps of each type's alignment, is read as it was."""
    found = decode_body(signature, encode(signature, values, order), order)
    if signature in ("gv", "v", "a{sv}"):
        last = "a{sv}" if signature == "a{sv}" else "v"
        assert found[-1] == plain(last, values[-1])
    else:
        assert found == values


@pytest.mark.parametrize("order", ["<", ">"])
def test_message(order: str) -> None:
    """A reply has its kind, the header's fields by number, and its values."""
    data = message(2, {5: ("u", 7)}, "s", ["text"], order)
    assert message_bytes(data[:16]) == len(data)
    found = decode_message(data)
    assert (found.kind, found.fields, found.body) == (2, {5: 7, 8: "s"}, ["text"])


def test_call() -> None:
    """A call has path, interface, member, destination, and its strings; without a bus there is no destination."""
    found = decode_message(encode_call(3, "a.b", "/c", "d.e", "F", "g", "hello"))
    assert found.fields == {1: "/c", 2: "d.e", 3: "F", 6: "a.b", 8: "ss"}
    assert (found.kind, found.body) == (1, ["g", "hello"])
    assert decode_message(encode_call(3, None, "/c", "d.e", "F")).fields == {1: "/c", 2: "d.e", 3: "F"}


def test_text_that_is_not_utf8() -> None:
    """A string that is not UTF-8 is shown with replacement characters, and costs nothing else."""
    assert decode_body("s", struct.pack("<I", 2) + b"\xff\xfe\0", "<") == ["\ufffd"]


@pytest.mark.parametrize(
    "start",
    [
        b"", b"x" * 16, b"l\1\0\2" + bytes(12), b"l\1\0\1" + struct.pack("<III", MAX_MESSAGE_BYTES, 1, 0),
        b"l\1\0\1" + struct.pack("<III", 0, 1, 2**30),
    ],
)  # fmt: skip
def test_a_start_that_is_none(start: bytes) -> None:
    """Another protocol, another version, and a message too large are refused before it is read."""
    with pytest.raises(Malformed):
        message_bytes(start)


@pytest.mark.parametrize(
    ("signature", "data"),
    [
        ("s", b""), ("s", b"\5\0\0\0abc\0"), ("s", b"\3\0\0\0abcd"), ("at", b"\4\0\0\0" + bytes(12)),
        ("as", b"\xff\xff\xff\xff"), ("z", b""), ("(", b""), ("()", b""), ("a", b""), ("s" * 256, b""),
        ("v", b"\2ss\0" + bytes(16)), ("v", b"\1v\0" * 9), ("a" * 60 + "y", bytes(400)),
    ],
)  # fmt: skip
def test_bodies_that_are_none(signature: str, data: bytes) -> None:
    """Values that reach beyond the message, bad signatures and nesting without end are refused."""
    with pytest.raises(Malformed):
        decode_body(signature, data, "<")


@given(mangled(REPLY))
def test_any_message(data: bytes) -> None:
    """Whatever comes, it is a message or refused."""
    parses_or_refuses(lambda: decode_message(data))


@given(st.text("aybnqiuxtdsogh(){}v", max_size=60), st.binary(max_size=200), st.sampled_from("<>"))
def test_any_body(signature: str, data: bytes, order: str) -> None:
    """Whatever the signature and the bytes, they are values or refused."""
    parses_or_refuses(lambda: decode_body(signature, data, order))


@given(st.integers(0, len(REPLY) - 1), st.integers(0, 255))
def test_a_byte_that_is_wrong(at: int, byte: int) -> None:
    """A reply in which one byte is another is a message or refused."""
    parses_or_refuses(lambda: decode_message(REPLY[:at] + bytes((byte,)) + REPLY[at + 1 :]))
