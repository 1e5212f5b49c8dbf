"""Patterns of directories, as in a shell without `**`: `*`, `?`, `[a-z]`, `[^a-z]`, `\\` before a plain character."""

from __future__ import annotations

import os
import re
from typing import Final

MAX_PATHS: Final = 1000

_SPECIAL: Final = re.compile(r"[*?\[\\]")
_CLASS_CHARACTER: Final = re.compile(r"\\(.)|([^\]\\-])", re.DOTALL)


def matching_paths(pattern: str) -> list[str]:
    """The paths that `pattern` matches, sorted, at most `MAX_PATHS`; the pattern itself where none does, or it is none.

    Unlike in a shell a leading dot is nothing special.
    """
    if not _SPECIAL.search(pattern):
        return [pattern]
    found = ["/" if pattern.startswith("/") else ""]
    for part in [part for part in pattern.split("/") if part]:
        if _SPECIAL.search(part):
            matcher = segment_matcher(part)
            if matcher is None:
                return [pattern]
            found = [path for folder in found for path in _matches(folder, matcher)]
        else:
            found = [path for path in (os.path.join(folder, part) for folder in found) if os.path.lexists(path)]
        del found[MAX_PATHS:]
    return found or [pattern]


def _matches(folder: str, matcher: re.Pattern[str]) -> list[str]:
    try:
        names = sorted(os.listdir(folder or "."))
    except OSError:
        return []
    return [os.path.join(folder, name) for name in names if matcher.fullmatch(name)]


def segment_matcher(part: str) -> re.Pattern[str] | None:
    """A pattern without slashes as a regular expression for whole names. None where it is no pattern."""
    made = ""
    at = 0
    while at < len(part):
        character = part[at]
        at += 1
        if character == "*":
            made += "" if part[at : at + 1] == "*" else ".*"
        elif character == "?":
            made += "."
        elif character == "[":
            found = _class(part, at)
            if found is None:
                return None
            made, at = made + found[0], found[1]
        elif character == "\\":
            if at == len(part):
                return None
            made += re.escape(part[at])
            at += 1
        else:
            made += re.escape(character)
    return re.compile(made, re.DOTALL)


def _class(part: str, at: int) -> tuple[str, int] | None:
    """What stands in brackets from `at` on as a regular expression, and where it ends."""
    inside = ""
    if part.startswith("^", at):
        inside, at = "^", at + 1
    ranges = 0
    while not (ranges and part.startswith("]", at)):
        low = _CLASS_CHARACTER.match(part, at)
        if low is None:
            return None
        at = low.end()
        high = low
        if part.startswith("-", at):
            found = _CLASS_CHARACTER.match(part, at + 1)
            if found is None:
                return None
            high, at = found, found.end()
        first, last = low[1] or low[2], high[1] or high[2]
        if first <= last:
            inside += f"{re.escape(first)}-{re.escape(last)}"
        ranges += 1
    if inside in ("", "^"):
        return ("(?!)" if not inside else "."), at + 1
    return f"[{inside}]", at + 1
