"""A request's head: the request line and the header fields, read strictly.

Source: RFC 9112 (HTTP/1.1), RFC 9110 (semantics), RFC 3986 (percent-encoding). Whatever two readers could
understand differently is refused: that is what request smuggling is made of (RFC 9112, 11.2).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

MAX_HEAD_BYTES: Final = 16 * 1024
MAX_TARGET_BYTES: Final = 8 * 1024
MAX_FIELDS: Final = 100
MAX_BODY_BYTES: Final = 16 * 1024

_TOKEN: Final = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FIELD_TEXT: Final = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])
_REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])")
_ABSOLUTE: Final = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_HEX: Final = re.compile(r"[0-9A-Fa-f]{2}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_ONCE: Final = frozenset({"host", "content-length", "authorization", "content-type", "expect"})


class BadRequest(Exception):
    """A request that is refused: the status, and one sentence for the client."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Head(NamedTuple):
    """`length`: bytes of the head; `body_bytes`: bytes of the body that follows. `path` is decoded except for %2F."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    minor: int
    keep_alive: bool
    expects_continue: bool
    length: int
    body_bytes: int


def end(buffer: bytes, start: int = 0) -> int:
    """Where the head that begins `buffer` ends, 0 while its end has not come. `start`: searched up to there before.

    Raises `BadRequest` for what can no longer become a head.
    """
    if not buffer[:1].isalpha():
        raise BadRequest(400, "a request begins with its method")
    found = buffer.find(b"\n\r\n", start)
    if 0 <= found <= MAX_HEAD_BYTES - 3:
        return found + 3
    if buffer.find(b"\n\n", start) >= 0:
        raise BadRequest(400, "lines end in CR LF")
    if found < 0 and len(buffer) < MAX_HEAD_BYTES:
        return 0
    if b"\n" not in buffer[: MAX_TARGET_BYTES + 64]:
        raise BadRequest(414, f"the request line is longer than {MAX_TARGET_BYTES} bytes")
    raise BadRequest(431, f"the head is longer than {MAX_HEAD_BYTES} bytes")


def parse(head: bytes) -> Head:
    """`head` is all bytes up to and with the empty line. Raises `BadRequest`."""
    first, *lines = head[:-4].split(b"\r\n")
    if not head.endswith(b"\r\n\r\n") or b"\n" in first or b"\r" in first:
        raise BadRequest(400, "lines end in CR LF")
    method, target, minor = _request_line(first)
    headers = _fields(lines)
    _check_host(headers, minor)
    path, query = _target(target)
    connection = headers.get("connection", "").lower()
    options = {option.strip() for option in connection.split(",")} if connection else ()
    return Head(
        method,
        path,
        query,
        headers,
        minor,
        "close" not in options if minor else "keep-alive" in options,
        _expects_continue(headers, minor),
        len(head),
        _body_bytes(headers, minor),
    )


def _request_line(line: bytes) -> tuple[str, str, int]:
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise BadRequest(400, "the request line is not METHOD TARGET HTTP/1.1")
    method, target, major, minor = found.groups()
    if major != b"1":
        raise BadRequest(505, "this server speaks HTTP/1.1 and HTTP/1.0")
    if len(target) > MAX_TARGET_BYTES:
        raise BadRequest(414, f"the request target is longer than {MAX_TARGET_BYTES} bytes")
    return method.decode("ascii"), target.decode("ascii"), 0 if minor == b"0" else 1


def _fields(lines: list[bytes]) -> dict[str, str]:
    if len(lines) > MAX_FIELDS:
        raise BadRequest(431, f"there are more than {MAX_FIELDS} header fields")
    headers: dict[str, str] = {}
    for line in lines:
        raw_name, colon, raw_value = line.partition(b":")
        # A blank before the colon, or a continued line, leaves a byte that no token holds.
        if not colon or not raw_name or raw_name.translate(None, _TOKEN) or raw_value.translate(None, _FIELD_TEXT):
            raise BadRequest(400, "a header field is not NAME: VALUE on one line without control characters")
        field = raw_name.decode("ascii").lower()
        value = raw_value.strip(b" \t").decode("latin-1")
        if field in headers:
            if field in _ONCE:
                raise BadRequest(400, f"the header field {field} is there twice")
            value = f"{headers[field]}, {value}"
        headers[field] = value
    return headers


def _check_host(headers: dict[str, str], minor: int) -> None:
    host = headers.get("host")
    if host is None:
        if minor:
            raise BadRequest(400, "the header field host is missing")
    elif _HOST.fullmatch(host) is None:
        raise BadRequest(400, "the header field host is not HOST or HOST:PORT")


def _body_bytes(headers: dict[str, str], minor: int) -> int:
    length = headers.get("content-length")
    if "transfer-encoding" in headers:
        if length is not None or not minor:
            raise BadRequest(400, "the length of the body is ambiguous")
        raise BadRequest(411, "bodies are taken with a content-length only")
    if length is None:
        return 0
    if not (length.isascii() and length.isdecimal()):
        raise BadRequest(400, "the header field content-length is not a number")
    # Compared by digits first: a number of thousands of digits is never computed.
    if len(length.lstrip("0")) > len(str(MAX_BODY_BYTES)) or int(length) > MAX_BODY_BYTES:
        raise BadRequest(413, f"the body is longer than {MAX_BODY_BYTES} bytes")
    return int(length)


def _expects_continue(headers: dict[str, str], minor: int) -> bool:
    expected = headers.get("expect")
    if expected is None or not minor:
        return False
    if expected.lower() != "100-continue":
        raise BadRequest(417, "the header field expect is not 100-continue")
    return True


def _target(target: str) -> tuple[str, dict[str, list[str]]]:
    if not target.startswith("/"):
        # A client that takes this server for a proxy writes the whole URL (RFC 9112, 3.2.2).
        absolute = _ABSOLUTE.match(target)
        if absolute is None:
            raise BadRequest(400, "the request target does not begin with a slash")
        target = "/" + target[absolute.end() :].removeprefix("/")
    if "#" in target:
        raise BadRequest(400, "the request target holds a fragment")
    path, _, query = target.partition("?")
    return _decoded(path, slash="%2F"), _query(query)


def _query(query: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in query.split("&"):
        if pair:
            name, _, value = pair.replace("+", " ").partition("=")
            found.setdefault(_decoded(name), []).append(_decoded(value))
    return found


def _decoded(text: str, slash: str = "/") -> str:
    """Percent-decoded UTF-8 without control characters. `slash`: what an escaped slash becomes."""
    if "%" not in text:
        return text
    first, *rest = text.split("%")
    parts = [first.encode("ascii")]
    for part in rest:
        if _HEX.match(part) is None:
            raise BadRequest(400, "the request target holds a % without two hexadecimal digits")
        octet = bytes.fromhex(part[:2])
        parts += (slash.encode() if octet == b"/" else octet, part[2:].encode("ascii"))
    try:
        decoded = b"".join(parts).decode()
    except UnicodeDecodeError as error:
        raise BadRequest(400, "the request target is not UTF-8") from error
    if _CONTROL.search(decoded):
        raise BadRequest(400, "the request target holds a control character")
    return decoded
