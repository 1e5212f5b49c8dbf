"""The OpenAPI document: it is what the table of routes says, and what is answered over a listener is what it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import hypothesis
import msgspec
import pytest

from nodescope import answers
from nodescope.api.answers import ANSWERS
from nodescope.api.envelope import Lens, Problem, Standard
from nodescope.api.node import NoNode
from nodescope.api.service import Api
from nodescope.api.table import OPENAPI_PATH, ROUTES, ApiRoute
from nodescope.web.limits import Limits
from nodescope.web.routes import Site, dispatcher, routes
from nodescope.web.server import Listener
from tests.api.records import ask, whole

PREFIX: Final = "#/components/schemas/"
ENVELOPED: Final[dict[str, Any]] = {"standard": Standard, "lens": Lens}


def document() -> Any:
    return json.loads(ask(whole(), OPENAPI_PATH).body)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from references(one)


def site(api: Api) -> Site:
    def never(*arguments: Any) -> Any:
        raise AssertionError("only the API is asked here")

    return Site(
        scrape=never, health=never, ready=never, reload=never, status=never, pause=never, resume=never,
        title="nodescope", version="1.2.3", role="agent", further=answers.api_routes(api),
    )  # fmt: skip


@pytest.fixture
def url() -> Iterator[str]:
    """A listener that serves the API of a node that has everything."""
    handler = dispatcher(routes(site(Api(whole(), "standard", "nodescope", "1.2.3"))))
    listener = Listener("127.0.0.1:0", handler, Limits(), None)
    listener.start()
    yield f"http://{listener.address}"
    listener.stop()


def test_the_document_is_of_the_table() -> None:
    """Every route is a path with a sentence, its parameters and an operation of its own name."""
    body = document()
    assert body["openapi"] == "3.1.0"
    assert list(body["paths"]) == [route.path for route in ROUTES]
    operations = [path["get"] for path in body["paths"].values()]
    assert len({operation["operationId"] for operation in operations}) == len(ROUTES)
    for route, operation in zip(ROUTES, operations, strict=True):
        assert operation["summary"] == route.help
        assert [one["name"] for one in operation["parameters"]] == [one.name for one in route.parameters]


def test_every_reference_leads_somewhere() -> None:
    """Each $ref names a schema that is there, under a name without dots, and each schema is referred to."""
    body = document()
    names = {name.removeprefix(PREFIX) for name in references(body)}
    assert names == set(body["components"]["schemas"])
    assert [name for name in names if not name.replace("_", "").isalnum()] == []


def decoded(body: bytes, route: ApiRoute, envelope: str) -> Any:
    """`body` as the type that the table gives it. Raises `msgspec.ValidationError`."""
    answering = ANSWERS[route.name]
    enveloped = route.enveloped and not answering.bare
    kind = ENVELOPED[envelope][answering.type] if enveloped else answering.type
    return msgspec.json.decode(body, type=kind, strict=True)


@pytest.mark.parametrize("envelope", ["standard", "lens"])
@pytest.mark.parametrize("node", [whole(), NoNode()])
@pytest.mark.parametrize("route", [route for route in ROUTES if route.path != OPENAPI_PATH], ids=lambda one: one.path)
def test_answers_are_of_their_types(route: ApiRoute, node: Any, envelope: str) -> None:
    """Every answer decodes, strictly, as the type of which the document is made, and encodes to the same again."""
    body = ask(node, route.path, envelope).body
    again = msgspec.json.encode(decoded(body, route, envelope))
    assert json.loads(again) == json.loads(body)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.parameters], ids=lambda one: one.path)
def test_errors_are_of_their_types(route: ApiRoute) -> None:
    """Every error decodes, strictly, as the type that the document gives it."""
    kind: Any = Standard[None] if route.enveloped else Problem
    assert msgspec.json.decode(ask(whole(), route.path, nonsense="1").body, type=kind, strict=True)


def test_over_a_listener(url: str, http_get: Callable[..., Any]) -> None:
    """A listener answers in JSON with the age, in gzip for those who take it, and lists the routes on its page."""
    port = int(url.rpartition(":")[2])
    reply = http_get(port, "/v1/gpus?vendor=amd", headers={"Accept-Encoding": "gzip"})
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert (reply.headers["x-sampled-age-seconds"], reply.headers["content-encoding"]) == ("1.25", "gzip")
    assert http_get(port, "/api/v1/gpus?uuid=none").status == 404
    page = http_get(port, "/").body.decode()
    assert [route.path for route in ROUTES if f'href=".{route.path}"' not in page] == []


def test_the_api_keeps_to_its_document(url: str) -> None:
    """Whatever is asked over a listener, the answer is one that the document describes."""
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    schema = schemathesis.openapi.from_url(url + OPENAPI_PATH)
    # In the code's envelope an error is HTTP 200 by design: a bad parameter is not refused by its status there.
    refused = schemathesis.checks.CHECKS.get_by_names(["negative_data_rejection"])

    for operation in (result.ok() for result in schema.get_all_operations()):
        cases = [operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode]

        @hypothesis.given(case=hypothesis.strategies.one_of(cases))
        @hypothesis.settings(max_examples=20, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
        def keeps(case: Any) -> None:
            case.call_and_validate(excluded_checks=refused if (case.query or {}).get("envelope") == "lens" else [])

        keeps()
