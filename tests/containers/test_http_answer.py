"""Answers of HTTP/1.1, however they are cut into pieces, and what is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers import http_answer
from nodescope.containers.http_answer import MAX_HEAD_BYTES, AnswerParser, AnswerReader, CutShort
from nodescope.kernel.file import Malformed

PLAIN = b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 5\r\n\r\nhello"
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: z\r\n\r\n"
OLD = b"HTTP/1.0 200 OK\r\n\r\nhello"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def taken(*pieces: bytes) -> tuple[bytes, AnswerParser]:
    parser = AnswerParser("s")
    return b"".join([parser.feed(piece) for piece in pieces]), parser


def pieces(data: bytes, size: int) -> Callable[[int], bytes]:
    waiting = [data[start : start + size] for start in range(0, len(data), size)]
    return lambda most: waiting.pop(0) if waiting else b""


@given(st.sampled_from([PLAIN, CHUNKED, OLD, INTERIM]), st.lists(st.integers(0, 120), max_size=6))
def test_any_pieces_give_the_same_body(answer: bytes, cuts: list[int]) -> None:
    """However an answer is framed and cut, its body is the same, it ends where it ends, and what follows is left."""
    at = sorted({0, *(cut for cut in cuts if cut < len(answer)), len(answer)})
    body, parser = taken(*(answer[a:b] for a, b in pairwise(at)))
    parser.end()
    assert (body, parser.status, parser.complete) == (b"hello", 200, True)
    assert parser.reusable is (answer is not OLD)


@pytest.mark.parametrize("answer", [PLAIN, CHUNKED])
def test_a_cut_answer_is_malformed(answer: bytes) -> None:
    """A connection that ends within an answer is told from a whole one."""
    for length in range(answer.index(b"lo")):
        _, parser = taken(answer[:length])
        with pytest.raises(Malformed, match="closed"):
            parser.end()


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 20x OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999\r\n\r\n",
        CHUNKS + b"zz\r\n",
        CHUNKS + b"fffffffff\r\n",
        CHUNKS + b"1\r\nabc\r\n",
        CHUNKS + b"1" * 2000,
        CHUNKS + b"0\r\n" + b"Trailer: x\r\n" * 100,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD_BYTES,
    ],
)
def test_what_is_no_answer_is_malformed(answer: bytes) -> None:
    """A wrong status line, length, chunk or coding, and what has no end, are refused."""
    with pytest.raises(Malformed):
        taken(answer)


def test_a_body_is_never_shown() -> None:
    """What is wrong within a body is named without its bytes, for they may be a secret."""
    with pytest.raises(Malformed) as error:
        taken(CHUNKS + b"3\r\nabcPASSWORD=hunter2\r\n")
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("rest", [b"PASSWORD=hunter2\r\n\r\n", b"PASSWORD=hunter2 " * MAX_HEAD_BYTES])
def test_the_rest_of_a_body_is_never_shown(rest: bytes) -> None:
    """What a server sent beyond the length that it told stands where the next answer is expected, and is not shown."""
    with pytest.raises(Malformed) as error:
        taken(rest)
    assert "hunter2" not in str(error.value)


def test_answers_without_a_body() -> None:
    """204, 304 and a length of 0 are whole with their head; a connection that is to be closed is not used again."""
    assert taken(b"HTTP/1.1 204 No Content\r\n\r\n")[1].complete
    assert taken(EMPTY)[1].complete
    assert not taken(PLAIN.replace(b"\r\n\r\n", b"\r\nConnection: Close\r\n\r\n"))[1].reusable


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize(("data", "stays"), [(PLAIN, True), (CHUNKED, True), (INTERIM, True), (OLD, False)])
def test_a_whole_answer_is_read(data: bytes, stays: bool, size: int) -> None:
    """The body is whole; only one that ends with the connection uses that up."""
    answer = AnswerReader("test", pieces(data, size)).read()
    assert (answer.status, bytes(answer.body), answer.stays) == (200, b"hello", stays)


def test_one_after_the_other() -> None:
    """What has come of the next answer is kept for it; a connection that ends before one is told from one within."""
    closing = PLAIN.replace(b"\r\n\r\n", b"\r\nConnection: Close\r\n\r\n")
    reader = AnswerReader("test", pieces(CHUNKED + PLAIN + closing + PLAIN[:30], 50))
    assert [reader.read().stays for _ in range(3)] == [True, True, False]
    assert reader.unasked
    with pytest.raises(CutShort) as cut:
        reader.read()
    assert cut.value.began
    with pytest.raises(CutShort) as cut:
        reader.read()
    assert not cut.value.began


def test_the_limit_of_a_body() -> None:
    """A body is refused where it says that it is too long, and where it is so without saying it."""
    megabyte = b"x" * 1024 * 1024
    says = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"
    with pytest.raises(Malformed, match="at most"):
        AnswerReader("test", pieces(says, 1000)).read()
    endless = iter([b"HTTP/1.1 200 OK\r\n\r\n"])
    with pytest.raises(Malformed, match="at most"):
        AnswerReader("test", lambda most: next(endless, megabyte)).read()
    chunk = b"%x\r\n%b\r\n" % (len(megabyte), megabyte)
    chunks = iter([CHUNKS])
    with pytest.raises(Malformed, match="at most"):
        AnswerReader("test", lambda most: next(chunks, chunk)).read()
    assert http_answer.MAX_BODY_BYTES == 64 * 1024 * 1024


@given(
    st.lists(st.sampled_from([PLAIN, CHUNKED, OLD, INTERIM, CHUNKS]) | st.binary(max_size=60), max_size=4),
    st.integers(1, 50),
)
def test_any_bytes(parts: Sequence[bytes], size: int) -> None:
    """Any bytes are an answer no longer than they are, malformed or cut short."""
    data = b"".join(parts)
    try:
        answer = AnswerReader("test", pieces(data, size)).read()
    except (Malformed, CutShort):
        return
    assert len(answer.body) <= len(data)
