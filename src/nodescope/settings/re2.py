"""Go's regular expressions, which node_exporter's flags hold, as Python's.

Source: https://github.com/google/re2/wiki/Syntax, and Go's regexp/syntax for what it does not say. What Go refuses is
refused, for with it node_exporter would not start. What is made tells whether a text matches, not which part of it: so
greed does not matter, and no group is captured. Beyond ASCII, case is Python's under (?i).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from nodescope.settings import re2_sets
from nodescope.settings.re2_sets import LAST_ASCII, MAX_CODE, Ranges

MAX_REPEAT: Final = 1000
"""Most copies of anything, also by repetitions of repetitions."""
MAX_DIGITS: Final = 4
MAX_SHOWN: Final = 40

_REPEAT: Final = re.compile(r"(?:[*+?]|\{(0|[1-9][0-9]*)(?:(,)(0|[1-9][0-9]*)?)?\})(\??)")
_FLAGS: Final = re.compile(r"\(\?([imsU]*)(?:-([imsU]+))?([:)])")
_NAMED: Final = re.compile(r"\(\?P?<[0-9A-Za-z_]+>")
_QUOTED: Final = re.compile(r"\\Q(.*?)(?:\\E|\Z)", re.DOTALL)
_POSIX: Final = re.compile(r"\[:(\^?)(.*?):\]", re.DOTALL)
_PERL: Final = re.compile(r"\\([dswDSW])")
_CATEGORY: Final = re.compile(r"\\([pP])(?:\{(\^?)([^}]*)\}|([^{]))", re.DOTALL)
_ESCAPE: Final = re.compile(
    r"\\(?:(?P<octal>[1-7][0-7]{1,2}|0[0-7]{0,2})|x(?P<byte>[0-9A-Fa-f]{2})|x\{(?P<code>[0-9A-Fa-f]+)\}"
    r"|(?P<control>[afnrtv])|(?P<itself>[\x00-/:-@\[-`{-\x7f]))"
)
_CONTROL: Final = dict(zip("afnrtv", map(ord, "\a\f\n\r\t\v"), strict=True))
_PLACES: Final = {r"\A": r"\A", r"\z": r"\Z", r"\b": r"(?a:\b)", r"\B": r"(?!(?a:\b))"}
"""`\\B` matches in an empty text, which Python's own does not."""
_ANCHORS: Final = {("^", False): r"\A", ("^", True): "(?m:^)", ("$", False): r"\Z", ("$", True): "(?m:$)"}


class _Piece(NamedTuple):
    """What a repetition takes as one. `copies`: of its innermost part, by the repetitions in it."""

    text: str
    copies: int = 1


class _Group(NamedTuple):
    """A group that is not closed yet, and the flags that are in force once it is."""

    pieces: list[_Piece]
    flags: frozenset[str]


_BAR: Final = _Piece("|")


def compiled(pattern: str) -> re.Pattern[str]:
    """Raises `ValueError` for what Go refuses, and for the little that Python cannot do."""
    try:
        return re.compile(translated(pattern))
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from None


def translated(pattern: str) -> str:
    """In Python's syntax. Raises `ValueError`."""
    try:
        pattern.encode()
    except UnicodeEncodeError:
        raise ValueError("not UTF-8") from None
    return _Translation(pattern).whole()


class _Translation:
    """Reads from left to right; groups stand on a stack, so that their depth costs no recursion."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._flags: frozenset[str] = frozenset()
        self._groups = [_Group([], self._flags)]
        self._read: dict[str, Callable[[], None]] = {
            "(": self._open, ")": self._close, "|": self._bar, "[": self._set, "\\": self._escaped,
            "^": self._anchor, "$": self._anchor, ".": self._any,
            "*": self._repeat, "+": self._repeat, "?": self._repeat, "{": self._repeat,
        }  # fmt: skip
        self._repeated = -1  # where the newest repetition ended

    def whole(self) -> str:
        while self._at < len(self._pattern):
            self._read.get(self._pattern[self._at], self._plain)()
        if len(self._groups) > 1:
            raise ValueError("missing closing )")
        return _joined(self._groups[0].pieces)

    def _matched(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        """What `expression` finds here, and goes behind it."""
        found = expression.match(self._pattern, self._at)
        self._at = found.end() if found else self._at
        return found

    def _refused(self, why: str, start: int) -> ValueError:
        return ValueError(f"{why}: {self._pattern[start : start + MAX_SHOWN]}")

    def _push(self, text: str, copies: int = 1) -> None:
        self._groups[-1].pieces.append(_Piece(text, copies))

    def _literal(self, code: int) -> None:
        folds = "i" in self._flags and (code > LAST_ASCII or chr(code).isalpha())
        self._push(self._set_of([(code, code)], (), False) if folds else re.escape(chr(code)))

    def _plain(self) -> None:
        self._at += 1
        self._literal(ord(self._pattern[self._at - 1]))

    def _any(self) -> None:
        self._at += 1
        self._push("(?s:.)" if "s" in self._flags else ".")

    def _anchor(self) -> None:
        self._at += 1
        self._push(_ANCHORS[self._pattern[self._at - 1], "m" in self._flags])

    def _bar(self) -> None:
        self._at += 1
        self._groups[-1].pieces.append(_BAR)

    def _open(self) -> None:
        start = self._at
        if not self._pattern.startswith("(?", start):
            self._at += 1
            self._groups.append(_Group([], self._flags))
        elif self._matched(_NAMED):
            self._groups.append(_Group([], self._flags))
        elif found := self._matched(_FLAGS):
            if found[3] == ":":
                self._groups.append(_Group([], self._flags))
            self._flags = (self._flags | {*found[1]}) - {*(found[2] or "")}
        else:
            raise self._refused("Go has no such group", start)

    def _close(self) -> None:
        if len(self._groups) == 1:
            raise self._refused("unexpected )", self._at)
        self._at += 1
        pieces, self._flags = self._groups.pop()
        self._push(f"(?:{_joined(pieces)})", max((piece.copies for piece in pieces), default=1))

    def _repeat(self) -> None:
        start = self._at
        found = self._matched(_REPEAT)
        if found is None:
            self._plain()
            return
        written = [count for count in (found[1], found[3]) if count is not None]
        # Python reads no number of thousands of digits.
        counts = [int(count) if len(count) <= MAX_DIGITS else MAX_REPEAT + 1 for count in written]
        if counts != sorted(counts) or max(counts, default=0) > MAX_REPEAT:
            raise self._refused("invalid repeat count", start)
        if self._repeated == start:
            raise self._refused("invalid nested repetition operator", start)
        pieces = self._groups[-1].pieces
        if not pieces or pieces[-1] is _BAR:
            raise self._refused("missing argument to repetition operator", start)
        text, inner = pieces.pop()
        copies = _copies(counts, bool(found[2]), inner)
        if max(counts, default=0) > 1 and copies > MAX_REPEAT:
            raise self._refused(f"more than {MAX_REPEAT} copies", start)
        self._push(f"(?:{text}){found[0]}", copies)
        self._repeated = self._at

    def _escaped(self) -> None:
        start = self._at
        place = _PLACES.get(self._pattern[start : start + 2])
        if place:
            self._at += 2
            self._push(place)
        elif found := self._matched(_QUOTED):
            for character in found[1]:
                self._literal(ord(character))
        elif (ranges := self._named()) is not None:
            self._push(re2_sets.python_set(ranges))
        else:
            self._literal(self._character())

    def _named(self) -> Ranges | None:
        """The set that an escape names, or None where here is none."""
        folds = "i" in self._flags
        if found := self._matched(_PERL):
            return re2_sets.named(re2_sets.PERL, found[1].lower(), found[1].isupper(), folds)
        if found := self._matched(_CATEGORY):
            return re2_sets.category(found[3] or found[4] or "", (found[1] == "P") != bool(found[2]), folds)
        return None

    def _set(self) -> None:
        start = self._at
        self._at += 1
        negated = self._skipped("^")
        first = self._at
        given: list[tuple[int, int]] = []  # where case is still to be looked at
        closed: list[tuple[int, int]] = []
        while self._at == first or not self._pattern.startswith("]", self._at):
            if self._at >= len(self._pattern):
                raise self._refused("missing closing ]", start)
            if (ranges := self._posix()) is not None or (ranges := self._named()) is not None:
                closed += ranges
            else:
                given.append(self._range(start))
        self._at += 1
        self._push(self._set_of(given, closed, negated))

    def _set_of(self, given: list[tuple[int, int]], closed: Ranges | list[tuple[int, int]], negated: bool) -> str:
        folds = "i" in self._flags
        made = re2_sets.python_set((*(re2_sets.folded(given) if folds else given), *closed), negated)
        return f"(?i:{made})" if folds and any(last > LAST_ASCII for _, last in given) else made

    def _posix(self) -> Ranges | None:
        start = self._at
        found = self._matched(_POSIX)
        if found is None:
            return None
        if found[2] not in re2_sets.POSIX:
            raise self._refused("invalid character class", start)
        return re2_sets.named(re2_sets.POSIX, found[2], bool(found[1]), "i" in self._flags)

    def _range(self, start: int) -> tuple[int, int]:
        low = high = self._character(start)
        if self._pattern.startswith("-", self._at) and self._pattern[self._at + 1 : self._at + 2] not in ("", "]"):
            self._at += 1
            high = self._character(start)
        if high < low:
            raise self._refused("invalid character class range", start)
        return low, high

    def _character(self, start: int = 0) -> int:
        """One character, as it is or escaped."""
        if self._at >= len(self._pattern):
            raise self._refused("missing closing ]", start)
        if self._pattern[self._at] != "\\":
            self._at += 1
            return ord(self._pattern[self._at - 1])
        at = self._at
        found = self._matched(_ESCAPE)
        code = _code(found) if found else MAX_CODE + 1
        if code > MAX_CODE:
            raise self._refused("invalid escape", at)
        return code

    def _skipped(self, sign: str) -> bool:
        here = self._pattern.startswith(sign, self._at)
        self._at += here
        return here


def _joined(pieces: list[_Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def _copies(counts: list[int], is_open: bool, inner: int) -> int:
    """Of the innermost part. What may stand there no time at all has no copies of its own."""
    if not counts:
        return inner
    if counts[-1] == 0:
        return inner if is_open and len(counts) == 1 else 1
    return counts[-1] * inner


def _code(found: re.Match[str]) -> int:
    kind, digits = str(found.lastgroup), str(found[str(found.lastgroup)])
    if kind == "octal":
        return int(digits, 8)
    if kind in ("byte", "code"):
        return int(digits, 16)
    return _CONTROL[digits] if kind == "control" else ord(digits)
