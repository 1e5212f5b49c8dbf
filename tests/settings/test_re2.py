"""Go's regular expressions as Python's."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.settings import TABLE
from nodescope.settings.re2 import MAX_REPEAT, compiled


@pytest.mark.parametrize(
    ("pattern", "found", "not_found"),
    [
        ("^(lo|eth[[:digit:]]+)$", ["lo", "eth0", "eth12"], ["eth", "lo\n", "eth٣", "eth:"]),
        (r"^lo\z", ["lo"], ["lo\n", "lo0"]),
        ("^lo$", ["lo"], ["lo\n", "a\nlo"]),
        ("(?m)^lo$", ["lo", "a\nlo\nb"], ["alo"]),
        (r"(?m)^lo\z", ["a\nlo"], ["lo\nb"]),
        (r"^\pL+$", ["lo", "été"], ["eth0", "_", "²"]),
        (r"^\p{Lu}\p{^Lu}$", ["Aa"], ["AA", "aa"]),
        (r"^[\PL]$", ["0"], ["a", "é"]),
        (r"^\p{Any}$", ["é", "\n"], [""]),
        (r"^\Qe.h(\E0*$", ["e.h(", "e.h(00"], ["eth("]),
        (r"\Qa.", ["a."], ["ab"]),
        ("(?U)^l.*o+?$", ["lo", "l o"], ["lu"]),
        ("^(?P<n>a)(?<m>b)$", ["ab"], ["a"]),
        ("^(?P<n>a)(?P<n>b)$", ["ab"], ["aa"]),
        ("^a(?i)b|c$", ["aB", "xC"], ["Ab"]),
        ("^(?i:a)b$", ["Ab"], ["AB"]),
        ("^((?i)a)b$", ["Ab"], ["aB"]),
        ("(?i)^k$", ["K", "\u212a"], ["ı"]),
        ("(?i)^I$", ["i"], ["ı", "İ"]),
        ("(?i)^[^s]$", ["a"], ["S", "\u017f"]),
        ("(?i)^É$", ["é"], ["e"]),
        ("(?i)^[à-é]$", ["É", "à"], ["e"]),
        ("(?i)^[[:^upper:]]$", ["0", "é"], ["a", "A", "\u212a"]),
        ("(?i-s)^.$", ["a"], ["\n"]),
        ("(?s)^.$", ["\n"], [""]),
        ("(?i)(?-i)^a$", ["a"], ["A"]),
        (r"^\d\w\s$", ["0_\f"], ["٣a ", "0é ", "0a\v"]),
        (r"^[\W]$", ["é", " "], ["a"]),
        (r"lo\b", ["lo", "loé"], ["lo0"]),
        (r"^\B$", [""], ["a"]),
        ("^[[a]$", ["[", "a"], ["b"]),
        ("^[a&&b||c~~+--e]$", ["&", "|", "~", "-", "e"], ["f", "["]),
        ("^[]a]$", ["]", "a"], ["["]),
        ("^[^]a]$", ["b"], ["]", "a"]),
        (r"^[\d-z]$", ["1", "-", "z"], ["a"]),
        ("^[[:alpha:]_-]$", ["a", "_", "-"], [":", "["]),
        ("^[:alpha:]$", [":", "a", "h"], ["b"]),
        ("^[[:space:]]$", ["\v"], ["x"]),
        (r"^\x41\x{42}\103\07\_\-$", ["ABC\a_-"], ["ABC"]),
        ("^a{,2}$", ["a{,2}"], ["aa"]),
        ("^a{02}$", ["a{02}"], ["aa"]),
        ("^a{2,3}$", ["aa", "aaa"], ["a", "aaaa"]),
        ("^a*(?i)*$", ["aa"], ["A"]),
        ("^*$?a", ["a"], ["b"]),
        ("^(?:)*$", [""], ["a"]),
        ("", ["", "a"], []),
        (r"[^\x00-\x{10ffff}]", [], ["", "a"]),
        ("a b#c", ["a b#c"], ["abc"]),
    ],
)
def test_what_go_takes(pattern: str, found: list[str], not_found: list[str]) -> None:
    """An expression finds in a text what Go's does, also where Python's own of the same spelling would not."""
    made = compiled(pattern)
    assert [text for text in found if not made.search(text)] == []
    assert [text for text in not_found if made.search(text)] == []


def test_the_named_sets() -> None:
    """Each of the fourteen names is its characters of ASCII, and `[:^...:]` all others."""
    ascii_text = "".join(map(chr, range(128)))
    sizes = {
        "alnum": 62, "alpha": 52, "ascii": 128, "blank": 2, "cntrl": 33, "digit": 10, "graph": 94, "lower": 26,
        "print": 95, "punct": 32, "space": 6, "upper": 26, "word": 63, "xdigit": 22,
    }  # fmt: skip
    for name, size in sizes.items():
        inside, outside = (set(compiled(f"[[:{sign}{name}:]]").findall(ascii_text + "é")) for sign in ("", "^"))
        assert (len(inside), inside | outside, inside & outside) == (size, {*ascii_text, "é"}, set())


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(?>a)", "(?P=n)", "(?#a)", "(?P<>a)", "(?<a b>c)", "(?x)a", "(?i",
        "(?i-)a", "(?-:a)", "(?(1)a|b)", r"(a)\1", r"a\8", r"\Z", r"\C", r"\G", r"\E", r"\é", r"\x{110000}", r"\xg0",
        "a\\", "a**", "a++", "a*+", "a+?+", "a{2}{3}", "*a", "(*a)", "a|*", "(?i)*", "a{1001}", "a{2,1}",
        "a{99999999999}", "a{1," + "9" * 5000 + "}", "(a{100}){11}", "((a{10}){11}){10}", "(", ")",
        "a)(", "[a", "[", "[]", "[^]",
        "[z-a]", r"[a-\d]", r"[\b]", r"[\Qa\E]", "[[:foo:]]", "[[:Alpha:]]", "[[:alpha]a:]", "\udcff", r"\p", r"\pX",
        r"\p{^}", r"\p{L", r"\p{Nope}",
    ],
)  # fmt: skip
def test_what_go_refuses(pattern: str) -> None:
    """What would keep node_exporter from starting is refused."""
    with pytest.raises(ValueError, match=r"\w"):
        compiled(pattern)


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        (r"\p{Greek}", r"\\p{Greek} is not known here; expected a general category"),
        (r"(?i)\p{Lu}", r"\\p{Lu} under \(\?i\) is not known here"),
        ("a(?=b)", r"Go has no such group: \(\?=b\)"),
        (r"lo\Z", r"invalid escape: \\Z"),
        ("[[:foo:]]", r"invalid character class: \[:foo:\]"),
    ],
)
def test_why_it_is_refused(pattern: str, sentence: str) -> None:
    """The reason names the part that cannot be followed."""
    with pytest.raises(ValueError, match=sentence):
        compiled(pattern)


def test_repetitions_up_to_the_limit() -> None:
    """As many copies as Go makes are made, also by repetitions of repetitions."""
    assert compiled(f"^a{{{MAX_REPEAT}}}$").search("a" * MAX_REPEAT)
    assert compiled("^(a{100}){10}$").search("a" * MAX_REPEAT)
    assert compiled("^((a{500}){0}b){2}$").search("bb")


def test_every_default_means_what_python_says_of_it() -> None:
    """The table's own expressions find the same in either spelling."""
    words = ["", "lo", "loop0", "sda1", "nvme0n1p1", "/proc/a", "/sys", "overlay", "oom_kill", "Tcp_OutRsts", "a.mount"]
    for setting in TABLE:
        if setting.kind == "regex" and setting.default:
            plain, made = re.compile(setting.default), compiled(setting.default)
            assert [bool(made.search(word)) for word in words] == [bool(plain.search(word)) for word in words]
            assert [bool(made.fullmatch(word)) for word in words] == [bool(plain.fullmatch(word)) for word in words]


@given(st.text(max_size=30) | st.text(alphabet=r"ab[]^$(){}*+?|\-:19,iPQEpLdwz<>&~", max_size=30), st.text(max_size=9))
def test_any_pattern_is_taken_or_refused(pattern: str, text: str) -> None:
    """No pattern raises anything but the refusal, or warns."""
    try:
        made = compiled(pattern)
    except ValueError:
        return
    made.search(text)
