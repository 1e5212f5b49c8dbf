"""tools/rest_cost.py: what a scrape costs after a rest."""

from __future__ import annotations

from tools.rest_cost import RESTS_S, SCRAPES, SECONDS, cost, scrapes


def test_each_rest_takes_about_as_long() -> None:
    """There are as many scrapes as fit into the time, and never more than back to back."""
    assert scrapes(0.0) == SCRAPES
    for rest_s in RESTS_S:
        assert 0 < scrapes(rest_s) <= SCRAPES
        assert scrapes(rest_s) * rest_s <= SECONDS


def test_the_cost_is_that_of_one_scrape() -> None:
    """What is spent over all scrapes of a rest is divided by their number, in milliseconds."""
    spent = [0.0]

    def scrape() -> None:
        spent[0] += 0.002

    assert [round(ms, 6) for ms in cost(scrape, lambda: spent[0], (0.0,))] == [2.0]
