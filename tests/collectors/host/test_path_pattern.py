from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.path_pattern import MAX_PATHS, matching_paths, segment_matcher


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("*", "a .a ab", ""), ("a*", "a ab", "ba"), ("?", "a b é", "ab"), ("[ab]x", "ax bx", "cx x"),
        ("[a-c]", "a b c", "d -"), ("[^a-c]", "d -", "a b"), ("\\*", "*", "a"), ("[\\]]", "]", "\\"),
        ("**a", "a ba", "b"), ("[c-a]", "", "a b c -"), ("a.b", "a.b", "axb"), ("[*]", "*", "a"), ("[^c-a]", "a", "ab"),
        ("[!a]", "! a", "b"),
    ],
)  # fmt: skip
def test_segments(pattern: str, matching: str, other: str) -> None:
    """A pattern matches whole names; a dot in front is nothing special."""
    matcher = segment_matcher(pattern)
    assert matcher is not None
    assert all(matcher.fullmatch(name) for name in matching.split())
    assert not any(matcher.fullmatch(name) for name in other.split())


@pytest.mark.parametrize("pattern", ["[", "[a", "[]", "[]a]", "[^]", "[-a]", "[a-]", "[a-", "a\\", "[a\\", "x[^"])
def test_no_patterns(pattern: str) -> None:
    """What does not end, an empty class, and a range without beginning or end are no patterns."""
    assert segment_matcher(pattern) is None


def test_paths(tmp_path: Path) -> None:
    """Patterns may stand in any part of a path; the paths are sorted; what nothing matches stays as it is."""
    for name in ("b/x", "a/x", "a/y", ".c/x"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "file").touch()
    assert matching_paths(f"{tmp_path}/*/x") == [f"{tmp_path}/{name}/x" for name in (".c", "a", "b")]
    assert matching_paths(f"{tmp_path}/a/?/") == [f"{tmp_path}/a/x", f"{tmp_path}/a/y"]
    for pattern in (f"{tmp_path}/plain", f"{tmp_path}/z*", f"{tmp_path}/[", f"{tmp_path}/file/*"):
        assert matching_paths(pattern) == [pattern]


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative pattern gives relative paths."""
    (tmp_path / "a/b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert matching_paths("?/*") == ["a/b"]


def test_bound(tmp_path: Path) -> None:
    """There are at most so many paths."""
    for number in range(MAX_PATHS + 5):
        (tmp_path / str(number)).touch()
    assert len(matching_paths(f"{tmp_path}/*")) == MAX_PATHS


@given(st.text("a*?[]^-\\b", max_size=20), st.text("ab[]-*", max_size=10))
def test_any_pattern(pattern: str, name: str) -> None:
    """Whatever the pattern, it is one that any name can be held against, or none."""
    matcher = segment_matcher(pattern)
    if matcher is not None:
        matcher.fullmatch(name)
