"""Lines of /events, and what is heard in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.containers.engine.events import parse_event
from nodescope.containers.lifecycle import Heard
from nodescope.kernel.file import Malformed

ID = "ab" * 32


def line(action: str, **attributes: str) -> bytes:
    actor = {"ID": ID, "Attributes": {"name": "train", "image": "vllm:1", **attributes}}
    return json.dumps({"Type": "container", "Action": action, "Actor": actor, "timeNano": 1_500_000_000}).encode()


@pytest.mark.parametrize(
    ("data", "kind", "more"),
    [
        (line("create"), "created", {}),
        (line("start"), "running", {}),
        (line("pause"), "paused", {}),
        (line("unpause"), "resumed", {}),
        (line("die", exitCode="137"), "exited", {"exit_code": 137}),
        (line("died", containerExitCode="3"), "exited", {"exit_code": 3}),
        (line("die", exitCode="many"), "exited", {}),
        (line("oom"), "oom_killed", {}),
        (line("destroy"), "deleted", {}),
        (line("remove"), "deleted", {}),
        (line("health_status: unhealthy"), "health", {"health": "unhealthy"}),
        (line("health_status", health_status="healthy"), "health", {"health": "healthy"}),
        (line("health_status"), "checked", {}),
        (line("rename"), "changed", {}),
        (line("update"), "changed", {}),
    ],
)
def test_words_of_both_engines(data: bytes, kind: str, more: dict[str, Any]) -> None:
    """Each action that changes a container is heard with the engine's time and what it says.

    A new name or limit, and podman's check without a result, mean another look at the container.
    """
    assert parse_event(data, "s") == Heard(ID, kind, 1.5, name="train", image="vllm:1", **more)


@pytest.mark.parametrize(
    "data",
    [
        line("exec_create: sh -c true"),
        line("exec_die", exitCode="1"),
        line("restart"),
        line("stop"),
        line("kill"),
        line("health_status: strange"),
        b'{"Type":"image","Action":"remove","Actor":{"ID":"busybox"},"timeNano":1}',
        b"{}",
    ],
)
def test_what_is_of_no_concern(data: bytes) -> None:
    """Execs, what other events tell already, and other things than containers are no events."""
    assert parse_event(data, "s") is None


@given(st.one_of(st.binary(max_size=60), st.integers(0, 200).map(lambda at: line("die", exitCode="1")[:at])))
def test_any_line(data: bytes) -> None:
    """Any bytes are an event, nothing, or Malformed."""
    try:
        parse_event(data, "s")
    except Malformed:
        return


def test_an_endless_time_is_malformed() -> None:
    """A time with 400 digits is refused."""
    with pytest.raises(Malformed):
        parse_event(line("die").replace(b"1500000000", b"9" * 400), "s")
