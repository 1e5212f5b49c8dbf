"""OpenMetrics 1.0."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.exposition.openmetrics import OpenMetricsEncoder
from nodescope.exposition.text import TextEncoder
from nodescope.metric import SUFFIX, Family, Metric, MetricType, single


def test_a_counter_has_total_on_its_samples_only() -> None:
    """The family is named without _total, the sample with it, also where the metric's name lacks it."""
    text = (
        OpenMetricsEncoder()
        .encode(
            [
                Family(Metric("a_total", "counter", "A.", ("l",)), [(("x",), 1)]),
                single(Metric("b", "counter", "B."), 2),
            ]
        )
        .decode()
    )
    assert text == (
        '# HELP a A.\n# TYPE a counter\na_total{l="x"} 1\n# HELP b B.\n# TYPE b counter\nb_total 2\n# EOF\n'
    )


def test_untyped_is_unknown_and_quotes_in_help_are_escaped() -> None:
    """The words of OpenMetrics are used, and HELP escapes quotes."""
    text = OpenMetricsEncoder().encode([single(Metric("v", "untyped", 'a "b"'), 1)]).decode()
    assert text == '# HELP v a \\"b\\"\n# TYPE v unknown\nv 1\n# EOF\n'


def test_an_empty_exposition_still_ends() -> None:
    """Without families there is only the end mark."""
    assert OpenMetricsEncoder().encode([]).decode() == "# EOF\n"


def test_a_counter_that_keeps_its_name_is_unknown() -> None:
    """Where _total may not be added to another exporter's name the type is unknown; the text format says counter."""
    errors = single(Metric("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "counter", "R.", (), keeps_name=True), 3)
    assert OpenMetricsEncoder().encode([errors]).decode() == (
        "# HELP DCGM_FI_DEV_PCIE_REPLAY_COUNTER R.\n# TYPE DCGM_FI_DEV_PCIE_REPLAY_COUNTER unknown\n"
        "DCGM_FI_DEV_PCIE_REPLAY_COUNTER 3\n# EOF\n"
    )
    assert "# TYPE DCGM_FI_DEV_PCIE_REPLAY_COUNTER counter\n" in TextEncoder().encode([errors]).decode()


@pytest.mark.parametrize(
    ("metrics", "shown"),
    [
        ({"bar": "counter", "bar_total": "gauge"}, {"bar": "unknown", "bar_total": "gauge"}),
        ({"foo": "gauge", "foo_total": "counter"}, {"foo": "gauge", "foo_total": "unknown"}),
        ({"foo": "counter", "foo_total": "counter"}, {"foo": "unknown", "foo_total": "unknown"}),
        ({"foo_created": "gauge", "foo_total": "counter"}, {"foo_created": "gauge", "foo_total": "unknown"}),
        ({"foo": "summary", "foo_count_total": "counter"}, {"foo": "summary", "foo_count_total": "unknown"}),
        ({"foo": "gauge", "fo_total": "counter"}, {"foo": "gauge", "fo": "counter"}),
    ],
)
def test_a_counter_whose_name_is_taken_is_unknown(metrics: dict[str, MetricType], shown: dict[str, str]) -> None:
    """Where the name that it would have is another family's, or one of its samples', a counter keeps its own."""
    encoder = OpenMetricsEncoder()
    text = encoder.encode([single(Metric(name, kind, "h"), 1) for name, kind in metrics.items()]).decode()
    assert dict(line.split()[2:] for line in text.splitlines() if line.startswith("# TYPE")) == shown
    assert (encoder.series, encoder.duplicates) == (len(metrics), [])


@pytest.mark.parametrize("kind", ["histogram", "summary"])
@pytest.mark.parametrize("other", ["", "_sum", "_count", "_created"])
@pytest.mark.parametrize("other_kind", ["gauge", "untyped"])
def test_a_histogram_gives_way_to_a_family_with_one_of_its_names(
    kind: MetricType, other: str, other_kind: MetricType
) -> None:
    """A histogram or summary is left out and told while another family has its name or one of its samples'; in the
    text format nothing is named _created."""
    parts = Family(Metric("foo", kind, "h", (SUFFIX,)), [(("_count",), 1), (("_sum",), 2)])
    family = single(Metric(f"foo{other}", other_kind, "h"), 3)
    for encoder in (OpenMetricsEncoder(), TextEncoder()):
        alone = encoder.encode([parts])
        clashes = other != "_created" or encoder.content_type != TextEncoder.content_type
        for families in ([parts, family], [family, parts], [family, parts]):
            assert encoder.encode(families) == type(encoder)().encode([family] if clashes else families)
            assert (encoder.misnamed, encoder.duplicates) == (2 * clashes, [])
        assert (encoder.encode([parts]), encoder.misnamed) == (alone, 0)


def test_families_of_one_name_have_one_name_here_too() -> None:
    """A gauge and a counter of one name share the header of the first, and a series that both have is told."""
    one, other = Metric("foo", "gauge", "One."), Metric("foo", "counter", "Other.")
    encoder = OpenMetricsEncoder()
    for _ in range(2):
        assert (
            encoder.encode([single(one, 1), single(other, 2)]).decode()
            == "# HELP foo One.\n# TYPE foo gauge\nfoo 1\n# EOF\n"
        )
        assert encoder.duplicates == ["foo"]


def test_a_counter_is_one_again_once_its_name_is_free() -> None:
    """What is kept of its lines follows the name that it has beside the families of each scrape."""
    counter, gauge = single(Metric("foo", "counter", "h"), 1), single(Metric("foo_total", "gauge", "h"), 2)
    encoder = OpenMetricsEncoder()
    for families in ([counter], [counter, gauge], [counter], [gauge, counter]):
        assert encoder.encode(families).decode() == OpenMetricsEncoder().encode(families).decode()


FAMILIES = st.builds(
    lambda name, kind, keeps_name, rows: Family(Metric(name, kind, "h", ("l",), keeps_name), rows),
    st.sampled_from(["a", "a_total", "a_total_total", "a_created", "b", "b_total"]),
    st.sampled_from(["counter", "gauge", "untyped"]),
    st.booleans(),
    st.lists(st.tuples(st.tuples(st.sampled_from("xyz")), st.just(1.0)), min_size=1, max_size=3).map(tuple),
)


@given(st.lists(FAMILIES, max_size=6))
def test_each_family_and_each_series_is_there_once(families: list[Family]) -> None:
    """Whatever names are given, no name of a family and no series is on the page twice, and nothing is lost untold."""
    encoder = OpenMetricsEncoder()
    lines = encoder.encode(families).decode().splitlines()
    types = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    series = [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]
    assert len(set(types)) == len(types)
    assert len(set(series)) == len(series) == encoder.series
    assert len(series) + len(encoder.duplicates) == sum(len(family.rows) for family in families)
