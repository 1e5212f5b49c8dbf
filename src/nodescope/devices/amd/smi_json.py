"""JSON in what amd-smi and rocm-smi print: one document or several, with lines of words before, between and after.

Source: the tools' own output. amd-smi gives a list with an object for each GPU up to ROCm 6.3, for some of its
commands an object with that list as `gpu_data` since 6.4; `partition` prints several documents and a legend. Keys are
in upper case in some releases and in lower case in others: here they are always in lower case. Python prints NaN and
halves of surrogate pairs, which are no JSON: they are null and U+FFFD here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from nodescope.host import Malformed, text

MAX_OUTPUT_BYTES: Final = 8 * 1024 * 1024
"""64 partitions are up to 4 MB of `amd-smi metric`."""

MAX_DOCUMENTS: Final = 64
MAX_TOKENS: Final = 1_000_000
"""Brackets and texts that are looked at where an output is no document as a whole."""

MAX_ENTRIES: Final = 1024
MAX_DEPTH: Final = 32
MAX_LISTS: Final = 4

Entry = dict[str, Any]
"""What is told of one GPU, with keys in lower case."""

_OPENING: Final = re.compile(rb"^[ \t]*([\[{])", re.MULTILINE)
_TOKEN: Final = re.compile(rb'"(?:[^"\\]+|\\.)*+"|[\[\]{}]', re.DOTALL)
_NO_JSON: Final = re.compile(rb'"(?:[^"\\]+|\\.)*+"|-?\b(?:NaN|Infinity)\b', re.DOTALL)
_LONE_SURROGATE: Final = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|"
                                    rb"(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}")  # fmt: skip


def documents(raw: bytes, source: str) -> list[Any]:
    """Every JSON document in `raw`, keys in lower case. Raises `Malformed` where there is none."""
    found = [_lowered(document, MAX_DEPTH) for document in _decoded(raw[:MAX_OUTPUT_BYTES])]
    if not found:
        raise Malformed(source, raw.strip(), "a JSON document")
    return found


def gpu_entries(raw: bytes, source: str) -> list[Entry]:
    """What is told of each GPU: an object with its number as `gpu`, in all documents together.

    Other entries (CPUs, network cards) are left out. Raises `Malformed` where there is no JSON.
    """
    entries: list[Entry] = []
    for document in documents(raw, source):
        entries += (_flat(item) for item in _items(document) if isinstance(item, dict) and "gpu" in item)
    return entries[:MAX_ENTRIES]


def _items(document: Any, depth: int = MAX_LISTS) -> list[Any]:
    """The objects in a list, or in the lists of an object that is of no GPU itself; lists may be in lists."""
    if isinstance(document, dict):
        inner = [value for value in document.values() if isinstance(value, (list, dict))]
        return [document] if "gpu" in document else _items(inner, depth)
    if not isinstance(document, list) or not depth:
        return []
    found: list[Any] = []
    for item in document:
        found += [item] if isinstance(item, dict) and "gpu" in item else _items(item, depth - 1)
    return found


def _flat(entry: Entry) -> Entry:
    """Without the group `values` that some releases put everything in."""
    values = entry.get("values")
    return {**entry, **values} if isinstance(values, dict) else entry


def _decoded(raw: bytes) -> Iterator[Any]:
    whole = _decoded_one(raw)
    if whole is not None:
        yield whole
        return
    position, tried, left = 0, 0, MAX_TOKENS
    while tried < MAX_DOCUMENTS and left > 0 and (opening := _OPENING.search(raw, position)):
        tried += 1
        start = opening.start(1)
        end, tokens = _end_of_document(raw, start, left)
        left -= tokens
        document = None if end is None else _decoded_one(raw[start:end])
        if document is not None and end is not None:
            position = end
            yield document
        else:
            position = opening.end()


def _end_of_document(raw: bytes, start: int, most: int) -> tuple[int | None, int]:
    """Where the bracket that opens at `start` is closed, and how many of at most `most` tokens it took to find out."""
    depth = count = 0
    for token in _TOKEN.finditer(raw, start):
        count += 1
        if token[0] in (b"[", b"{"):
            depth += 1
        elif token[0] in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                return token.end(), count
        if count >= most:
            break
    return None, count


def _decoded_one(raw: bytes) -> Any:
    """A list or an object, None for anything else."""
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        try:
            found = msgspec.json.decode(_repaired(raw))
        except (msgspec.MsgspecError, RecursionError):
            return None
    except RecursionError:
        return None
    return found if isinstance(found, (list, dict)) else None


def _repaired(raw: bytes) -> bytes:
    """With what Python prints though it is no JSON replaced."""
    cleaned = text(raw).encode("utf-8", "replace")
    cleaned = _NO_JSON.sub(lambda found: found[0] if found[0].startswith(b'"') else b"null", cleaned)
    return _LONE_SURROGATE.sub(rb"\\ufffd", cleaned)


def _lowered(value: Any, depth: int) -> Any:
    """With every key in lower case; what is nested too deeply is None."""
    if isinstance(value, dict):
        return {key.lower(): _lowered(inner, depth - 1) for key, inner in value.items()} if depth else None
    if isinstance(value, list):
        return [_lowered(inner, depth - 1) for inner in value] if depth else None
    return value
