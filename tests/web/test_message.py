"""Requests and the counts of scrapes."""

from __future__ import annotations

from nodescope.web.message import Request, RequestCounts


def test_header_names_have_no_case() -> None:
    """A header field is found by any spelling of its name, and is None where it is not there."""
    request = Request("GET", "/", {}, {"accept": "a"}, "127.0.0.1")
    assert (request.header("Accept"), request.header("ACCEPT"), request.header("x")) == ("a", "a", None)


def test_counts_start_with_the_usual_codes() -> None:
    """The codes that dashboards ask for are there from the start, at 0."""
    assert RequestCounts().by_code() == {200: 0, 500: 0, 503: 0}


def test_counts_follow_requests() -> None:
    """A request is in flight until it leaves with its code, and one beyond the limit is told so."""
    counts = RequestCounts()
    assert (counts.enter(1), counts.enter(1), counts.enter(0), counts.in_flight) == (True, False, True, 3)
    for code in (200, 503, 400):
        counts.leave(code)
    assert (counts.in_flight, counts.by_code()) == (0, {200: 1, 500: 0, 503: 1, 400: 1})
