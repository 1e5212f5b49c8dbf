"""The options of the GPU child: one JSON object, as `nodescope.devices.nvidia.frame.Options` describes it."""

from __future__ import annotations

from typing import Final

import msgspec

MIN_INTERVAL_S: Final = 0.1
MAX_INTERVAL_S: Final = 3600.0
ALL_CALLS: Final = "*"
MAX_SHOWN: Final = 80


class BadOptions(Exception):
    """The options are not what they should be. One sentence says why."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`library`: path or name of the driver's library. `skip`: GPU's UUID -> calls not to make, or `ALL_CALLS`."""

    interval_seconds: float = 1.0
    library: str = "libnvidia-ml.so.1"
    skip: dict[str, frozenset[str]] = {}
    processes: bool = True
    profiling: bool = True


def parse(data: str) -> Options:
    """Raises `BadOptions`. A name that is not known is an error: the parent is of the same version."""
    try:
        options = msgspec.json.decode(data.encode(errors="surrogateescape"), type=Options)
    except msgspec.MsgspecError as error:
        raise BadOptions(f"{data[:MAX_SHOWN]!r}: expected a JSON object of options: {error}") from None
    if not MIN_INTERVAL_S <= options.interval_seconds <= MAX_INTERVAL_S:
        raise BadOptions(f"interval_seconds: expected {MIN_INTERVAL_S:g} to {MAX_INTERVAL_S:g}")
    return options
