"""Answers of HTTP/1.1, however they are cut into pieces, and what is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers.kubelet import http_answer
from nodescope.containers.kubelet.http_answer import AnswerReader, CutShort
from nodescope.kernel.file import Malformed

FIXED = b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: z\r\n\r\n"
OLD = b"HTTP/1.0 200 OK\r\n\r\nhello"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n" + FIXED


def pieces(data: bytes, size: int) -> Callable[[int], bytes]:
    waiting = [data[start : start + size] for start in range(0, len(data), size)]
    return lambda most: waiting.pop(0) if waiting else b""


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize(("data", "stays"), [(FIXED, True), (CHUNKED, True), (INTERIM, True), (OLD, False)])
def test_every_framing(data: bytes, stays: bool, size: int) -> None:
    """The body is the same however it is framed and cut; only one that ends with the connection uses that up."""
    answer = AnswerReader("test", pieces(data, size)).read()
    assert (answer.status, bytes(answer.body), answer.stays) == (200, b"hello", stays)


def test_one_after_the_other() -> None:
    """What has come of the next answer is kept for it."""
    reader = AnswerReader(
        "test", pieces(CHUNKED + FIXED + FIXED.replace(b"\r\n\r\n", b"\r\nConnection: Close\r\n\r\n"), 50)
    )
    assert [reader.read().stays for _ in range(3)] == [True, True, False]
    with pytest.raises(CutShort) as cut:
        reader.read()
    assert not cut.value.began


def test_the_limit_of_a_body() -> None:
    """A body is refused where it says that it is too long, and where it is so without saying it."""
    megabyte = b"x" * 1024 * 1024
    endless = iter([b"HTTP/1.1 200 OK\r\n\r\n"])
    with pytest.raises(Malformed, match="at most"):
        AnswerReader("test", lambda most: next(endless, megabyte)).read()
    chunk = b"%x\r\n%b\r\n" % (len(megabyte), megabyte)
    chunks = iter([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])
    with pytest.raises(Malformed, match="at most"):
        AnswerReader("test", lambda most: next(chunks, chunk)).read()
    assert http_answer.MAX_BODY_BYTES == 64 * 1024 * 1024


@given(
    st.lists(st.sampled_from([FIXED, CHUNKED, OLD, INTERIM]) | st.binary(max_size=60), max_size=4), st.integers(1, 50)
)
def test_any_bytes(parts: Sequence[bytes], size: int) -> None:
    """Any bytes are an answer, malformed or cut short."""
    data = b"".join(parts)
    try:
        answer = AnswerReader("test", pieces(data, size)).read()
    except (Malformed, CutShort):
        return
    assert len(answer.body) <= len(data)
