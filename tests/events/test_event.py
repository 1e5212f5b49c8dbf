"""What an event keeps of what it is given."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.events.event import (
    CUT_ATTRIBUTE,
    CUT_MARK,
    MAX_ATTRIBUTES,
    MAX_KIND_CHARACTERS,
    MAX_NAME_CHARACTERS,
    MAX_VALUE_CHARACTERS,
    Event,
    bounded_attributes,
    bounded_text,
    checked_kind,
)

# Lone surrogates included: names of files bring them.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=2 * MAX_VALUE_CHARACTERS)


@pytest.mark.parametrize("kind", ["collector.failed", "settings.reloaded", "gpu.xid_79.seen"])
def test_kinds(kind: str) -> None:
    """Dotted lower-case words are a kind."""
    assert checked_kind(kind) == kind


@pytest.mark.parametrize(
    "kind",
    ["", "agent", ".a", "agent.", "Agent.started", "a..b", "agent.1st", "a.b\n", "a." + "b" * MAX_KIND_CHARACTERS],
)
def test_what_is_no_kind(kind: str) -> None:
    """Anything else is refused in one sentence that says what was expected and shows what came."""
    with pytest.raises(ValueError, match=r"^kind of an event: expected dotted lower-case words .*, got '"):
        checked_kind(kind)


def test_short_text_is_kept() -> None:
    """A text within its limit stays as it is."""
    assert bounded_text("/mnt/データ", 9) == "/mnt/データ"


def test_long_text_is_marked() -> None:
    """A text over its limit is cut to the limit, the mark included."""
    assert bounded_text("abcdef", 5) == "abcd" + CUT_MARK


def test_left_out_attributes_are_counted() -> None:
    """Attributes beyond the limit are left out, and one more says how many."""
    kept = bounded_attributes({f"a{i}": "x" for i in range(MAX_ATTRIBUTES + 3)})
    assert len(kept) == MAX_ATTRIBUTES + 1
    assert kept[CUT_ATTRIBUTE] == "3"


def test_names_that_become_equal() -> None:
    """Of two names that are the same once cut, the second counts as left out."""
    long = "n" * MAX_NAME_CHARACTERS
    assert bounded_attributes({long + "1": "first", long + "2": "second"}) == {
        long[:-1] + CUT_MARK: "first",
        CUT_ATTRIBUTE: "1",
    }


def test_the_count_is_nobody_elses() -> None:
    """An attribute with the name of the count is not kept, and counted."""
    assert bounded_attributes({CUT_ATTRIBUTE: "many"}) == {CUT_ATTRIBUTE: "1"}


@given(st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=2 * MAX_ATTRIBUTES))
def test_any_attributes(attributes: dict[str, str]) -> None:
    """Whatever the attributes, what is kept is bounded, accounts for all of them, and survives JSON."""
    kept = bounded_attributes(attributes)
    cut = int(kept.get(CUT_ATTRIBUTE, "0"))
    assert len(kept) - (CUT_ATTRIBUTE in kept) + cut == len(attributes)
    assert len(kept) <= MAX_ATTRIBUTES + 1
    assert all(len(name) <= MAX_NAME_CHARACTERS for name in kept)
    assert all(len(value) <= MAX_VALUE_CHARACTERS for value in kept.values())
    event = Event(1, "epoch", 0.0, "agent.started", "agent", kept)
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event


def test_an_event_never_changes() -> None:
    """A field of an event cannot be given another value."""
    event = Event(1, "epoch", 0.0, "agent.started", "agent", {})
    with pytest.raises(AttributeError):
        event.sequence = 2  # type: ignore[misc]
