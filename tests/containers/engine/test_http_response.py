"""ResponseReader on whole, cut, split and wrong responses."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers.engine.http_response import MAX_HEAD_BYTES, ResponseReader
from nodescope.kernel.file import Malformed

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"
ENDLESS = b"HTTP/1.0 200 OK\r\n\r\nhello"


def taken(*pieces: bytes) -> tuple[bytes, ResponseReader]:
    reader = ResponseReader("s")
    return b"".join([reader.feed(piece) for piece in pieces]), reader


@given(st.sampled_from([PLAIN, CHUNKED, ENDLESS]), st.lists(st.integers(0, 100), max_size=6))
def test_any_pieces_give_the_same_body(response: bytes, cuts: list[int]) -> None:
    """However a response is cut, its body is the same and it ends where it ends."""
    at = sorted({0, *(cut for cut in cuts if cut < len(response)), len(response)})
    body, reader = taken(*(response[a:b] for a, b in pairwise(at)))
    reader.end()
    assert (body, reader.status, reader.complete) == (b"hello", 200, True)
    assert reader.reusable is (response is not ENDLESS)


@pytest.mark.parametrize("response", [PLAIN, CHUNKED])
def test_a_cut_response_is_malformed(response: bytes) -> None:
    """A connection that ends within a response is told from a whole one."""
    for length in range(response.index(b"lo")):
        _, reader = taken(response[:length])
        with pytest.raises(Malformed, match="closed"):
            reader.end()


@pytest.mark.parametrize(
    "response",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 20x OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 2000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD_BYTES,
    ],
)
def test_what_is_no_response_is_malformed(response: bytes) -> None:
    """A wrong status line, length or chunk, and a head without end, are refused."""
    with pytest.raises(Malformed):
        taken(response)


@given(st.lists(st.binary(max_size=40), max_size=8), st.sampled_from([b"", PLAIN[:-5], CHUNKED[:47]]))
def test_any_bytes(pieces: list[bytes], head: bytes) -> None:
    """Any bytes give a body no longer than they are, or Malformed."""
    try:
        body, _ = taken(head, *pieces)
    except Malformed:
        return
    assert len(body) <= sum(len(piece) for piece in pieces)


def test_answers_without_a_body() -> None:
    """204 and 304 are whole with their head; a connection that is to be closed is not used again."""
    assert taken(b"HTTP/1.1 204 No Content\r\n\r\n")[1].complete
    assert not taken(PLAIN.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))[1].reusable
