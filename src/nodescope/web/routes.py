"""The routes of a listener: one table, from which the landing page and the status' list are made too.

Source: the Prometheus exposition over HTTP (scrape timeout header, collect[] filters) and its management API.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgspec

from nodescope.web import landing
from nodescope.web.compression import compressed
from nodescope.web.message import BadFilter, Busy, Request, RequestCounts, Response, text

JSON: Final = "application/json"
READ: Final = ("GET", "HEAD")
WRITE: Final = ("POST", "PUT")
MAX_SCRAPE_TIMEOUT_S: Final = 3600.0
MAX_KEPT_TIMEOUTS: Final = 16
STATUS: Final = "/api/v1/status"
PAUSE_FOR: Final = "for"
SHOWN: Final = 40
"""How much of a parameter's name is shown."""

_RETRY: Final = (("Retry-After", "1"),)
_SECONDS: Final = re.compile(r"[0-9]{1,6}(\.[0-9]{1,12})?")

Handler = Callable[[Request], Response]


class Route(msgspec.Struct, frozen=True):
    """One path, the methods it takes, what answers, and one sentence for people."""

    path: str
    methods: tuple[str, ...]
    handler: Handler
    help: str


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent gives a listener: who it is, and callables for what it does.

    `scrape(collect, exclude, timeout_s, accept, again)` returns the body and its content type, and raises `BadFilter`
    or `Busy`.
    `health()`: its "status" is "ok" or "degraded". `ready()`: None, or why not. `reload()`: None, or what failed.
    `pause(duration)`, `resume()`: give the GPUs' driver up ("": until resumed) and take it again; None, or what
    failed; `ValueError` where the duration is none.
    `max_requests`: scrapes at a time, 0 for no limit. `metrics_aliases`: where the metrics are too. `further`: routes
    of other parts of the agent.
    """

    scrape: Callable[[list[str], list[str], float | None, str, bool], tuple[bytes, str]]
    health: Callable[[], dict[str, object]]
    ready: Callable[[], str | None]
    reload: Callable[[], str | None]
    status: Callable[[], dict[str, object]]
    pause: Callable[[str], str | None]
    resume: Callable[[], str | None]
    title: str
    version: str
    role: str
    telemetry_path: str = "/metrics"
    max_requests: int = 40
    metrics_aliases: tuple[str, ...] = ()
    further: tuple[Route, ...] = ()
    counts: RequestCounts = msgspec.field(default_factory=RequestCounts)


def routes(site: Site) -> tuple[Route, ...]:
    """Every route of `site`; the landing page gives way to metrics at its path."""
    table: list[Route] = []
    table += (
        Route(site.telemetry_path, READ, lambda request: _metrics(site, request),
              "Metrics for Prometheus; collect[] or exclude[] chooses collectors."),
        Route("/", READ, lambda request: landing.page(site.title, site.version, site.role, _listed(table)),
              "This page."),
        Route("/health", READ, lambda request: _json(site.health()), "Health in JSON: ok or degraded, and why."),
        Route("/ready", READ, lambda request: _ready(site), "Whether it can serve; 503 and the reason where not."),
        Route("/-/healthy", READ, lambda request: text(200, "healthy"), "Whether it is alive."),
        Route("/-/ready", READ, lambda request: _ready(site), "The same as /ready."),
        Route("/-/reload", WRITE, _of_own_site(lambda request: _reload(site)),
              "Reads the settings again (POST or PUT)."),
        Route("/api/v1/gpu/pause", WRITE, _of_own_site(lambda request: _pause(site, request)),
              "Gives up the driver of the GPUs, for so long (for=10m) or until resumed (POST or PUT)."),
        Route("/api/v1/gpu/resume", WRITE, _of_own_site(lambda request: _resume(site)),
              "Measures the GPUs again (POST or PUT)."),
        Route(STATUS, READ, lambda request: _status(site, table), "What runs, and how well, in JSON."),
        *(
            Route(alias, READ, lambda request: _metrics(site, request), f"The same as {site.telemetry_path}.")
            for alias in site.metrics_aliases
        ),
        *site.further,
    )  # fmt: skip
    table[:] = {route.path: route for route in reversed(table)}.values()
    table.reverse()
    return tuple(table)


def dispatcher(table: tuple[Route, ...]) -> Handler:
    """The handler that finds the route of a request: 404 where there is none, 405 where the method is another."""
    by_path = {route.path: route for route in table}
    # The metrics are the first; at / they leave no landing page.
    index = STATUS if table and table[0].path == "/" else "/"

    def dispatch(request: Request) -> Response:
        route = by_path.get(request.path)
        if route is None:
            return text(404, f"nothing is served at this path; {index} lists what is")
        if request.method not in route.methods:
            allowed = ", ".join(route.methods)
            return text(405, f"this path takes {allowed}", (("Allow", allowed),))
        return route.handler(request)

    return dispatch


def _metrics(site: Site, request: Request) -> Response:
    collect, exclude = request.query.get("collect[]", []), request.query.get("exclude[]", [])
    if collect and exclude:
        return text(400, "Combined collect and exclude queries are not allowed.")
    if request.again:
        # Counted, and let in, when it came.
        return _scraped(site, request, collect, exclude)
    code = 500
    try:
        if not site.counts.enter(site.max_requests):
            code = 503
            return _too_many(site.max_requests)
        response = _scraped(site, request, collect, exclude)
        code = response.status
        return response
    finally:
        site.counts.leave(code)


def _scraped(site: Site, request: Request, collect: list[str], exclude: list[str]) -> Response:
    accept = request.header("accept") or ""
    try:
        body, content_type = site.scrape(collect, exclude, _timeout_s(request), accept, request.again)
    except BadFilter as error:
        return text(400, str(error))
    except Busy as error:
        return text(503, str(error), _RETRY)
    return compressed(request, Response(200, body, content_type), "Accept, Accept-Encoding")


def _too_many(limit: int) -> Response:
    return text(503, f"{limit} scrapes are being served, and no more are at a time; try again later.", _RETRY)


def _timeout_s(request: Request) -> float | None:
    """Seconds that the scraper gives, None where it says nothing that can be used."""
    value = request.header("x-prometheus-scrape-timeout-seconds")
    return _seconds(value) if value else None


@lru_cache(MAX_KEPT_TIMEOUTS)
def _seconds(value: str) -> float | None:
    seconds = float(value) if _SECONDS.fullmatch(value) else 0.0
    return min(seconds, MAX_SCRAPE_TIMEOUT_S) if seconds > 0 else None


def _ready(site: Site) -> Response:
    reason = site.ready()
    return text(200, "ready") if reason is None else text(503, reason)


def _of_own_site(handler: Handler) -> Handler:
    """`handler`, for requests that no page of another site has a browser send."""

    def answer(request: Request) -> Response:
        if _is_foreign(request):
            return text(403, "a page of another site may not ask for this")
        return handler(request)

    return answer


def _reload(site: Site) -> Response:
    error = site.reload()
    return text(200, "reloaded") if error is None else text(500, error)


def _pause(site: Site, request: Request) -> Response:
    wrong = _wrong_pause(request)
    if wrong:
        return text(400, wrong)
    try:
        error = site.pause(request.query.get(PAUSE_FOR, [""])[0])
    except ValueError as refused:
        return text(400, str(refused))
    return text(200, "paused") if error is None else text(500, error)


def _wrong_pause(request: Request) -> str:
    """Why the request is not followed: a duration that is overlooked makes a pause that never ends."""
    if request.body:
        return f"the duration is given in the query ({PAUSE_FOR}=10m), expected no body"
    for name, values in request.query.items():
        if name != PAUSE_FOR:
            return f"there is no parameter {name[:SHOWN]!r} here, expected {PAUSE_FOR} or none"
        if len(values) != 1:
            return f"{PAUSE_FOR} is given {len(values)} times, expected one duration such as 10m"
        if not values[0]:
            return f"{PAUSE_FOR} is empty, expected a duration such as 10m"
    return ""


def _resume(site: Site) -> Response:
    error = site.resume()
    return text(200, "resumed") if error is None else text(500, error)


def _is_foreign(request: Request) -> bool:
    """Whether a browser sends this for a page of another site (Fetch Metadata; Origin where there is no TLS)."""
    if request.header("sec-fetch-site") == "cross-site":
        return True
    origin = request.header("origin")
    return origin is not None and origin.partition("://")[2] != request.header("host")


def _status(site: Site, table: list[Route]) -> Response:
    listed = [{"path": path, "methods": methods, "help": sentence} for path, methods, sentence in _listed(table)]
    return _json({**site.status(), "title": site.title, "version": site.version, "role": site.role, "routes": listed})


def _listed(table: list[Route]) -> list[tuple[str, tuple[str, ...], str]]:
    return [(route.path, route.methods, route.help) for route in table]


def _json(value: dict[str, Any]) -> Response:
    return Response(200, msgspec.json.encode(value) + b"\n", JSON)
