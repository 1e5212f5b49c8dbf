"""Header compression, by the examples of RFC 7541's appendix C."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers.grpc.hpack import Decoder, encode, huffman
from nodescope.kernel.file import Malformed

LIMIT_256 = "3fe101"


def test_requests_with_huffman() -> None:
    """C.4: three requests on one connection, with codes and the table that they fill."""
    decoder = Decoder("x")
    first = decoder.decode(bytes.fromhex("828684418cf1e3c2e5f23a6ba0ab90f4ff"))
    assert first == [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/"),
        (b":authority", b"www.example.com"),
    ]
    assert decoder.decode(bytes.fromhex("828684be5886a8eb10649cbf"))[-1] == (b"cache-control", b"no-cache")
    third = decoder.decode(bytes.fromhex("828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"))
    assert third[-2:] == [(b":authority", b"www.example.com"), (b"custom-key", b"custom-value")]


def test_responses_with_eviction() -> None:
    """C.6: three answers with a table of 256 bytes, from which old entries fall out."""
    decoder = Decoder("x")
    first = (
        LIMIT_256 + "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff"
        "6e919d29ad171863c78f0b97c8e9ae82ae43d3"
    )
    expected = [
        (b":status", b"302"),
        (b"cache-control", b"private"),
        (b"date", b"Mon, 21 Oct 2013 20:13:21 GMT"),
        (b"location", b"https://www.example.com"),
    ]
    assert decoder.decode(bytes.fromhex(first)) == expected
    second = decoder.decode(bytes.fromhex("4883640effc1c0bf"))
    assert second == [(b":status", b"307"), *expected[1:]]
    # Of the four only the last is left: the first was pushed out by "307".
    with pytest.raises(Malformed):
        decoder.decode(b"\xc2")


def test_what_is_sent_reads_back() -> None:
    """Headers that nodescope writes are read as they were."""
    headers = [(b":path", b"/x.Y/Z"), (b"te", b"trailers"), (b"empty", b""), (b"l" * 127, b"v" * 900)]
    assert Decoder("x").decode(encode(headers)) == headers


@pytest.mark.parametrize("block", ["80", "ff", "3fe2ff7f", "00", "0085", "c6", "00047465", "7f", "ffffffffffff7f"])
def test_broken_blocks(block: str) -> None:
    """An index of nothing, a table too big, a string that is cut: refused."""
    with pytest.raises(Malformed):
        Decoder("x").decode(bytes.fromhex(block))


def test_a_block_that_grows() -> None:
    """A few bytes that stand for megabytes of headers are refused at the bound."""
    big = b"\x40\x01a" + b"\x7f\xe0\x1d" + b"v" * 3935
    with pytest.raises(Malformed, match="headers of at most"):
        Decoder("x").decode(big + b"\xbe" * 10_000)


@pytest.mark.parametrize("data", ["ffffffff", "00", "ffff", "fe"])
def test_broken_huffman(data: str) -> None:
    """The end's own code, padding of zeros or of a whole byte: refused, as the RFC has it."""
    with pytest.raises(Malformed):
        huffman(bytes.fromhex(data), "x")


@given(st.lists(st.binary(max_size=100), max_size=4))
def test_any_bytes(blocks: list[bytes]) -> None:
    """Whatever comes, headers or `Malformed`."""
    decoder = Decoder("x")
    with contextlib.suppress(Malformed):
        for block in blocks:
            decoder.decode(block)
