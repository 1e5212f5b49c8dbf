"""Query parameters: what there are, and how a request's are read. Each may be given once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

TEXT: Final = "[!-~]{1,128}"
"""What a device may be called: printable ASCII without blanks, as in a uuid."""
SHOWN: Final = 40

VENDORS: Final = ("amd", "nvidia", "intel")
ENVELOPES: Final = ("standard", "lens")
STATES: Final = ("ok", "unknown", "warning", "critical")


class BadQuery(Exception):
    """The parameters cannot be followed. One sentence for the client."""


class NotFound(Exception):
    """There is no such device. One sentence for the client."""


class Parameter(NamedTuple):
    """`choices`: the values it takes; none: any `TEXT`."""

    name: str
    help: str
    choices: tuple[str, ...] = ()


VENDOR: Final = Parameter("vendor", "Only GPUs of this vendor.", VENDORS)
UUID: Final = Parameter("uuid", "Only the GPU with this uuid; 404 where there is none.")
STATE: Final = Parameter("state", "Only verdicts of this state.", STATES)
DEVICE: Final = Parameter("device", "Only the RDMA device of this name; 404 where there is none.")
ENVELOPE: Final = Parameter(
    "envelope",
    "What goes around the data: code, data and message, with errors as HTTP status (standard); or meta, data and "
    "tracing, with errors in meta.code alone (lens). Without it the setting api.envelope decides.",
    ENVELOPES,
)

Query = Mapping[str, str]
"""The parameters that were given, by name."""


def parsed(given: Mapping[str, Sequence[str]], parameters: Sequence[Parameter]) -> Query:
    """Raises `BadQuery`."""
    known = {parameter.name: parameter for parameter in parameters}
    for name in given:
        if name not in known:
            raise BadQuery(f"there is no parameter {name[:SHOWN]!r} here, expected {_listed(known) or 'none'}")
    return {name: _value(known[name], values) for name, values in given.items()}


def _value(parameter: Parameter, values: Sequence[str]) -> str:
    if len(values) != 1:
        raise BadQuery(f"{parameter.name} is given {len(values)} times, expected once")
    value = values[0]
    if parameter.choices and value not in parameter.choices:
        raise BadQuery(f"{parameter.name} is {value[:SHOWN]!r}, expected one of {_listed(parameter.choices)}")
    if not parameter.choices and re.fullmatch(TEXT, value) is None:
        raise BadQuery(f"{parameter.name} is {value[:SHOWN]!r}, expected 1 to 128 letters, digits or signs")
    return value


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
