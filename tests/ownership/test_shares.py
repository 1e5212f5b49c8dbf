"""Splitting numbers."""

from __future__ import annotations

import math
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from nodescope.ownership.shares import proportions, split

WEIGHTS = st.dictionaries(st.integers(0, 5), st.floats() | st.integers(0, 2**60), max_size=6)


@given(WEIGHTS)
def test_proportions_are_parts_of_one(weights: dict[int, float]) -> None:
    """Whatever the weights are, there are no parts or they are above 0 and sum to 1."""
    found = proportions(weights)
    assert not found or math.isclose(sum(found.values()), 1)
    assert all(0 <= part <= 1 for part in found.values())


@given(st.floats(0, 2**30), WEIGHTS, st.sampled_from([1.0, 2.0**-10, 2.0**-20]))
def test_parts_and_the_rest_sum_exactly(total: float, weights: dict[int, float], grain: float) -> None:
    """In every order the parts and the rest sum to the total, to the last bit, and none is below 0."""
    found, left = split(total, proportions(weights), grain)
    parts = [*found.values(), left]
    assert min(parts) >= 0
    for order in list(permutations(parts))[:24]:
        assert sum(order) == total


def test_thirds() -> None:
    """What cannot be divided goes to the rest."""
    assert split(10, proportions({"a": 1, "b": 1, "c": 1}), 1.0) == ({"a": 3.0, "b": 3.0, "c": 3.0}, 1)
