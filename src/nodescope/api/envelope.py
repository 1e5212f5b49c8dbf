"""What goes around an answer: Primus-Lens' documented envelope, the one that its code sends, and a bare problem.

Source: its node exporter's documentation ({code, data, message}) and its client's types ({meta, data, tracing}), whose
own codes are 2000 for success, 4001 for a bad parameter and 4004 for what does not exist.
"""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar

import msgspec

SUCCESS: Final = 0
LENS_SUCCESS: Final = 2000
LENS_CODES: Final = {400: 4001, 404: 4004}
"""HTTP status -> the code that Primus-Lens' code uses for it."""
HTTP_OK: Final = 200

T = TypeVar("T")


class Standard(msgspec.Struct, Generic[T], frozen=True):
    """The documented envelope. `code`: 0, else the HTTP status, with `data` null."""

    code: int
    data: T
    message: str


class LensMeta(msgspec.Struct, frozen=True):
    """`code`: 2000, else what went wrong, which `message` says in a sentence."""

    code: int
    message: str


class Lens(msgspec.Struct, Generic[T], frozen=True):
    """The envelope of Primus-Lens' code; the HTTP status is always 200."""

    meta: LensMeta
    data: T
    tracing: None = None


class Problem(msgspec.Struct, frozen=True):
    """What was wrong, in one sentence."""

    error: str


def wrapped(kind: str, data: Any) -> Standard[Any] | Lens[Any]:
    """`data` in an envelope of this kind."""
    return Lens(LensMeta(LENS_SUCCESS, "OK"), data) if kind == "lens" else Standard(SUCCESS, data, "success")


def refused(kind: str, status: int, sentence: str) -> tuple[int, Standard[None] | Lens[None]]:
    """The HTTP status and the envelope of an error."""
    if kind == "lens":
        return HTTP_OK, Lens(LensMeta(LENS_CODES.get(status, status), sentence), None)
    return status, Standard(status, None, sentence)
