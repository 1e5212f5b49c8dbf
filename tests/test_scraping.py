"""One listener's scrape: filters, formats, drops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import pytest

from nodescope.metric import Family, Metric, single
from nodescope.runner import Outcome, Runner
from nodescope.scraping import Scrape, UnknownCollector

A = Metric("a", "gauge", "A.")
B = Metric("b_total", "counter", "B.")
OWN = Metric("own", "gauge", "Own.", ("collector",))


class Fixed:
    """A collector of one family."""

    name: ClassVar[str] = "fixed"
    metrics: ClassVar[tuple[Metric, ...]] = ()
    left_out: int = 0

    def __init__(self, *families: Family) -> None:
        self.families = families

    def collect(self) -> tuple[Family, ...]:
        return self.families


def own(outcomes: list[Outcome]) -> list[Family]:
    return [Family(OWN, [((outcome.collector,), 1) for outcome in outcomes])]


@pytest.fixture
def runner() -> Iterator[Runner]:
    made = Runner({"a": Fixed(single(A, 1)), "b": Fixed(single(B, 2)), "off": Fixed()}, 5)
    yield made
    made.stop()


def scrape(runner: Runner, max_series: int = 100) -> Scrape:
    return Scrape(runner, ("a", "b"), own, {"site": "x"}, max_series, 5, 0.5, {})  # type: ignore[arg-type]


def test_a_whole_scrape_has_every_collector_and_nodescope_itself(runner: Runner) -> None:
    """Families of all collectors of the listener, its own families, and the constant labels."""
    body, content_type = scrape(runner).render()
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
    assert lines == [
        'a{site="x"} 1',
        'b_total{site="x"} 2',
        'own{collector="a",site="x"} 1',
        'own{collector="b",site="x"} 1',
    ]


def test_what_another_collector_shows_is_hidden_on_this_listener_alone(runner: Runner) -> None:
    """A hidden family is in no scrape of the listener, nor told of to its own families; other listeners have it."""
    told: list[int] = []

    def counted(outcomes: Sequence[Outcome]) -> list[Family]:
        told.extend(len(outcome.families) for outcome in outcomes)
        return []

    made = Scrape(runner, ("a", "b"), counted, {}, 100, 5, 0.5, {"b": {B.name}})
    for collect in ((), ["b"]):
        assert b"b_total" not in made.render(collect=collect)[0]
    assert told == [1, 0, 0]
    assert b"a 1" in made.render()[0]
    assert b"b_total" in scrape(runner).render()[0]


def test_the_accept_header_chooses_the_format(runner: Runner) -> None:
    """OpenMetrics where it is asked for, again and again."""
    made = scrape(runner)
    for _ in range(2):
        body, content_type = made.render(accept="application/openmetrics-text;version=1.0.0")
        assert content_type.startswith("application/openmetrics-text; version=1.0.0")
        assert body.endswith(b"# EOF\n")
        assert not made.render()[0].endswith(b"# EOF\n")


def test_filters_choose_collectors(runner: Runner) -> None:
    """`collect` keeps only those named, `exclude` all but those named."""
    made = scrape(runner)
    assert b"b_total" not in made.render(collect=["a"])[0]
    assert b"b_total" not in made.render(exclude=["b", "none"])[0]
    assert b"b_total" in made.render()[0]


def test_an_unknown_or_disabled_collector_is_refused(runner: Runner) -> None:
    """A name that this listener does not have is an error that says whether it exists at all."""
    with pytest.raises(UnknownCollector, match="missing collector: none"):
        scrape(runner).render(collect=["none"])
    with pytest.raises(UnknownCollector, match="disabled collector: off"):
        scrape(runner).render(collect=["off"])


def test_dropped_series_are_counted_by_reason(runner: Runner) -> None:
    """Duplicates, series beyond the limit, and a histogram under another family's name are left out and counted."""
    twice = Runner({"a": Fixed(single(A, 1), single(A, 2)), "b": Fixed()}, 5)
    made = scrape(twice)
    made.render()
    assert made.dropped == {"duplicate": 1, "labels": 0, "limit": 0, "name": 0}
    twice.stop()
    clashing = Runner({"a": Fixed(single(A, 1), single(A._replace(type="summary"), 2)), "b": Fixed()}, 5)
    made = scrape(clashing)
    made.render()
    assert made.dropped == {"duplicate": 0, "labels": 0, "limit": 0, "name": 1}
    clashing.stop()
    few = scrape(runner, max_series=1)
    few.render()
    assert few.dropped == {"duplicate": 0, "labels": 0, "limit": 3, "name": 0}
