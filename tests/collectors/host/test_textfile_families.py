from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.textfile_families import Merged, file_family, merge
from nodescope.collectors.host.textformat import parse_text
from nodescope.exposition.openmetrics import OpenMetricsEncoder
from nodescope.exposition.text import TextEncoder
from nodescope.host import Malformed
from tests.collectors.host.machine import series


def merged(*files: str) -> Merged:
    """The files a.prom, b.prom, ..."""
    return merge(
        [
            (f"{name}.prom", [file_family(parsed) for parsed in parse_text(content.encode(), name)])
            for name, content in zip("abcdef", files, strict=False)
        ]
    )


def shown(found: Merged) -> tuple[str, dict[str, float]]:
    """The help of the first family, and all series."""
    return found.families[0].metric.help, series(found.families)


def test_names_are_the_same_in_openmetrics() -> None:
    """A series of a file has the name that it has there in either format, as from node_exporter, which has but one."""
    found = merged("# TYPE a counter\na 1\n# TYPE b_total counter\nb_total 2\n").families
    assert OpenMetricsEncoder().encode(found).decode().splitlines() == [
        "# HELP a Metric read from a.prom", "# TYPE a unknown", "a 1", "# HELP b Metric read from a.prom",
        "# TYPE b counter", "b_total 2", "# EOF",
    ]  # fmt: skip
    assert "# TYPE a counter\na 1\n" in TextEncoder().encode(found).decode()


def test_label_sets_of_a_file_are_united() -> None:
    """Every series of a family has all labels that one has, empty where it has none of its own."""
    found = merged('a{x="1"} 1\na{y="2"} 2\na 3\n')
    assert shown(found)[1] == {'a{x="1",y=""}': 1, 'a{x="",y="2"}': 2, 'a{x="",y=""}': 3}


def test_families_of_several_files_are_merged() -> None:
    """Series of the same family in several files stand under one header, also with other labels."""
    found = merged('a{x="1"} 1\n', 'a{x="2"} 2\n', 'a{y="3"} 3\n')
    assert TextEncoder().encode(found.families).decode().splitlines() == [
        "# HELP a Metric read from a.prom, b.prom, c.prom", "# TYPE a untyped", 'a{x="1"} 1', 'a{x="2"} 2',
        'a{y="3"} 3',
    ]  # fmt: skip
    assert (found.conflicts, found.left_out) == ([], 0)


def test_the_first_help_holds() -> None:
    """A file whose HELP is another loses that family and no other; one with the same HELP, or none, does not."""
    found = merged(
        "# HELP a First.\na{x=\"1\"} 1\n", '# HELP a Second.\na{x="2"} 2\nb 1\n', '# HELP a First.\na{x="3"} 3\n',
        'a{x="4"} 4\n',
    )  # fmt: skip
    assert shown(found) == ("First.", {'a{x="1"}': 1, 'a{x="3"}': 3, 'a{x="4"}': 4, "b": 1})
    assert (found.conflicts, found.left_out) == (["a"], 1)


def test_a_help_that_comes_later() -> None:
    """A file that has no HELP takes that of another."""
    assert shown(merged('a{x="1"} 1\n', '# HELP a Said.\na{x="2"} 2\n')) == ("Said.", {'a{x="1"}': 1, 'a{x="2"}': 2})


def test_the_first_type_holds() -> None:
    """A family that is of another type in another file is left out there, which is no conflict of HELP."""
    found = merged(
        "# TYPE a gauge\na 1\n", '# TYPE a counter\na{x="1"} 2\nb 1\n', '# TYPE a histogram\na_sum{x="1"} 2\n'
    )
    assert shown(found)[1] == {"a": 1, "b": 1}
    assert (found.conflicts, found.left_out) == ([], 2)


def test_the_first_of_two_series_holds() -> None:
    """A series that is there twice, in one file or two, is shown once; an empty label is none."""
    found = merged('a{x="1"} 1\na{x="1"} 2\na 3\na{x=""} 4\n', 'a{x="1",y=""} 5\na{y="2"} 6\n')
    assert shown(found)[1] == {'a{x="1"}': 1, 'a{x=""}': 3, 'a{x="",y="2"}': 6}
    assert found.left_out == 3


def test_names_that_a_histogram_takes() -> None:
    """A family called like a part of a histogram or summary is left out, whichever comes second."""
    found = merged(
        "# TYPE h histogram\nh_count 1\n# TYPE s summary\ns_sum 1\ns_bucket 2\n", "h_count 5\nh_total 6\ns_sum 7\n"
    )
    names = {family.metric.name for family in found.families}
    assert names == {"h", "s", "s_bucket", "h_total"}
    assert found.left_out == 2
    found = merged("h_bucket 5\n", "# TYPE h histogram\nh_count 1\n")
    assert [family.metric.name for family in found.families] == ["h_bucket"]
    assert found.left_out == 1


@given(st.lists(st.text('ab_ {}="1\n#TYPEHLcountsm', max_size=60), max_size=3))
def test_any_files(files: list[str]) -> None:
    """Whatever files are taken, no series is there twice and the text can be read again."""
    taken = []
    for content in files:
        try:
            parse_text(content.encode(), "x")
        except Malformed:
            continue
        taken.append(content)
    encoder = TextEncoder()
    text = encoder.encode(merged(*taken).families).decode()
    assert encoder.duplicates == []
    parse_text(text.encode(), "again")
