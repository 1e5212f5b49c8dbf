"""Parameters that cannot be followed, and what is said of them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Final

import pytest

from nodescope.api.answers import ANSWERS
from nodescope.api.node import NoNode
from nodescope.api.table import OPENAPI_PATH, ROUTES
from nodescope.records.container import Container
from nodescope.records.rdma import RdmaDevice
from tests.api.records import Node, ask, whole

BAD: Final[tuple[tuple[str, dict[str, Any], str], ...]] = (
    ("gpus", {"vendor": "matrox"}, "vendor is 'matrox', expected one of amd, nvidia, intel"),
    ("gpus", {"vendor": ["amd", "amd"]}, "vendor is given 2 times, expected once"),
    ("gpus", {"uuid": ""}, "uuid is '', expected 1 to 128 letters, digits or signs"),
    ("gpus", {"uuid": "x" * 129}, f"uuid is '{'x' * 40}', expected 1 to 128 letters, digits or signs"),
    ("gpus", {"vender": "amd"}, "there is no parameter 'vender' here, expected vendor, uuid"),
    ("topology", {"x" * 99: "1"}, f"there is no parameter '{'x' * 40}' here, expected none"),
    ("health", {"state": "fine"}, "state is 'fine', expected one of ok, unknown, warning, critical"),
)


@pytest.mark.parametrize(("path", "query", "sentence"), BAD)
def test_bad_parameters(path: str, query: dict[str, Any], sentence: str) -> None:
    """A parameter that is unknown, empty, too long, repeated or none of its choices is refused in one sentence."""
    answered = ask(whole(), f"/api/v1/{path}", **query)
    assert (answered.status, json.loads(answered.body)) == (400, {"error": sentence})


@pytest.mark.parametrize(
    ("path", "query", "sentence"),
    [
        ("/api/v1/gpus", {"uuid": "GPU-1"}, "there is no GPU with the uuid 'GPU-1'; /api/v1/gpus lists all"),
        ("/api/v1/links", {"uuid": "GPU-1", "vendor": "amd"},
         "there is no amd GPU with the uuid 'GPU-1'; /api/v1/gpus lists all"),
        ("/api/v1/rdma", {"device": "mlx5_9"}, "there is no RDMA device 'mlx5_9'; /api/v1/rdma lists those there are"),
    ],
)  # fmt: skip
def test_unknown_devices(path: str, query: dict[str, str], sentence: str) -> None:
    """What does not exist is 404, in one sentence."""
    answered = ask(whole(), path, **query)
    assert (answered.status, json.loads(answered.body)) == (404, {"error": sentence})


def test_errors_in_the_documented_envelope() -> None:
    """An error has its HTTP status in the code, null data and a sentence."""
    answered = ask(whole(), "/gpus", vendor="matrox")
    assert (answered.status, json.loads(answered.body)) == (
        400, {"code": 400, "data": None, "message": "vendor is 'matrox', expected one of amd, nvidia, intel"},
    )  # fmt: skip
    assert json.loads(ask(whole(), "/cardMetrics", uuid="no").body)["code"] == 404
    assert ask(whole(), "/gpus", envelope="round").status == 400


def test_errors_in_the_codes_envelope() -> None:
    """In the code's envelope an error is HTTP 200 with a code of its own."""
    for query, code in (({"vendor": "matrox"}, 4001), ({"uuid": "GPU-1"}, 4004)):
        answered = ask(whole(), "/v1/gpus", envelope="lens", **query)
        body = json.loads(answered.body)
        assert (answered.status, body["meta"]["code"], body["data"], body["tracing"]) == (200, code, None, None)


def test_a_name_that_is_not_utf8() -> None:
    """A name with bytes that are no UTF-8 is shown with U+FFFD in their place, and costs the answer nothing else."""
    odd = Container(runtime="docker", id="a", name="a\ud800", pod_name="p", labels={"l\udfff": "\udfff"})
    node = Node(rdma=(RdmaDevice(name="mlx5_\udc80"), RdmaDevice(name="mlx5_1")), pods=(odd,))
    names = [one["device"]["name"] for one in json.loads(ask(node, "/api/v1/rdma").body)["devices"]]
    assert (names[0].rstrip("\ufffd"), names[1]) == ("mlx5_", "mlx5_1")
    assert json.loads(ask(node, "/rdma").body)["data"][1]["if_name"] == "mlx5_1"
    (pod,) = json.loads(ask(node, "/pods").body)
    assert pod["metadata"]["name"].startswith("a\ufffd")
    assert next(iter(pod["labels"])).startswith("l\ufffd")


def test_every_route_has_an_answer() -> None:
    """The table of routes and the table of answers name the same things, each path once."""
    assert {route.name for route in ROUTES if route.path != OPENAPI_PATH} == set(ANSWERS)
    assert len({route.path for route in ROUTES}) == len(ROUTES)


def test_who_never_asks_does_not_pay() -> None:
    """Making the API imports neither its types nor what makes its document."""
    code = (
        "import sys; from nodescope.api.service import Api; from nodescope.api.node import NoNode; "
        "Api(NoNode(), 'standard', '', ''); "
        "print([name for name in ('nodescope.api.answers', 'nodescope.api.openapi', 'nodescope.api.lens_records', "
        "'nodescope.records.amd_static') if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60, text=True)
    assert ran.stdout.strip() == "[]"


def test_a_node_may_answer_at_once() -> None:
    """The same route answers the same twice: nothing is kept from one request to the next but the document."""
    assert ask(whole(), "/api/v1/links").body == ask(whole(), "/api/v1/links").body
    assert ask(NoNode(), OPENAPI_PATH).body == ask(whole(), OPENAPI_PATH).body
