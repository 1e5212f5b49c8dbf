"""The syntax of os-release files: lines NAME=value, quoted as a shell would.

Source: os-release(5). The finer rules (what a comment ends, which escapes there are) are those by which the field's
exporters read these files.
"""

from __future__ import annotations

import re
from typing import Final

from nodescope.host import Malformed, text

MAX_LINES: Final = 1024
EXPECTED: Final = "lines NAME=value, quoted as in os-release(5)"

_KEY: Final = re.compile(rb"[A-Za-z_][A-Za-z0-9_./]*")
_PIECE: Final = re.compile(
    rb"""(?P<comment>\#.*)|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)'|(?P<plain>[^"'\#]+)""", re.DOTALL
)
_ESCAPE: Final = re.compile(
    rb"\\(?:u(?P<high>[dD][89a-fA-F][0-9a-fA-F]{2})\\u(?P<low>[0-9a-fA-F]{4})|u(?P<unit>[0-9a-fA-F]{4})|(?P<one>.))",
    re.DOTALL,
)
_CONTROL: Final = re.compile(rb"[\x00-\x1f]")
_ESCAPED: Final = {
    b'"': b'"', b"\\": b"\\", b"/": b"/", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t",
}  # fmt: skip
_BLANK: Final = b" \t\n\v\f\r"
_REPLACEMENT: Final = "\ufffd".encode()


def parse_os_release(data: bytes, source: str) -> dict[str, str]:
    """Name -> value. Raises `Malformed` where a line breaks the syntax."""
    found: dict[str, str] = {}
    for line in data.split(b"\n")[:MAX_LINES]:
        line = line.strip(_BLANK)
        if not line or line.startswith(b"#"):
            continue
        name, equals, value = line.partition(b"=")
        name = name.rstrip(_BLANK).removeprefix(b"export ")
        if not equals or not _KEY.fullmatch(name):
            raise Malformed(source, line, EXPECTED)
        try:
            found[name.decode()] = text(_unquoted(value.strip(_BLANK)))
        except ValueError as error:
            raise Malformed(source, line, f"{EXPECTED} ({error})") from error
    return found


def _unquoted(value: bytes) -> bytes:
    """The value without quotes, escapes and comment. Raises `ValueError` saying what is wrong."""
    out = b""
    significant = position = 0  # how much of `out` stays when a comment follows: not the blanks before it
    while position < len(value):
        piece = _PIECE.match(value, position)
        if piece is None:
            raise ValueError("a quote is not closed")
        position = piece.end()
        if piece["comment"] is not None:
            return out[:significant]
        if _CONTROL.search(piece[0]):
            raise ValueError("control characters are not allowed")
        if piece["plain"] is not None:
            solid = piece["plain"].rstrip(_BLANK)
            significant = len(out) + len(solid) if solid else significant
            out += piece["plain"]
        else:
            quoted = piece["single"] if piece["single"] is not None else _ESCAPE.sub(_unescaped, piece["double"])
            out += quoted
            significant = len(out) if quoted else significant
    return out


def _unescaped(escape: re.Match[bytes]) -> bytes:
    if escape["high"] is not None:
        pair = bytes.fromhex((escape["high"] + escape["low"]).decode())
        try:
            return pair.decode("utf-16-be").encode()
        except UnicodeDecodeError:
            return _REPLACEMENT
    if escape["unit"] is not None:
        unit = int(escape["unit"], 16)
        if 0xD800 <= unit <= 0xDFFF:
            raise ValueError("half of a surrogate pair")
        return chr(unit).encode()
    if escape["one"] not in _ESCAPED:
        raise ValueError("an escape that does not exist")
    return _ESCAPED[escape["one"]]
