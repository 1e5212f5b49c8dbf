"""The wire format of protocol buffers."""

from __future__ import annotations

import contextlib
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers.grpc.wire import Message, encode_bytes, encode_number, encode_varint, varint
from nodescope.kernel.file import Malformed


def test_published_examples() -> None:
    """The examples of the format's own documentation read as they say."""
    assert Message(bytes.fromhex("089601"), "x").number(1) == 150
    assert Message(bytes.fromhex("120774657374696e67"), "x").text(2) == "testing"
    assert Message(bytes.fromhex("1a03089601"), "x").message(3).number(1) == 150
    assert encode_number(1, 150) == bytes.fromhex("089601")
    assert encode_bytes(2, "testing") == bytes.fromhex("120774657374696e67")


def test_what_is_absent_reads_as_its_default() -> None:
    """A field that is not there is empty, zero or None, as proto3 has it."""
    message = Message(b"", "x")
    assert (message.text(1), message.number(1), message.string_map(1), message.seconds(1)) == ("", 0, {}, None)
    assert message.message(1).texts(2) == []


def test_other_wire_types_are_passed_over() -> None:
    """Fields of 4 and 8 bytes that nobody asked for cost nothing of what follows."""
    data = b"\x0d\x01\x02\x03\x04" + b"\x11" + bytes(8) + encode_bytes(3, "after")
    assert Message(data, "x").text(3) == "after"


def test_signed_times_and_maps() -> None:
    """Negative numbers, timestamps and maps of strings read right."""
    stamp = encode_number(1, 1_700_000_000) + encode_number(2, 500_000_000)
    entry = encode_bytes(1, "key") + encode_bytes(2, "value")
    data = encode_number(1, (1 << 64) - 5) + encode_bytes(2, stamp) + encode_bytes(3, entry) + encode_bytes(3, b"")
    message = Message(data, "x")
    assert message.signed(1) == -5
    assert message.seconds(2) == 1_700_000_000.5
    assert message.string_map(3) == {"key": "value", "": ""}


@pytest.mark.parametrize("data", [b"\x08", b"\x08" + b"\xff" * 11, b"\x0a\x05abc", b"\x00\x01", b"\x0b", b"\x0d\x01"])
def test_broken_messages(data: bytes) -> None:
    """A message that is cut or of no known shape is refused with its source."""
    with pytest.raises(Malformed, match=r"^x: expected"):
        Message(data, "x")


SECRET: Final = b"PASSWORD=hunter2"


@pytest.mark.parametrize(
    "data",
    [
        SECRET,
        encode_bytes(1, SECRET)[:-1],
        encode_bytes(1, SECRET * 3) + SECRET,
        b"\x0a" + SECRET,
        b"\x08" + b"\xd0" * 11 + SECRET,
    ],
)
def test_nothing_of_a_broken_message_is_shown(data: bytes) -> None:
    """A message may hold a container's environment: what is wrong with it names a place and no bytes."""
    with pytest.raises(Malformed, match=r"^x: expected .*, got b'byte \d+ of \d+'$"):
        Message(data, "x")


def test_no_value_of_the_wrong_type_is_shown() -> None:
    """What stands where a number is due may be a secret, too: its length is told."""
    with pytest.raises(Malformed, match=r"got b'16 bytes'$"):
        Message(encode_bytes(1, SECRET), "x").number(1)


def test_a_field_of_the_wrong_type() -> None:
    """A number where a string is due, or the other way round, is refused."""
    with pytest.raises(Malformed):
        Message(encode_number(1, 5), "x").text(1)
    with pytest.raises(Malformed):
        Message(encode_bytes(1, "five"), "x").number(1)


@given(st.integers(0, (1 << 64) - 1))
def test_numbers_survive(value: int) -> None:
    """Every number of 64 bits is read as it was written."""
    data = encode_varint(value)
    assert varint(data, 0, "x") == (value, len(data))


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """Whatever comes, a message or `Malformed`."""
    with contextlib.suppress(Malformed):
        message = Message(data, "x")
        for number in range(1, 16):
            for read in (message.text, message.signed, message.string_map, message.seconds, message.messages):
                with contextlib.suppress(Malformed):
                    read(number)
