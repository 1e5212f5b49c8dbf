from __future__ import annotations

import pytest

from nodescope.collectors.host.unlabelled import Unlabelled
from nodescope.metric import Metric
from tests.collectors.host.machine import series

METRICS = [Metric("node_a", "gauge", "A."), Metric("node_b", "gauge", "B.")]


def test_what_has_not_changed_is_the_same_object() -> None:
    """A list of all that is as it was, a family of a number that is; lists that were given stay as they are."""
    unlabelled = Unlabelled(METRICS)
    first = unlabelled.families([1, 0.5])
    assert series(first) == {"node_a": 1, "node_b": 0.5}
    assert unlabelled.families([1, 0.5]) is first
    second = unlabelled.families([1, 2])
    assert series(second) == {"node_a": 1, "node_b": 2}
    assert second[0] is first[0]
    assert series(first) == {"node_a": 1, "node_b": 0.5}


def test_one_number_for_each_metric() -> None:
    """More or fewer numbers than metrics are a mistake of the caller."""
    with pytest.raises(ValueError, match="zip"):
        Unlabelled(METRICS).families([1])
