"""Text format 0.0.4."""

from __future__ import annotations

from nodescope.exposition.text import TextEncoder
from nodescope.metric import Family, Metric, single

DISKS = Metric("disk_bytes_total", "counter", "Bytes.", ("device",))
LOAD = Metric("load1", "gauge", "Load.")


def test_a_family_has_its_header_and_its_rows() -> None:
    """HELP and TYPE come once, then one line for each row, families in the order of their names."""
    text = TextEncoder().encode([single(LOAD, 0.5), Family(DISKS, [(("sda",), 1), (("sdb",), 2)])]).decode()
    assert text == (
        "# HELP disk_bytes_total Bytes.\n# TYPE disk_bytes_total counter\n"
        'disk_bytes_total{device="sda"} 1\ndisk_bytes_total{device="sdb"} 2\n'
        "# HELP load1 Load.\n# TYPE load1 gauge\nload1 0.5\n"
    )


def test_labels_are_sorted_and_escaped() -> None:
    """Label names are in order whatever the collector's order; quotes, backslashes and newlines are escaped."""
    metric = Metric("m", "gauge", "a\\b\nc", ("z", "a"))
    text = TextEncoder().encode([Family(metric, [(('q"\\\n', "1"), 1)])]).decode()
    assert "# HELP m a\\\\b\\nc\n" in text
    assert 'm{a="1",z="q\\"\\\\\\n"} 1\n' in text


def test_constant_labels_are_on_every_series_but_never_overwrite() -> None:
    """A constant label is added to each series; a series' own label of that name wins."""
    text = TextEncoder({"device": "x", "site": "a"}).encode([single(LOAD, 1), Family(DISKS, [(("sda",), 1)])]).decode()
    assert 'load1{device="x",site="a"} 1\n' in text
    assert 'disk_bytes_total{device="sda",site="a"} 1\n' in text


def test_a_changed_number_is_written_anew_and_an_unchanged_one_again() -> None:
    """The kept lines follow the values over scrapes."""
    encoder = TextEncoder()
    assert encoder.encode([single(LOAD, 1)]).decode().endswith("load1 1\n")
    assert encoder.encode([single(LOAD, 1)]).decode().endswith("load1 1\n")
    assert encoder.encode([single(LOAD, 2)]).decode().endswith("load1 2\n")
    assert encoder.encode([single(LOAD, float("nan"))]).decode().endswith("load1 NaN\n")
    assert encoder.encode([single(LOAD, float("nan"))]).decode().endswith("load1 NaN\n")


def test_a_series_given_twice_is_written_once_and_told() -> None:
    """The first of two equal series is kept; the second is named in `duplicates`."""
    encoder = TextEncoder()
    text = encoder.encode(
        [Family(DISKS, [(("sda",), 1), (("sda",), 2)]), Family(DISKS, [(("sda",), 3), (("sdb",), 4)])]
    ).decode()
    assert text.count("sda") == 1
    assert text.count("# TYPE") == 1
    assert 'disk_bytes_total{device="sdb"} 4' in text
    assert encoder.duplicates == ['disk_bytes_total{device="sda"}'] * 2


def test_a_series_that_two_families_have_is_written_once() -> None:
    """Two collectors may give one name with other help or another order of labels: each series is there once."""
    encoder = TextEncoder()
    one = Family(Metric("m", "gauge", "One.", ("a", "b")), [(("1", "2"), 3), (("5", "6"), 7)])
    other = Family(Metric("m", "gauge", "Other.", ("b", "a")), [(("2", "1"), 4), (("8", "9"), 10)])
    for _ in range(2):
        assert encoder.encode([one, other]).decode() == (
            '# HELP m One.\n# TYPE m gauge\nm{a="1",b="2"} 3\nm{a="5",b="6"} 7\nm{a="9",b="8"} 10\n'
        )
        assert encoder.duplicates == ['m{a="1",b="2"}']
        assert encoder.series == 3


def test_a_vanished_row_vanishes_and_its_line_is_forgotten() -> None:
    """A device that is gone has no series, and nothing of it is kept."""
    encoder = TextEncoder()
    encoder.encode([Family(DISKS, [(("sda",), 1), (("sdb",), 2)]), single(LOAD, 1)]).decode()
    text = encoder.encode([Family(DISKS, [(("sdb",), 2)])]).decode()
    assert "sda" not in text
    assert "load1" not in text
    assert [list(kept.by_labels()) for kept in encoder._kept.values()] == [[("sdb",)]]


def test_no_more_than_max_series_are_written() -> None:
    """Series beyond the limit are left out and counted, over families."""
    encoder = TextEncoder(max_series=3)
    rows = [((str(index),), index) for index in range(5)]
    text = encoder.encode([Family(DISKS, rows), single(LOAD, 1)]).decode()
    assert (encoder.series, encoder.truncated) == (3, 3)
    assert sum(not line.startswith("#") for line in text.splitlines()) == 3


def test_a_family_without_rows_is_not_there() -> None:
    """Unknown is absent: no header either."""
    assert TextEncoder().encode([Family(DISKS, [])]).decode() == ""


def test_a_row_with_other_labels_than_its_metric_costs_itself_alone() -> None:
    """A row with too few or too many label values is left out and named; its siblings stay."""
    encoder = TextEncoder()
    text = encoder.encode(
        [Family(Metric("x", "gauge", "X.", ("a",)), [(("1",), 1), ((), 2), (("1", "2"), 3), (("2",), 4)])]
    ).decode()
    assert [line for line in text.splitlines() if not line.startswith("#")] == ['x{a="1"} 1', 'x{a="2"} 4']
    assert encoder.mislabelled == ["x()", "x('1', '2')"]
