"""The table of routes, called as handlers."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from nodescope.web.message import BadFilter, Busy, Request, RequestCounts, Response
from nodescope.web.routes import Route, Site, dispatcher, routes


class FakeAgent:
    """What a listener asks of an agent; remembers how it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], list[str], float | None, str]] = []
        self.body = b"up 1\n"
        self.not_ready: str | None = None
        self.reload_error: str | None = None
        self.reloads = 0
        self.pauses: list[str] = []
        self.wrong_pause = ""
        self.pause_error: str | None = None
        self.on_scrape: Callable[[], None] = lambda: None

    def scrape(
        self, collect: list[str], exclude: list[str], timeout_s: float | None, accept: str, again: bool
    ) -> tuple[bytes, str]:
        self.asked.append((collect, exclude, timeout_s, accept))
        self.on_scrape()
        if "nonsense" in collect:
            raise BadFilter("there is no collector nonsense")
        return self.body, "text/plain; version=0.0.4"

    def reload(self) -> str | None:
        self.reloads += 1
        return self.reload_error

    def pause(self, duration: str) -> str | None:
        if self.wrong_pause:
            raise ValueError(self.wrong_pause)
        self.pauses.append(duration)
        return self.pause_error

    def site(self, **changes: Any) -> Site:
        given: dict[str, Any] = {
            "scrape": self.scrape,
            "health": lambda: {"status": "degraded", "reasons": ["cpu failed"]},
            "ready": lambda: self.not_ready,
            "reload": self.reload,
            "status": lambda: {"uptime_seconds": 1.5},
            "pause": self.pause,
            "resume": lambda: self.pause_error,
            "title": "nodescope",
            "version": "1.2.3",
            "role": "node",
            **changes,
        }
        return Site(**given)


@pytest.fixture
def agent() -> FakeAgent:
    return FakeAgent()


def ask(
    site: Site,
    path: str,
    method: str = "GET",
    query: dict[str, list[str]] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    return dispatcher(routes(site))(Request(method, path, query or {}, headers or {}, "127.0.0.1"))


@pytest.mark.parametrize(("telemetry_path", "index"), [("/metrics", "/"), ("/", "/api/v1/status")])
def test_what_is_not_there_says_where_the_list_is(agent: FakeAgent, telemetry_path: str, index: str) -> None:
    """The landing page has it, and where the metrics are in its place the status."""
    response = ask(agent.site(telemetry_path=telemetry_path), "/nothing")
    assert response.status == 404
    assert response.body.decode() == f"nothing is served at this path; {index} lists what is\n"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/metrics", "text/plain; version=0.0.4"),
        ("/health", "application/json"),
        ("/ready", "text/plain; charset=utf-8"),
        ("/-/healthy", "text/plain; charset=utf-8"),
        ("/-/ready", "text/plain; charset=utf-8"),
        ("/api/v1/status", "application/json"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_routes_that_are_read(agent: FakeAgent, path: str, kind: str, method: str) -> None:
    """Each readable route answers GET and HEAD with its kind of content."""
    response = ask(agent.site(), path, method)
    assert (response.status, response.content_type) == (200, kind)


def test_routes_of_other_parts(agent: FakeAgent) -> None:
    """Further routes are served and listed; metrics are at their aliases too; neither takes a path that is taken."""
    further = tuple(
        Route(path, ("GET",), lambda request: Response(200, b"further"), "Of another part.")
        for path in ("/x", "/ready")
    )
    site = agent.site(further=further, metrics_aliases=("/v1/metrics",))
    assert ask(site, "/x").body == b"further"
    assert ask(site, "/ready").body == b"ready\n"
    assert ask(site, "/v1/metrics").body == agent.body
    page = ask(site, "/").body.decode()
    assert "Of another part." in page
    assert "The same as /metrics." in page


@pytest.mark.parametrize("path", ["/nothing", "/metrics/", "//metrics", "/METRICS", "/-%2Fready", ""])
def test_other_paths_are_not_there(agent: FakeAgent, path: str) -> None:
    """A path is there exactly as it is in the table."""
    assert ask(agent.site(), path).status == 404


@pytest.mark.parametrize(
    ("path", "method", "allow"),
    [("/metrics", "POST", "GET, HEAD"), ("/-/reload", "GET", "POST, PUT"), ("/", "DELETE", "GET, HEAD")],
)
def test_other_methods_are_not_allowed(agent: FakeAgent, path: str, method: str, allow: str) -> None:
    """A method that a path does not take is told which it takes, and nothing is done."""
    response = ask(agent.site(), path, method)
    assert (response.status, response.headers) == (405, (("Allow", allow),))
    assert agent.reloads == 0


def test_filters_and_accept_reach_the_scrape(agent: FakeAgent) -> None:
    """collect[] or exclude[] and Accept are handed on as they came; other parameters are not."""
    ask(agent.site(), "/metrics", query={"collect[]": ["cpu", "mem"], "debug": ["1"]}, headers={"accept": "text/plain"})
    ask(agent.site(), "/metrics", query={"exclude[]": ["cpu"]})
    assert agent.asked == [(["cpu", "mem"], [], None, "text/plain"), ([], ["cpu"], None, "")]


def test_both_filters_are_refused(agent: FakeAgent) -> None:
    """collect[] together with exclude[] is a bad request, and nothing is scraped."""
    response = ask(agent.site(), "/metrics", query={"collect[]": ["cpu"], "exclude[]": ["mem"]})
    assert (response.status, response.body) == (400, b"Combined collect and exclude queries are not allowed.\n")
    assert agent.asked == []


def test_an_unknown_collector_is_a_bad_request(agent: FakeAgent) -> None:
    """A filter that cannot be followed is answered with its own words, and counted as such."""
    site = agent.site()
    response = ask(site, "/metrics", query={"collect[]": ["nonsense"]})
    assert (response.status, response.body) == (400, b"there is no collector nonsense\n")
    assert (site.counts.by_code()[400], site.counts.in_flight) == (1, 0)


@pytest.mark.parametrize(
    ("field", "seconds"),
    [("10", 10.0), ("0.25", 0.25), ("999999", 3600.0), ("0", None), ("-1", None), ("nan", None), ("inf", None),
     ("1e3", None), ("", None), ("10s", None), ("1" * 50, None), ("\u0661", None)],
)  # fmt: skip
def test_the_scrape_timeout_is_taken_where_it_makes_sense(agent: FakeAgent, field: str, seconds: float | None) -> None:
    """A plain positive number of seconds is handed on, an hour at most; anything else counts as absent."""
    ask(agent.site(), "/metrics", headers={"x-prometheus-scrape-timeout-seconds": field})
    assert agent.asked[0][2] == seconds


def test_metrics_are_packed(agent: FakeAgent) -> None:
    """A large exposition is sent in gzip to who accepts it, and says on which fields it depends."""
    agent.body = b"up 1\n" * 1000
    response = ask(agent.site(), "/metrics", headers={"accept-encoding": "gzip"})
    assert gzip.decompress(response.body) == agent.body
    assert ("Vary", "Accept, Accept-Encoding") in response.headers


def test_scrapes_are_limited(agent: FakeAgent) -> None:
    """One scrape more than the limit is told to come again; all are counted, and none stays in flight."""
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        inside.set()
        leave.wait(10)

    agent.on_scrape = hold
    site = agent.site(max_requests=1)
    first = threading.Thread(target=ask, args=(site, "/metrics"))
    first.start()
    inside.wait(10)
    response = ask(site, "/metrics")
    assert (response.status, response.headers, site.counts.in_flight) == (503, (("Retry-After", "1"),), 1)
    assert b"1 scrapes" in response.body
    leave.set()
    first.join()
    assert (site.counts.by_code(), site.counts.in_flight) == ({200: 1, 500: 0, 503: 1}, 0)


def test_a_failed_scrape_is_counted(agent: FakeAgent) -> None:
    """A scrape that raises counts as 500 and is in flight no more."""
    agent.body = None  # type: ignore[assignment]
    site = agent.site()
    with pytest.raises(TypeError):
        ask(site, "/metrics")
    assert (site.counts.by_code()[500], site.counts.in_flight) == (1, 0)


def test_counts_can_be_carried_on(agent: FakeAgent) -> None:
    """A site counts into the object that it is given."""
    counts = RequestCounts()
    ask(agent.site(counts=counts), "/metrics")
    assert counts.by_code()[200] == 1


def test_health_is_json_and_200_even_where_it_is_degraded(agent: FakeAgent) -> None:
    """The body says how things are; the status only that it could be said."""
    response = ask(agent.site(), "/health")
    assert (response.status, json.loads(response.body)) == (200, {"status": "degraded", "reasons": ["cpu failed"]})


@pytest.mark.parametrize("path", ["/ready", "/-/ready"])
def test_not_ready_says_why(agent: FakeAgent, path: str) -> None:
    """Until it is ready the answer is 503 with the reason."""
    agent.not_ready = "the first sample is not there yet"
    response = ask(agent.site(), path)
    assert (response.status, response.body) == (503, b"the first sample is not there yet\n")


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_reload(agent: FakeAgent, method: str) -> None:
    """A reload that works is 200, one that fails is 500 with the reason."""
    assert ask(agent.site(), "/-/reload", method).status == 200
    agent.reload_error = "web.max-requests: expected a number"
    response = ask(agent.site(), "/-/reload", method)
    assert (response.status, response.body) == (500, b"web.max-requests: expected a number\n")
    assert agent.reloads == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"origin": "http://evil.example", "host": "node1:9100"},
        {"origin": "null", "host": "a"},
    ],
)
def test_a_page_of_another_site_cannot_reload(agent: FakeAgent, headers: dict[str, str]) -> None:
    """What a browser sends on behalf of another site is forbidden."""
    assert ask(agent.site(), "/-/reload", "POST", headers=headers).status == 403
    assert agent.reloads == 0


@pytest.mark.parametrize(("query", "duration"), [({}, ""), ({"for": ["600"]}, "600"), ({"for": ["10m"]}, "10m")])
def test_the_gpus_can_be_paused(agent: FakeAgent, query: dict[str, list[str]], duration: str) -> None:
    """A pause is for as long as is asked, or until resumed; what fails is 500 with the reason."""
    assert ask(agent.site(), "/api/v1/gpu/pause", "POST", query=query).status == 200
    assert agent.pauses == [duration]
    assert ask(agent.site(), "/api/v1/gpu/resume", "POST").status == 200
    agent.pause_error = "/run/x cannot be written"
    for path in ("pause", "resume"):
        response = ask(agent.site(), f"/api/v1/gpu/{path}", "POST", query=query)
        assert (response.status, response.body) == (500, b"/run/x cannot be written\n")


def test_a_pause_of_no_time_is_refused(agent: FakeAgent) -> None:
    """What is no duration is 400 with the sentence that says so."""
    agent.wrong_pause = "for is 'soon', expected a duration"
    answer = ask(agent.site(), "/api/v1/gpu/pause", "POST", query={"for": ["soon"]})
    assert (answer.status, answer.body) == (400, b"for is 'soon', expected a duration\n")


@pytest.mark.parametrize(
    ("query", "body", "words"),
    [
        ({"fo": ["10m"]}, b"", b"there is no parameter 'fo' here, expected for or none"),
        ({"for": ["10m"], "x": ["1"]}, b"", b"there is no parameter 'x' here"),
        ({"for": [""]}, b"", b"for is empty, expected a duration such as 10m"),
        ({"for": ["10m", "1s"]}, b"", b"for is given 2 times"),
        ({}, b"for=10m", b"the duration is given in the query"),
    ],
)
def test_a_duration_that_would_be_overlooked(
    agent: FakeAgent, query: dict[str, list[str]], body: bytes, words: bytes
) -> None:
    """A pause whose duration is misspelled, repeated, empty or in the body is 400, and not one without an end."""
    request = Request("POST", "/api/v1/gpu/pause", query, {}, "127.0.0.1", body)
    answer = dispatcher(routes(agent.site()))(request)
    assert (answer.status, words in answer.body) == (400, True)
    assert agent.pauses == []


@pytest.mark.parametrize("path", ["/api/v1/gpu/pause", "/api/v1/gpu/resume"])
def test_a_page_of_another_site_cannot_pause(agent: FakeAgent, path: str) -> None:
    """What a browser sends on behalf of another site is forbidden here too."""
    assert ask(agent.site(), path, "POST", headers={"sec-fetch-site": "cross-site"}).status == 403
    assert agent.pauses == []


def test_a_page_of_the_same_site_can_reload(agent: FakeAgent) -> None:
    """What a browser sends for a page from here is done."""
    headers = {"origin": "http://node1:9100", "host": "node1:9100", "sec-fetch-site": "same-origin"}
    assert ask(agent.site(), "/-/reload", "POST", headers=headers).status == 200


def test_the_table_is_on_the_page_and_in_the_status(agent: FakeAgent) -> None:
    """Landing page and status list every route with its help."""
    site = agent.site(telemetry_path="/m")
    page = ask(site, "/").body.decode()
    status = json.loads(ask(site, "/api/v1/status").body)
    table = routes(site)
    assert [entry["path"] for entry in status["routes"]] == [route.path for route in table]
    assert all(route.path in page and route.help in page for route in table)
    assert (status["role"], status["version"], status["uptime_seconds"]) == ("node", "1.2.3", 1.5)


def test_metrics_may_take_the_place_of_the_page(agent: FakeAgent) -> None:
    """Where metrics are served at /, they are what is there."""
    site = agent.site(telemetry_path="/")
    assert ask(site, "/").body == agent.body
    assert [route.path for route in routes(site)].count("/") == 1


def test_a_scrape_for_which_there_is_no_room_is_told_to_come_again() -> None:
    """A scrape that the agent is too busy for gets 503 with the reason, and is counted as such."""
    agent = FakeAgent()

    def refuse() -> None:
        raise Busy("64 different scrapes wait already; try again later")

    agent.on_scrape = refuse
    site = agent.site()
    response = ask(site, "/metrics")
    assert (response.status, response.body) == (503, b"64 different scrapes wait already; try again later\n")
    assert site.counts.by_code()[503] == 1
