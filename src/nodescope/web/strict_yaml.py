"""YAML read by a table of keys: an unknown or repeated key, or a value of another kind, is an error with its line.

Scalars stay the text they are in the file until their key says what they are, so `1` is a fine header value and `yes`
a fine user name. Source: YAML 1.1, https://yaml.org/type/merge.html, and Go's yaml.v2 UnmarshalStrict for which texts
are booleans and nulls, and what `<<` does: of keys with places, the later in the file counts, merged or not, and of a
list of mappings the earlier; a map of free keys has each but once. Aliases are not copied, and merging is bounded. What
yaml shows of a text that it cannot read is not passed on: there are keys and hashes of passwords in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol, cast

SHOWN_CHARACTERS: Final = 60
MAX_PROBLEM_CHARACTERS: Final = 300
MAX_MERGED: Final = 1000
"""Most keys and mappings that are merged into one."""
MAX_MERGE_DEPTH: Final = 20
"""Most mappings that are merged into each other, so that none is merged into itself."""
MERGE: Final = "<<"

_NULLS: Final = ("", "~", "null", "Null", "NULL")
_BOOLEANS: Final[dict[str, bool]] = {
    **dict.fromkeys(("true", "yes", "on", "y"), True),
    **dict.fromkeys(("false", "no", "off", "n"), False),
}
_DURATION: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})(ns|us|µs|μs|ms|s|m|h)")
_UNIT_S: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_MAX_DIGITS: Final = 9
_QUOTED: Final = re.compile(r"'([^']*)'" r'|"([^"]*)"')


class Unreadable(Exception):
    """The text is not what its table of keys allows. One sentence."""


class Mark(Protocol):
    line: int


class Node(Protocol):
    """A node as yaml composes it: `id` is scalar, sequence or mapping; `style` None says that it has no quotes."""

    id: str
    value: Any
    style: str | None
    start_mark: Mark


class Secret(str):
    """Text that no log shows by accident."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"


Read = Callable[[Node, str], Any]
"""Reads the value of a key, named for messages. Raises `Unreadable`."""


def root(raw: bytes) -> Node | None:
    """The document in `raw`, None where it is empty. Raises `Unreadable`."""
    import yaml

    try:
        # The base loader resolves no scalar, and composing builds nodes only: nothing in the file is ever constructed.
        return cast(Node | None, yaml.compose(raw.decode(), Loader=yaml.BaseLoader))
    except UnicodeDecodeError as error:
        raise Unreadable(f"expected UTF-8 text, got byte {raw[error.start]:#04x}") from error
    except RecursionError as error:
        raise Unreadable("is nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:
        raise Unreadable(f"is not YAML: {_problem(error)}") from None


def _problem(error: Exception) -> str:
    """Where it is and what was expected, without the lines that yaml shows."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " ".join(str(error).split())[:MAX_PROBLEM_CHARACTERS]
    said = ", ".join(filter(None, (getattr(error, "context", None), getattr(error, "problem", None))))
    return f"line {mark.line + 1}, column {mark.column + 1}: {_QUOTED.sub(_unquoted, said)[:MAX_PROBLEM_CHARACTERS]}"


def _unquoted(found: re.Match[str]) -> str:
    """One sign, or the name of a kind in angle brackets, as it is: all else that yaml quotes is of the text."""
    quoted = found[1] or found[2] or ""
    return found[0] if len(quoted) < 2 or quoted.startswith("<") else "..."


def keys(node: Node | None, key: str, table: Mapping[str, Read], once: bool = False) -> dict[str, Any]:
    """The mapping `node`, each key read as `table` says. Missing and null values are left out.

    `once`: no key may be there both of its own and merged, or merged twice.
    """
    return {
        name: table[name](value, f"{key}.{name}" if key else name)
        for name, value in pairs(node, key, once)
        if _known(name, value, key, table) and not is_null(value)
    }


def pairs(node: Node | None, key: str, once: bool = True) -> list[tuple[str, Node]]:
    """Keys and values of a mapping, in order; none of a null."""
    if node is None or is_null(node):
        return []
    found: dict[str, Node] = {}
    if node.id != "mapping":
        # Users whose colon lacks its blank are one text, with their hashes.
        got = "text" if node.id == "scalar" else f"a {node.id}"
        raise Unreadable(
            f"{key or 'the document'} (line {_line(node)}): expected a mapping of keys to values, got {got}"
        )
    for name, value in _entries(node, key, 0, iter(range(MAX_MERGED))):
        # Two mappings would have to be made one key by key, which no one should have to guess.
        if name in found and (once or found[name].id == value.id == "mapping"):
            raise Unreadable(f"{_place(key, name, value)}: the key is there twice, once merged; keep one")
        found[name] = value
    return list(found.items())


def _entries(node: Node, key: str, depth: int, left: Iterator[int]) -> Iterator[tuple[str, Node]]:
    """Those of a mapping and of what is merged into it, what counts more behind what counts less."""
    own: set[str] = set()
    for name_node, value in node.value:
        if depth and next(left, None) is None:
            raise Unreadable(f"{_place(key, MERGE, node)}: expected at most {MAX_MERGED} keys to merge")
        if is_plain(name_node) and name_node.value == MERGE:
            yield from _merged(value, key, depth + 1, left)
            continue
        name = text(name_node, f"a key of {key}" if key else "a key")
        if name in own:
            raise Unreadable(f"{_place(key, name, name_node)}: the key is there twice")
        own.add(name)
        yield name, value


def _merged(node: Node, key: str, depth: int, left: Iterator[int]) -> Iterator[tuple[str, Node]]:
    if depth > MAX_MERGE_DEPTH:
        raise Unreadable(f"{_place(key, MERGE, node)}: merged into itself, or over {MAX_MERGE_DEPTH} mappings")
    for mapping in reversed(node.value) if node.id == "sequence" else [node]:
        if mapping.id != "mapping":
            raise _wrong(mapping, f"{key}.{MERGE}" if key else MERGE, "a mapping to merge, or a list of mappings")
        if next(left, None) is None:
            raise Unreadable(f"{_place(key, MERGE, node)}: expected at most {MAX_MERGED} keys to merge")
        yield from _entries(mapping, key, depth, left)


def text(node: Node, key: str) -> str:
    if node.id != "scalar":
        raise _wrong(node, key, "text")
    return str(node.value)


def secret(node: Node, key: str) -> Secret:
    if node.id != "scalar":
        raise Unreadable(f"{key} (line {_line(node)}): expected text")
    return Secret(node.value)


def boolean(node: Node, key: str) -> bool:
    value = _BOOLEANS.get(text(node, key).lower()) if is_plain(node) else None
    if value is None:
        raise _wrong(node, key, "true or false")
    return value


def count(node: Node, key: str) -> int:
    """A whole number from 0."""
    value = text(node, key)
    if not (value.isascii() and value.isdecimal()) or len(value) > _MAX_DIGITS:
        raise _wrong(node, key, f"a whole number from 0 to {'9' * _MAX_DIGITS}")
    return int(value)


def duration(node: Node, key: str) -> float:
    """Seconds, from Go's spelling: 0, 500ms, 1m30s."""
    value = text(node, key)
    if value == "0":
        return 0.0
    parts = _DURATION.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise _wrong(node, key, "a duration such as 500ms or 1m30s, or 0")
    return float(sum(float(number) * _UNIT_S[unit] for number, unit in parts))


def choice(choices: tuple[str, ...]) -> Read:
    def read(node: Node, key: str) -> str:
        value = text(node, key)
        if value not in choices:
            raise _wrong(node, key, "one of " + ", ".join(choices))
        return value

    return read


def sequence(item: Read) -> Read:
    def read(node: Node, key: str) -> tuple[Any, ...]:
        if node.id != "sequence":
            raise _wrong(node, key, "a list")
        return tuple(item(value, key) for value in node.value)

    return read


def is_null(node: Node) -> bool:
    return is_plain(node) and node.value in _NULLS


def is_plain(node: Node) -> bool:
    """Whether it is a scalar without quotes."""
    return bool(node.id == "scalar" and node.style is None)


def _known(name: str, value: Node, key: str, table: Mapping[str, Read]) -> bool:
    if name not in table:
        raise Unreadable(f"{_place(key, name, value)}: unknown key; expected one of {', '.join(table)}")
    return True


def _place(key: str, name: str, node: Node) -> str:
    path = f"{key}.{name}" if key else name
    return f"{path[:SHOWN_CHARACTERS]} (line {_line(node)})"


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _wrong(node: Node, key: str, expected: str) -> Unreadable:
    shown = f'"{node.value[:SHOWN_CHARACTERS]}"' if node.id == "scalar" else f"a {node.id}"
    return Unreadable(f"{key} (line {_line(node)}): expected {expected}, got {shown}")
