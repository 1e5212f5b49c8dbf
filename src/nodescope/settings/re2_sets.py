"""Sets of characters as Go's regular expressions name them: `[[:alpha:]]`, `\\d`, `\\pL`.

Source: https://github.com/google/re2/wiki/Syntax, and Go's regexp/syntax for what it does not say.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

Ranges = tuple[tuple[int, int], ...]
"""First and last code point of each range."""

MAX_CODE: Final = 0x10FFFF
LAST_ASCII: Final = 0x7F


def _ranges(ends: str) -> Ranges:
    """`AZaz` is A to Z and a to z."""
    return tuple((ord(first), ord(last)) for first, last in zip(ends[::2], ends[1::2], strict=True))


POSIX: Final[dict[str, Ranges]] = {
    "alnum": _ranges("09AZaz"),
    "alpha": _ranges("AZaz"),
    "ascii": _ranges("\x00\x7f"),
    "blank": _ranges("\t\t  "),
    "cntrl": _ranges("\x00\x1f\x7f\x7f"),
    "digit": _ranges("09"),
    "graph": _ranges("!~"),
    "lower": _ranges("az"),
    "print": _ranges(" ~"),
    "punct": _ranges("!/:@[`{~"),
    "space": _ranges("\t\r  "),
    "upper": _ranges("AZ"),
    "word": _ranges("09AZ__az"),
    "xdigit": _ranges("09AFaf"),
}
PERL: Final[dict[str, Ranges]] = {"d": POSIX["digit"], "s": _ranges("\t\n\f\r  "), "w": POSIX["word"]}
"""`\\s` has no vertical tab."""

_CATEGORIES: Final = (
    *("L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd", "Nl", "No", "Z", "Zl", "Zp", "Zs"),
    *("P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So", "Cc", "Cf", "Co"),
)
_WITH_CASE: Final = frozenset({"L", "Ll", "Lt", "Lu", "M", "Mn"})
"""Those that have more characters where case does not count."""
_OTHER_CASE: Final = {"s": 0x017F, "k": 0x212A}
"""Letter -> the one beyond ASCII that is the same where case does not count."""


def named(table: dict[str, Ranges], name: str, negated: bool, folds: bool) -> Ranges:
    """A set of ASCII, or all that it lacks. Case counts before what it lacks is looked for. Raises `KeyError`."""
    found = folded(table[name]) if folds else table[name]
    return complement(found) if negated else found


def category(name: str, negated: bool, folds: bool) -> Ranges:
    """The characters of a general category, as Python's Unicode has them. Raises `ValueError`."""
    if name not in _CATEGORIES and name != "Any":
        raise ValueError(f"\\p{{{name}}} is not known here; expected a general category such as \\p{{L}}, or ranges")
    if folds and name in _WITH_CASE:
        raise ValueError(f"\\p{{{name}}} under (?i) is not known here; expected it outside of (?i)")
    found = ((0, MAX_CODE),) if name == "Any" else _of_category(name)
    return complement(found) if negated else found


@lru_cache(maxsize=1)
def _of_category(name: str) -> Ranges:
    import unicodedata  # few ask for it

    found: list[tuple[int, int]] = []
    for code, its in enumerate(map(unicodedata.category, map(chr, range(MAX_CODE + 1)))):
        if not its.startswith(name):
            continue
        if found and found[-1][1] == code - 1:
            found[-1] = (found[-1][0], code)
        else:
            found.append((code, code))
    return tuple(found)


def complement(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """All code points that `ranges` lack."""
    found: list[tuple[int, int]] = []
    free = 0
    for first, last in sorted(ranges):
        if free < first:
            found.append((free, first - 1))
        free = max(free, last + 1)
    return (*found, (free, MAX_CODE)) if free <= MAX_CODE else tuple(found)


def folded(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """With them the ASCII letters in the other case, and the two letters beyond ASCII that are s and k there."""
    ranges = tuple(ranges)
    small = [
        letter
        for letter in map(chr, range(ord("a"), ord("z") + 1))
        if any(
            first <= code <= last
            for first, last in ranges
            for code in (ord(letter), ord(letter.upper()), _OTHER_CASE.get(letter, ord(letter)))
        )
    ]
    more = [code for letter in small for code in (ord(letter), ord(letter.upper()), _OTHER_CASE.get(letter))]
    return (*ranges, *((code, code) for code in more if code is not None))


def python_set(ranges: Iterable[tuple[int, int]], negated: bool = False) -> str:
    """As Python writes a set of one or more ranges; for none, what matches nothing, or anything."""
    inside = "".join(_shown(first) if first == last else f"{_shown(first)}-{_shown(last)}" for first, last in ranges)
    return f"[{'^' if negated else ''}{inside}]" if inside else python_set([(0, MAX_CODE)], not negated)


def _shown(code: int) -> str:
    """Nothing but letters and digits as they are, so that no sign means anything to Python."""
    character = chr(code)
    return character if character.isascii() and character.isalnum() else f"\\U{code:08x}"
