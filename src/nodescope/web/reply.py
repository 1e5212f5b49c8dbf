"""A Response as bytes of HTTP/1.1.

Source: RFC 9112, 4 and 6; RFC 9110, 5.6.7 (dates).
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Final

from nodescope.web.message import Response

MAX_KEPT: Final = 32
"""Kinds of answers whose lines are kept."""

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

REASONS: Final[dict[int, str]] = {
    200: "OK", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 408: "Request Timeout", 411: "Length Required", 413: "Content Too Large",
    414: "URI Too Long", 417: "Expectation Failed", 429: "Too Many Requests", 431: "Request Header Fields Too Large",
    500: "Internal Server Error", 503: "Service Unavailable", 505: "HTTP Version Not Supported",
}  # fmt: skip

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_TWO_DIGITS: Final = tuple(f"{number:02}" for number in range(62))
_MONTHS: Final = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

Headers = tuple[tuple[str, str], ...]


def head(response: Response, extra: Headers, minor: int, keep_alive: bool) -> bytes:
    """Status line and header fields, with the empty line. `minor`: of the client's HTTP/1.x.

    Raises `ValueError` for a field that would break out of its line.
    """
    before, after = _lines(response.status, response.content_type, extra, response.headers, minor, keep_alive)
    return f"{before}Date: {date()}\r\nContent-Length: {len(response.body)}\r\n{after}".encode("latin-1")


@lru_cache(maxsize=MAX_KEPT)
def _lines(
    status: int, content_type: str, extra: Headers, headers: Headers, minor: int, keep_alive: bool
) -> tuple[str, str]:
    """What stands before and after the fields that differ from answer to answer."""
    before = f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}\r\n"
    # Once each: what the web config file adds to every answer, a page may say of itself.
    told = dict.fromkeys((("Content-Type", content_type), *extra, *headers))
    fields = [f"{name}: {value}\r\n" for name, value in told]
    if not keep_alive:
        fields.append("Connection: close\r\n")
    elif not minor:
        fields.append("Connection: keep-alive\r\n")
    after = "".join(fields)
    if after.count("\n") != len(fields) or after.count("\r") != len(fields) or "\0" in after:
        raise ValueError(f"a response field holds a line break or NUL: {content_type!r}, {headers!r}")
    return before, after + "\r\n"


class _Date:
    """The Date field's value, made once a second."""

    second: int = -1
    value: str = ""


def date() -> str:
    now = int(time.time())
    if _Date.second != now:
        _Date.value = imf_fixdate(now)
        _Date.second = now
    return _Date.value


def imf_fixdate(seconds: int) -> str:
    """`seconds` of Unix time as in "Sun, 06 Nov 1994 08:49:37 GMT", whatever the locale."""
    at = time.gmtime(seconds)
    day, hour = _TWO_DIGITS[at.tm_mday], _TWO_DIGITS[at.tm_hour]
    minute, second = _TWO_DIGITS[at.tm_min], _TWO_DIGITS[at.tm_sec]
    return f"{_DAYS[at.tm_wday]}, {day} {_MONTHS[at.tm_mon]} {at.tm_year} {hour}:{minute}:{second} GMT"
