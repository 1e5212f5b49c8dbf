"""A request's head, and every way to write one that is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.web import head
from nodescope.web.head import BadRequest


def parsed(*lines: str) -> head.Head:
    return head.parse("".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1"))


def refused(*lines: str) -> int:
    with pytest.raises(BadRequest) as caught:
        parsed(*lines)
    assert caught.value.reason
    return caught.value.status


def test_a_scrape_is_read() -> None:
    """Method, path, query, headers, length and persistence of an ordinary scrape are as sent."""
    found = parsed(
        "GET /metrics?collect[]=cpu&collect%5B%5D=mem+info&x HTTP/1.1",
        "Host: node1:9100",
        "Accept: text/plain;version=0.0.4 \t",
        "X-Empty:",
    )
    assert (found.method, found.path, found.minor) == ("GET", "/metrics", 1)
    assert (found.keep_alive, found.body_bytes) == (True, 0)
    assert found.query == {"collect[]": ["cpu", "mem info"], "x": [""]}
    assert found.headers == {"host": "node1:9100", "accept": "text/plain;version=0.0.4", "x-empty": ""}


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        ("1.1", None, True),
        ("1.1", "close", False),
        ("1.1", "Keep-Alive, Close", False),
        ("1.0", None, False),
        ("1.0", "Keep-Alive", True),
        ("1.9", None, True),
    ],
)
def test_persistence_follows_version_and_connection(version: str, connection: str | None, kept: bool) -> None:
    """HTTP/1.1 is kept open unless it says close, HTTP/1.0 is closed unless it says keep-alive."""
    fields = [f"Connection: {connection}"] if connection else []
    assert parsed(f"GET / HTTP/{version}", "Host: a", *fields).keep_alive is kept


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", "/"),
        ("/a%20b", "/a b"),
        ("/%C3%A9", "/é"),
        ("/a%2Fb%2fc", "/a%2Fb%2Fc"),
        ("http://node1:9100/metrics?x=1", "/metrics"),
        ("http://node1", "/"),
    ],
)
def test_targets_that_are_understood(target: str, path: str) -> None:
    """Paths are percent-decoded, except for escaped slashes, and an absolute URL stands for its path."""
    assert parsed(f"GET {target} HTTP/1.1", "Host: a").path == path


@pytest.mark.parametrize(
    "target",
    ["*", "metrics", "node1:443", "/%", "/%1", "/%zz", "/%00", "/%0d%0aX", "/%ff", "/%c3%28", "/?%80", "/?a=%0", "/a#b",
     "/\x7f", "ftp://a/"],
)  # fmt: skip
def test_targets_that_are_refused(target: str) -> None:
    """A target that is no path, or has a bad escape, control character or fragment, is a bad request."""
    assert refused(f"GET {target} HTTP/1.1", "Host: a") == 400


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /", 400),
        ("GET  / HTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        (" GET / HTTP/1.1", 400),
        ("G(T / HTTP/1.1", 400),
        ("GET /a b HTTP/1.1", 400),
        ("GET / http/1.1", 400),
        ("GET / HTTP/1", 400),
        ("GET /\tHTTP/1.1", 400),
        ("PRI * HTTP/2.0", 505),
        ("GET / HTTP/0.9", 505),
        (f"GET /{'a' * head.MAX_TARGET_BYTES} HTTP/1.1", 414),
        (f"{'G' * 40} / HTTP/1.1", 400),
    ],
)
def test_request_lines_that_are_refused(line: str, status: int) -> None:
    """A request line that is not exactly METHOD TARGET VERSION is refused with the status that says why."""
    assert refused(line, "Host: a") == status


@pytest.mark.parametrize(
    "fields",
    [
        [],
        ["Host: a", "Host: a"],
        ["Host: a b"],
        ["Host: a/b"],
        ["Host: a", " folded"],
        ["Host: a", "X : 1"],
        ["Host: a", "X"],
        ["Host: a", ": 1"],
        ["Host: a", "X: a\rb"],
        ["Host: a", "X: a\nb"],
        ["Host: a", "X: a\x00b"],
        ["Host: a", "Ä: b"],
        ["Host: a", "Content-Length: 1", "Content-Length: 1"],
        ["Host: a", "Content-Length: +1"],
        ["Host: a", "Content-Length: 1, 1"],
        ["Host: a", "Content-Length: 0x1"],
        ["Host: a", "Content-Length: "],
        ["Host: a", "Content-Length: \u00b2"],
        ["Host: a", "Content-Length: 3", "Transfer-Encoding: chunked"],
        ["Host: a", "Authorization: Basic a", "Authorization: Basic b"],
    ],
)
def test_fields_that_are_refused(fields: list[str]) -> None:
    """Fields that two readers could understand differently make a bad request."""
    assert refused("GET / HTTP/1.1", *fields) == 400


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (["Transfer-Encoding: chunked"], 411),
        (["Transfer-Encoding: gzip"], 411),
        ([f"Content-Length: {head.MAX_BODY_BYTES + 1}"], 413),
        (["Content-Length: " + "9" * 5000], 413),
        (["Expect: miracles"], 417),
        ([f"X-{number}: 1" for number in range(head.MAX_FIELDS)], 431),
    ],
)
def test_requests_that_are_not_taken(fields: list[str], status: int) -> None:
    """Chunked and large bodies, unknown expectations and too many fields have statuses of their own."""
    assert refused("POST / HTTP/1.1", "Host: a", *fields) == status


def test_a_chunked_body_of_http_1_0_is_refused() -> None:
    """HTTP/1.0 has no transfer codings: such a request is ambiguous."""
    assert refused("POST / HTTP/1.0", "Transfer-Encoding: chunked") == 400


def test_a_body_with_leading_zeros_is_measured() -> None:
    """Leading zeros of a length change nothing."""
    assert parsed("POST / HTTP/1.1", "Host: a", "Content-Length: 0000000000000012").body_bytes == 12


def test_http_1_0_needs_no_host() -> None:
    """Host is required of HTTP/1.1 only."""
    assert parsed("GET / HTTP/1.0").headers == {}


def test_the_end_is_found_once_it_is_there() -> None:
    """The end of a head is 0 until the empty line has come, then the number of bytes with it."""
    raw = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nmore"
    assert [head.end(raw[:size]) for size in range(1, len(raw) - 4)] == [0] * (len(raw) - 5)
    assert head.end(raw) == len(raw) - 4


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"\x16\x03\x01\x02", 400),
        (b"\x00", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET /" + b"a" * head.MAX_HEAD_BYTES, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * head.MAX_HEAD_BYTES, 431),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * head.MAX_HEAD_BYTES + b"\r\n\r\n", 431),
    ],
)
def test_what_can_no_longer_become_a_head_is_refused_at_once(raw: bytes, status: int) -> None:
    """TLS on a plain port, bare line feeds and endless lines are refused before any end of the head."""
    with pytest.raises(BadRequest) as caught:
        head.end(raw)
    assert caught.value.status == status


HEADS = st.one_of(
    st.binary(max_size=200),
    st.text(alphabet="GET /HTP1.0:hos%2 \r\n\tX\x00é;=&?+#", max_size=200).map(lambda text: text.encode("latin-1")),
    st.lists(st.sampled_from([b"Host: a", b"Content-Length: 3", b"X:", b" y", b"Expect: 100-continue", b""])).map(
        lambda lines: b"GET /?a=%41 HTTP/1.1\r\n" + b"\r\n".join(lines) + b"\r\n\r\n"
    ),
)


@given(HEADS)
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """No bytes raise anything but a refusal, and what is read has a path, a bounded body and no control characters."""
    try:
        length = head.end(raw) if raw else 0
        found = head.parse(raw[:length]) if length else None
    except BadRequest:
        return
    if found is not None:
        assert found.path.startswith("/")
        assert found.path.isprintable() or not found.path.isascii()
        assert 0 <= found.body_bytes <= head.MAX_BODY_BYTES
        assert not any("\r" in value or "\n" in value or "\0" in value for value in found.headers.values())
