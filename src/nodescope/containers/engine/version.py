"""Which version of the Docker Engine API to speak with an engine, and what that engine is.

Source: Docker Engine API reference, GET /version (Version, ApiVersion, MinAPIVersion, Components). podman answers it
too, and names itself among its components. Docker 20.10 speaks up to 1.41, Docker 29 at least 1.44.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from nodescope.containers.bad_json import BAD_JSON
from nodescope.containers.engine.client import EngineFailed
from nodescope.kernel.file import Malformed

OLDEST: Final = (1, 41)
NEWEST: Final = (1, 52)
"""The newest that this code was written for; of a newer engine that is asked for, for its answers may change."""
MAX_WORD_CHARACTERS: Final = 64


class Engine(NamedTuple):
    """`runtime`: "docker" or "podman". `version`: its own. `api_version`: the one to speak, "1.41"."""

    runtime: str
    version: str
    api_version: str


class _Component(msgspec.Struct, frozen=True, rename="pascal"):
    name: str = ""


class _Version(msgspec.Struct, frozen=True, rename="pascal"):
    api_version: str
    version: str = ""
    min_api_version: str = msgspec.field(default="", name="MinAPIVersion")
    components: list[_Component] | None = None


_decoder: Final = msgspec.json.Decoder(_Version)


def negotiate(body: bytes, source: str) -> Engine:
    """What to speak with the engine that answered this to /version.

    Raises `Malformed`, and `EngineFailed` where the engine is too old.
    """
    try:
        told = _decoder.decode(body)
    except BAD_JSON:
        raise Malformed(source, body, "an engine's version") from None
    newest = _numbers(told.api_version)
    oldest = _numbers(told.min_api_version) or OLDEST
    if newest is None:
        raise Malformed(source, told.api_version, "a version of the API such as 1.41")
    if newest < OLDEST:
        raise EngineFailed(
            f"{source}: the engine speaks API {told.api_version[:MAX_WORD_CHARACTERS]}, and 1.41 is needed: "
            "update it to Docker 20.10 or later"
        )
    spoken = max(min(newest, NEWEST), min(oldest, newest))
    podman = any("podman" in component.name.lower() for component in told.components or ())
    version = told.version[:MAX_WORD_CHARACTERS]
    return Engine("podman" if podman else "docker", version, f"{spoken[0]}.{spoken[1]}")


def _numbers(version: str) -> tuple[int, int] | None:
    major, _, minor = version.partition(".")
    if not (major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit()):
        return None
    return (int(major), int(minor)) if len(version) <= 8 else None
