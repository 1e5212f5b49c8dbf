"""What a listener answers: its scrape, health, readiness and status, as the routes want them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from nodescope import __version__, self_metrics, status
from nodescope.api.node import Node
from nodescope.api.service import Api
from nodescope.api.table import LENS_PREFIX, ROUTES, ApiRoute
from nodescope.events.bus import Bus
from nodescope.listening import Plan
from nodescope.measurement import Measurement
from nodescope.metric import Family, single
from nodescope.runner import TooManyPasses
from nodescope.scraping import UnknownCollector
from nodescope.settings import SettingsError
from nodescope.settings.gpu import PAUSE_FOR
from nodescope.settings.value import read_value
from nodescope.web.compression import compressed
from nodescope.web.message import BadFilter, Busy, Request, RequestCounts, Response
from nodescope.web.routes import JSON, READ, Handler, Route, Site, dispatcher, routes
from nodescope.web.server import Listener

if TYPE_CHECKING:
    from nodescope.devices.nvidia.pause import PauseFile


class Answering(Protocol):
    """What answers need of the agent."""

    started_seconds: float
    started_monotonic_seconds: float
    bus: Bus

    @property
    def alive(self) -> bool: ...

    @property
    def addresses(self) -> list[str]: ...

    def reload(self) -> str | None: ...


class Answers:
    """What one listener answers: the routes over the agent's parts. `listener` is set once there is one.

    `node`: what the REST API answers from; without one there is no such API.
    """

    def __init__(
        self,
        agent: Answering,
        measurement: Measurement,
        plan: Plan,
        key: str,
        counts: RequestCounts,
        node: Node | None = None,
    ) -> None:
        self.listener: Listener | None = None
        self._agent = agent
        self._measurement = measurement
        self._plan = plan
        self._key = key
        self._counts = counts
        self._scrape = measurement.scrape(plan.role, key, plan.constant_labels, self._families)
        settings = measurement.settings
        site = Site(
            scrape=self.scrape,
            health=self.health,
            ready=self.ready,
            reload=agent.reload,
            status=self.describe,
            pause=self.pause,
            resume=self.resume,
            title=plan.role.title,
            version=__version__,
            role=plan.role.name,
            telemetry_path=settings["web.telemetry-path"],
            max_requests=settings["web.max-requests"],
            counts=counts,
            metrics_aliases=() if node is None else (LENS_PREFIX + settings["web.telemetry-path"],),
            further=() if node is None else api_routes(_api(node, settings["api.envelope"], plan)),
        )
        self._dispatch = dispatcher(routes(site))

    def __call__(self, request: Request) -> Response:
        return self._dispatch(request)

    def scrape(
        self, collect: list[str], exclude: list[str], timeout_s: float | None, accept: str, again: bool
    ) -> tuple[bytes, str]:
        try:
            return self._scrape.render(collect, exclude, timeout_s, accept, here=not again)
        except UnknownCollector as error:
            raise BadFilter(str(error)) from error
        except TooManyPasses as error:
            raise Busy(str(error)) from error

    def health(self) -> dict[str, object]:
        return status.health(self._last())

    def ready(self) -> str | None:
        return None if self._agent.alive else "starting or stopping"

    def pause(self, duration: str) -> str | None:
        """Has the GPUs' driver given up within 2 s, for as long or ("") until resumed. None, or what failed.

        Raises `ValueError` where `duration` is none.
        """
        try:
            seconds = read_value(PAUSE_FOR, duration, "the query") if duration else None
        except SettingsError as error:
            raise ValueError(str(error)) from error
        return self._to_pause_file(lambda file: file.pause(seconds))

    def resume(self) -> str | None:
        return self._to_pause_file(lambda file: file.resume())

    def _to_pause_file(self, change: Callable[[PauseFile], object]) -> str | None:
        from nodescope.devices.nvidia.pause import PauseFile

        path = self._measurement.settings["collector.gpu.pause-file"]
        try:
            change(PauseFile(path))
        except OSError as error:
            return f"{path} cannot be written ({error.strerror}): run as root or set collector.gpu.pause-file"
        return None

    def describe(self) -> dict[str, object]:
        return {
            **status.process(self._agent.started_seconds, self._agent.started_monotonic_seconds),
            "role": self._plan.role.name,
            "listeners": self._agent.addresses,
            "collectors": status.collectors(self._last(), self._measurement.names[self._key]),
            "events": {"epoch": self._agent.bus.epoch, "newest": self._agent.bus.newest},
            "kept_descriptors": self._measurement.host.kept_descriptors,
        }

    def _last(self) -> status.Last:
        names = self._measurement.names[self._key]
        return {name: last for name, last in dict(self._measurement.runner.last).items() if name in names}

    def _families(self) -> list[Family]:
        """Requests under promhttp's names; connections and events too, where the profile is nodescope's own."""
        families = [
            self_metrics.by_label(self_metrics.REQUESTS, _spelled(self._counts.by_code())),
            single(self_metrics.IN_FLIGHT, self._counts.in_flight),
        ]
        if self._plan.role.profile == "node_exporter" or self.listener is None:
            return families
        bus, counters = self._agent.bus, self.listener.counters
        return [
            *families,
            single(self_metrics.CONNECTIONS, counters.accepted),
            self_metrics.by_label(self_metrics.CLOSED, counters.closed),
            self_metrics.by_label(self_metrics.ANSWERS, _spelled(counters.requests)),
            single(self_metrics.EVENTS, bus.published_total),
            single(self_metrics.EVENTS_DROPPED, bus.dropped_total),
        ]


def api_routes(api: Api) -> tuple[Route, ...]:
    """The routes of the REST API, for a listener."""
    return tuple(Route(route.path, READ, _handler(api, route), route.help) for route in ROUTES)


def _api(node: Node, envelope: str, plan: Plan) -> Api:
    return Api(node, envelope, plan.role.title, __version__)


def _handler(api: Api, route: ApiRoute) -> Handler:
    def answer(request: Request) -> Response:
        answered = api.answer(route, request.query)
        return compressed(request, Response(answered.status, answered.body, JSON, answered.headers))

    return answer


def _spelled(counts: dict[int, int]) -> dict[str, int]:
    return {str(code): count for code, count in sorted(counts.items())}
