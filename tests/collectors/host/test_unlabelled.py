from __future__ import annotations

import pytest

from nodescope.collectors.host.unlabelled import Unlabelled
from nodescope.metric import Metric
from tests.collectors.host.machine import series

METRICS = [Metric("node_a", "gauge", "A."), Metric("node_b", "gauge", "B.")]


def test_what_has_not_changed_is_the_same_object() -> None:
    """Of a number that is as it was the family is too; lists that were given stay as they are."""
    unlabelled = Unlabelled()
    first = unlabelled.families(METRICS, [1, 0.5])
    assert series(first) == {"node_a": 1, "node_b": 0.5}
    assert unlabelled.families(METRICS, [1, 0.5]) == first
    second = unlabelled.families(METRICS, [1, 2])
    assert series(second) == {"node_a": 1, "node_b": 2}
    assert second[0] is first[0]
    assert series(first) == {"node_a": 1, "node_b": 0.5}


def test_one_number_for_each_metric() -> None:
    """More or fewer numbers than metrics are a mistake of the caller."""
    with pytest.raises(ValueError, match="zip"):
        Unlabelled().families(METRICS, [1])


def test_other_metrics_have_families_of_their_own() -> None:
    """Numbers are those of the metrics that come with them, also where others came before."""
    unlabelled = Unlabelled()
    unlabelled.families(METRICS, [1, 2])
    assert series(unlabelled.families(METRICS[::-1], [1, 2])) == {"node_b": 1, "node_a": 2}
    assert series(unlabelled.families(METRICS[:1], [3])) == {"node_a": 3}
    assert unlabelled.families([], []) == []
