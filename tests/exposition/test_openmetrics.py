"""OpenMetrics 1.0."""

from __future__ import annotations

from nodescope.exposition.openmetrics import OpenMetricsEncoder
from nodescope.exposition.text import TextEncoder
from nodescope.metric import Family, Metric, single


def test_a_counter_has_total_on_its_samples_only() -> None:
    """The family is named without _total, the sample with it, also where the metric's name lacks it."""
    text = OpenMetricsEncoder().encode(
        [
            Family(Metric("a_total", "counter", "A.", ("l",)), [(("x",), 1)]),
            single(Metric("b", "counter", "B."), 2),
        ]
    )
    assert text == (
        '# HELP a A.\n# TYPE a counter\na_total{l="x"} 1\n# HELP b B.\n# TYPE b counter\nb_total 2\n# EOF\n'
    )


def test_untyped_is_unknown_and_quotes_in_help_are_escaped() -> None:
    """The words of OpenMetrics are used, and HELP escapes quotes."""
    text = OpenMetricsEncoder().encode([single(Metric("v", "untyped", 'a "b"'), 1)])
    assert text == '# HELP v a \\"b\\"\n# TYPE v unknown\nv 1\n# EOF\n'


def test_an_empty_exposition_still_ends() -> None:
    """Without families there is only the end mark."""
    assert OpenMetricsEncoder().encode([]) == "# EOF\n"


def test_a_counter_that_keeps_its_name_is_unknown() -> None:
    """Where _total may not be added to another exporter's name the type is unknown; the text format says counter."""
    errors = single(Metric("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "counter", "R.", (), keeps_name=True), 3)
    assert OpenMetricsEncoder().encode([errors]) == (
        "# HELP DCGM_FI_DEV_PCIE_REPLAY_COUNTER R.\n# TYPE DCGM_FI_DEV_PCIE_REPLAY_COUNTER unknown\n"
        "DCGM_FI_DEV_PCIE_REPLAY_COUNTER 3\n# EOF\n"
    )
    assert "# TYPE DCGM_FI_DEV_PCIE_REPLAY_COUNTER counter\n" in TextEncoder().encode([errors])
