"""A response as bytes."""

from __future__ import annotations

import pytest

from nodescope.web import reply
from nodescope.web.message import Response


def lines(response: Response, extra: reply.Headers = (), minor: int = 1, keep_alive: bool = True) -> list[str]:
    raw = reply.head(response, extra, minor, keep_alive).decode("latin-1")
    assert raw.endswith("\r\n\r\n")
    return raw.removesuffix("\r\n\r\n").split("\r\n")


def test_a_response_has_status_date_type_and_length() -> None:
    """The head says what the body is, and fields of the file come before those of the handler."""
    found = lines(Response(404, b"abc", "text/plain", (("X-A", "1"),)), (("X-B", "2"),))
    assert found[0] == "HTTP/1.1 404 Not Found"
    assert found[1].startswith("Date: ")
    assert found[2:] == ["Content-Length: 3", "Content-Type: text/plain", "X-B: 2", "X-A: 1"]


@pytest.mark.parametrize(
    ("minor", "keep_alive", "field"),
    [
        (1, True, None),
        (1, False, "Connection: close"),
        (0, True, "Connection: keep-alive"),
        (0, False, "Connection: close"),
    ],
)
def test_persistence_is_said_where_it_is_not_the_default(minor: int, keep_alive: bool, field: str | None) -> None:
    """Only what differs from the default of the client's version is said."""
    found = [line for line in lines(Response(200, b""), (), minor, keep_alive) if line.startswith("Connection")]
    assert found == ([field] if field else [])


@pytest.mark.parametrize("evil", ["a\r\nX: b", "a\nb", "a\rb", "a\0b", "a\r\n\r\nbody"])
@pytest.mark.parametrize("place", ["name", "value", "type"])
def test_a_field_cannot_break_out_of_its_line(evil: str, place: str) -> None:
    """A line break or NUL in a name, value or content type is refused."""
    name, value, kind = (evil if place == part else "x" for part in ("name", "value", "type"))
    with pytest.raises(ValueError, match="line break"):
        reply.head(Response(200, b"", kind, ((name, value),)), (), 1, True)


def test_what_is_said_twice_is_told_once() -> None:
    """A field that both the web config file and the page give is there once; where their values differ, both are."""
    page = Response(200, b"", headers=(("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "deny")))
    found = lines(page, (("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "sameorigin")))
    assert found.count("X-Content-Type-Options: nosniff") == 1
    assert [line for line in found if line.startswith("X-Frame")] == [
        "X-Frame-Options: sameorigin",
        "X-Frame-Options: deny",
    ]


def test_dates_are_those_of_http() -> None:
    """A date has English names and two digits, whatever the locale."""
    assert reply.imf_fixdate(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT"
