"""The record of something that happened, bounded whatever is put into it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

MAX_KIND_CHARACTERS: Final = 64
MAX_SUBJECT_CHARACTERS: Final = 256
MAX_ATTRIBUTES: Final = 16
MAX_NAME_CHARACTERS: Final = 64
MAX_VALUE_CHARACTERS: Final = 512

CUT_MARK: Final = "…"
"""Ends a text that was longer than its limit."""

CUT_ATTRIBUTE: Final = "attributes_cut"
"""Says how many attributes were left out; a name of the bus's own, so nobody else's value for it is kept."""

_KIND: Final = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+")


class Event(msgspec.Struct, frozen=True):
    """One thing that happened on this node.

    `sequence`: 1, 2, 3 ... without gaps within `epoch`, which names one life of the bus. `time_seconds`: Unix time.
    `kind`: dotted and lower-case ("collector.failed"). `subject`: what it is about ("diskstats").
    """

    sequence: int
    epoch: str
    time_seconds: float
    kind: str
    subject: str
    attributes: dict[str, str]


def checked_kind(kind: str) -> str:
    """`kind` where it is one. Raises `ValueError` otherwise."""
    if len(kind) > MAX_KIND_CHARACTERS or _KIND.fullmatch(kind) is None:
        raise ValueError(
            f"kind of an event: expected dotted lower-case words of at most {MAX_KIND_CHARACTERS} characters,"
            f' like "collector.failed", got {kind[:MAX_KIND_CHARACTERS]!r}'
        )
    return kind


def bounded_text(text: str, limit: int) -> str:
    """At most `limit` characters of `text`, ending in `CUT_MARK` where it was longer; always valid UTF-8."""
    short = text if len(text) <= limit else text[: limit - len(CUT_MARK)] + CUT_MARK
    # Names of files can hold lone surrogates, which no encoder of events takes.
    return short if short.isascii() else short.encode("utf-8", "replace").decode()


def bounded_attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    """A copy with the first `MAX_ATTRIBUTES`, each bounded; `CUT_ATTRIBUTE` counts those left out, if any."""
    kept: dict[str, str] = {}
    cut = 0
    for name, value in attributes.items():
        short = bounded_text(name, MAX_NAME_CHARACTERS)
        if len(kept) == MAX_ATTRIBUTES or short in kept or short == CUT_ATTRIBUTE:
            cut += 1
        else:
            kept[short] = bounded_text(value, MAX_VALUE_CHARACTERS)
    if cut:
        kept[CUT_ATTRIBUTE] = str(cut)
    return kept
