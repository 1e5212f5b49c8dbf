"""What the engine says has happened -> what is heard of a container.

Source: Docker Engine API reference, GET /events: one JSON object a line; podman's service answers the same, and some of
its words are its own. Events of exec, of attaching and of stopping (which ends in "die") are no events here.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from nodescope.containers.bad_json import BAD_JSON
from nodescope.containers.engine.device_evidence import Int64
from nodescope.containers.engine.inspect import HEALTH, MAX_IMAGE_CHARACTERS, MAX_NAME_CHARACTERS, NANOSECONDS
from nodescope.containers.lifecycle import Heard
from nodescope.kernel.file import Malformed

KINDS: Final = {
    "create": "created",
    "start": "running",
    "unpause": "resumed",
    "pause": "paused",
    "die": "exited",
    "died": "exited",
    "oom": "oom_killed",
    "destroy": "deleted",
    "remove": "deleted",
    "health_status": "health",
    "rename": "changed",
    "update": "changed",
}
"""Action -> kind. A "restart" follows a "start", which tells it; "died" and "remove" are podman's."""
MAX_EXIT_CODE: Final = 0xFFFF_FFFF

_ID: Final = re.compile(r"[0-9a-f]{12,128}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,10}")


class _Actor(msgspec.Struct, rename="pascal"):
    id: str = msgspec.field(default="", name="ID")
    attributes: dict[str, str] | None = None


class _Event(msgspec.Struct):
    type: str | None = msgspec.field(default=None, name="Type")
    action: str | None = msgspec.field(default=None, name="Action")
    actor: _Actor | None = msgspec.field(default=None, name="Actor")
    time: Int64 | None = None
    time_ns: Int64 | None = msgspec.field(default=None, name="timeNano")


_decoder: Final = msgspec.json.Decoder(_Event)


def parse_event(line: bytes, source: str) -> Heard | None:
    """Of one line of /events; None for what is of no concern. Raises `Malformed`."""
    try:
        told = _decoder.decode(line)
    except BAD_JSON as error:
        raise Malformed(source, str(error), "an event in JSON") from None
    action, _, detail = (told.action or "").partition(":")
    kind = KINDS.get(action)
    if told.type not in (None, "container") or kind is None:
        return None
    container_id = told.actor.id if told.actor else ""
    if not _ID.fullmatch(container_id):
        raise Malformed(source, container_id, "a container's id in an event")
    attributes = (told.actor.attributes if told.actor else None) or {}
    health = (detail or attributes.get("health_status", "")).strip() if kind == "health" else None
    if health is not None and health not in HEALTH:
        if health:
            return None
        # podman says that a check is made, before it is, and not how it ends.
        kind, health = "checked", None
    nanoseconds = told.time_ns or (told.time or 0) * NANOSECONDS
    if nanoseconds <= 0:
        raise Malformed(source, f"{nanoseconds}", "the time of an event")
    return Heard(
        container_id,
        kind,
        nanoseconds / NANOSECONDS,
        name=attributes.get("name", "").removeprefix("/")[:MAX_NAME_CHARACTERS] or None,
        exit_code=_exit_code(attributes) if kind == "exited" else None,
        health=health,
        image=attributes.get("image", "")[:MAX_IMAGE_CHARACTERS] or None,
    )


def _exit_code(attributes: dict[str, str]) -> int | None:
    told = attributes.get("exitCode") or attributes.get("containerExitCode") or ""
    code = int(told) if _NUMBER.fullmatch(told) else None
    return code if code is not None and abs(code) <= MAX_EXIT_CODE else None
