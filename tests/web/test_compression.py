"""gzip by Accept-Encoding."""

from __future__ import annotations

import gzip

import pytest

from nodescope.web.compression import MIN_BYTES, accepts_gzip, compressed
from nodescope.web.message import Request, Response


@pytest.mark.parametrize(
    ("field", "accepted"),
    [
        ("", False),
        ("gzip", True),
        ("GZip", True),
        ("x-gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.001", True),
        ("gzip;q=0.000, *", False),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0.5, *", False),
        ("gzip, *;q=0.5", True),
        ("gzip;q=0.5, *, identity;q=0.4", True),
        ("identity", False),
        ("gzip;q=0.4, identity;q=0.5", False),
        ("gzip;q=0.5, identity;q=0.5", True),
        ("gzip;q=2", False),
        ("gzip;q=abc", False),
        ("gzip;q=nan", False),
        ("gzip;level=9", True),
        ("br, zstd", False),
        (",,;;q=,gzip", True),
    ],
)
def test_who_accepts_gzip(field: str, accepted: bool) -> None:
    """gzip is accepted where it is named or meant by *, with a quality above 0 and not below that of identity."""
    assert accepts_gzip(field) is accepted


def pack(size: int, field: str | None) -> tuple[Response, bytes]:
    body = b"node_load1 0.25\n" * (size // 16 + 1)
    headers = {"accept-encoding": field} if field else {}
    return compressed(Request("GET", "/", {}, headers, ""), Response(200, body, "text/plain", (("X-A", "1"),))), body


def test_a_large_body_is_packed_for_who_accepts_it() -> None:
    """A packed body unpacks to the body, says so, and says that it depends on the request."""
    response, body = pack(10 * MIN_BYTES, "gzip")
    assert gzip.decompress(response.body) == body
    assert response.headers == (("X-A", "1"), ("Vary", "Accept-Encoding"), ("Content-Encoding", "gzip"))


@pytest.mark.parametrize(("size", "field"), [(10 * MIN_BYTES, None), (10 * MIN_BYTES, "br"), (MIN_BYTES // 2, "gzip")])
def test_other_bodies_are_left_as_they_are(size: int, field: str | None) -> None:
    """A small body, or one for a client that does not ask for gzip, is sent as it is."""
    response, body = pack(size, field)
    assert response.body == body
    assert response.headers == (("X-A", "1"), ("Vary", "Accept-Encoding"))
