"""YAML read by a table of keys."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.web import strict_yaml
from nodescope.web.strict_yaml import Read, Secret, Unreadable, root

TABLE: Final[dict[str, Read]] = {
    "flag": strict_yaml.boolean,
    "count": strict_yaml.count,
    "wait": strict_yaml.duration,
    "word": strict_yaml.text,
    "secret": strict_yaml.secret,
    "kind": strict_yaml.choice(("a", "b")),
    "words": strict_yaml.sequence(strict_yaml.text),
}


def read(text: str) -> dict[str, Any]:
    return strict_yaml.keys(root(text.encode()), "", TABLE)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("flag: true", True),
        ("flag: Yes", True),
        ("flag: off", False),
        ("count: 20", 20),
        ('count: "20"', 20),
        ("wait: 0", 0.0),
        ("wait: 500ms", 0.5),
        ('wait: "1m30s"', 90.0),
        ("wait: 1.5h", 5400.0),
        ("word: 1", "1"),
        ("word: yes", "yes"),
        ("word: 'null'", "null"),
        ("word: |\n  a\n  b\n", "a\nb\n"),
        ("kind: b", "b"),
        ("words: [a, 1]", ("a", "1")),
        ("words: []", ()),
    ],
)
def test_values_are_read_by_their_key(text: str, value: object) -> None:
    """A scalar is what its key says, however YAML would have resolved it."""
    assert list(read(text).values()) == [value]


@pytest.mark.parametrize("text", ["", "# nothing\n", "~", "null", "word:\nflag: ~\n"])
def test_nulls_are_left_out(text: str) -> None:
    """An empty document and null values say nothing."""
    assert read(text) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flag: maybe", r'flag \(line 1\): expected true or false, got "maybe"'),
        ('flag: "true"', "expected true or false"),
        ("count: -1", "expected a whole number"),
        ("count: 1.5", "expected a whole number"),
        ("count: " + "9" * 400, "expected a whole number"),
        ("wait: 5", "expected a duration"),
        ("wait: -1s", "expected a duration"),
        ("wait: 1s 2s", "expected a duration"),
        ("wait: 1d", "expected a duration"),
        ("kind: c", 'expected one of a, b, got "c"'),
        ("words: a", 'expected a list, got "a"'),
        ("words: [[a]]", "expected text, got a sequence"),
        ("word: {a: b}", "expected text, got a mapping"),
        ("\nother: 1", r"other \(line 2\): unknown key; expected one of flag,"),
        ("word: a\nword: a", r"word \(line 2\): the key is there twice"),
        ("[a]", "the document .*expected a mapping"),
        ("text", "expected a mapping"),
        ("? [a]\n: b", "expected text, got a sequence"),
        ("'<<': {word: a}", "unknown key"),
        ("<<: {other: a}", r"other \(line 1\): unknown key"),
        ("word: a\n<<: {word: b, word: c}", r"word \(line 2\): the key is there twice"),
        ("<<: a", r'<< \(line 1\): expected a mapping to merge, or a list of mappings, got "a"'),
        ("<<: ~", "expected a mapping to merge"),
        ("<<: [[{word: a}]]", "expected a mapping to merge, or a list of mappings, got a sequence"),
        ("<<: &a {<<: *a}", "merged into itself"),
        ("<<: &a [{<<: *a}]", "merged into itself"),
        ("<<: [" + "{word: a}," * 1000 + "]", "expected at most 1000 keys to merge"),
        ("a: [", "is not YAML"),
        ("a: b\n--- \nc: d", "is not YAML"),
        ("a: \x00", "is not YAML"),
        ("[" * 400, "nested too deeply|is not YAML"),
        ("word: !!python/object:os.system [a]", "expected text, got a sequence"),
    ],
)
def test_anything_else_is_refused_with_its_place(text: str, message: str) -> None:
    """What the table does not allow is refused in one sentence with key and line."""
    with pytest.raises(Unreadable, match=message):
        read(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<<: {word: a}", {"word": "a"}),
        ("<<: {word: a}\nword: b", {"word": "b"}),
        ("word: b\n<<: {word: a}", {"word": "a"}),
        ("<<: {word: a}\nword: ~", {}),
        ("<<: [{word: a}, {word: b, count: 1}]", {"word": "a", "count": 1}),
        ("<<: {word: a}\n<<: {count: 1}", {"word": "a", "count": 1}),
        ("<<: {<<: {word: a, count: 1}, word: b}", {"word": "b", "count": 1}),
        ("<<: []\nword: a", {"word": "a"}),
        ("<<: [&a {word: a}, *a, {<<: [*a], count: 1}]", {"word": "a", "count": 1}),
        ("words: [&a b, *a]\nword: *a", {"words": ("b", "b"), "word": "b"}),
    ],
)
def test_mappings_are_merged(text: str, found: dict[str, Any]) -> None:
    """`<<` brings keys in: what is later in the file counts, of a list what is earlier, as in Go's yaml.v2."""
    assert read(text) == found


def test_free_keys_and_mappings_are_merged_once() -> None:
    """Of a map of free keys none is there twice, merged or not, nor is a mapping that would have to be joined."""
    node = root(b"a: 1\n<<: {b: 2}")
    assert [(name, value.value) for name, value in strict_yaml.pairs(node, "users")] == [("a", "1"), ("b", "2")]
    with pytest.raises(Unreadable, match=r"users\.a \(line 2\): the key is there twice, once merged"):
        strict_yaml.pairs(root(b"a: 1\n<<: {a: 2}"), "users")
    with pytest.raises(Unreadable, match="twice, once merged"):
        read("<<: {word: {a: 1}}\nword: {b: 1}")


def test_merging_is_bounded() -> None:
    """Mappings that merge the one before them ten times over are refused, not multiplied."""
    lines = ["<<:", "- &a0 {word: a}", *(f"- &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 15))]
    with pytest.raises(Unreadable, match="expected at most 1000 keys to merge"):
        read("\n".join(lines))


def test_text_that_is_not_utf_8_is_refused() -> None:
    """The offending byte is shown."""
    with pytest.raises(Unreadable, match="got byte 0xff"):
        root(b"word: \xff")


def test_a_secret_is_not_shown() -> None:
    """A secret's value is the text, its representation is not."""
    found = read("secret: hunter2")["secret"]
    assert (found, repr(found), isinstance(found, Secret)) == ("hunter2", "<secret>", True)
    with pytest.raises(Unreadable) as caught:
        read("secret: [hunter2]")
    assert "hunter2" not in str(caught.value)


@given(st.one_of(st.text(max_size=60), st.text(alphabet="flagcountword: \n-[]{}&*!|>'\"0s1<", max_size=60)))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text raises anything but the refusal."""
    try:
        found = strict_yaml.keys(root(text.encode("utf-8", "surrogatepass")), "", TABLE)
    except Unreadable:
        return
    assert set(found) <= set(TABLE)


SECRET: Final = "$2y$10$hunter2hunter2"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (f"users:\n  bob:{SECRET}", r"^users \(line 2\): expected a mapping of keys to values, got text$"),
        (SECRET, r"^the document \(line 1\): expected a mapping of keys to values, got text$"),
        (f"users:\n  bob: {{a: {SECRET}", "expected ',' or '}', but got '<stream end>'$"),
        (f"key: |\n  a\n {SECRET}\n", "^is not YAML: line 3, column 2: .* but found '<scalar>'$"),
        (f'key: "{SECRET}\\q"', "^is not YAML: line 1, column .*found unknown escape character 'q'$"),
        ("key: *hunter2", r"^is not YAML: line 1, column 6: found undefined alias \.\.\.$"),
        ("a: &hunter2 b\nc: &hunter2 d", "^is not YAML: line 2, column 4: found duplicate anchor"),
        (f"key: {SECRET}: x", "^is not YAML: line 1, column .*: mapping values are not allowed here$"),
        (f"a: {SECRET}\n---\nb: {SECRET}", "^is not YAML: line 2, column 1: .* found another document$"),
    ],
)
def test_nothing_of_the_text_is_shown(document: str, message: str) -> None:
    """What is wrong is told by line and column alone: a key, or users with their hashes, may be where it is."""
    table: dict[str, Read] = {"users": strict_yaml.pairs, "key": strict_yaml.secret}
    with pytest.raises(Unreadable, match=message) as raised:
        strict_yaml.keys(root(document.encode()), "", table)
    assert "hunter2" not in str(raised.value)
