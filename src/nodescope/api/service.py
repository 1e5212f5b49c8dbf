"""Answers a request of the API: its parameters checked, its data in their envelope, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from nodescope.api.node import Node
from nodescope.api.query import ENVELOPES, BadQuery, NotFound, Query, parsed
from nodescope.api.table import AGE_FIELD, LEFT_OUT_FIELD, OPENAPI_PATH, ApiRoute

if TYPE_CHECKING:
    from nodescope.api.answers import Answering

OK: Final = 200
BAD_REQUEST: Final = 400
NOT_FOUND: Final = 404
AGE_DIGITS: Final = 3


class Answered(NamedTuple):
    """`headers`: how old the data are, and how many more there are than the limits allow."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Api:
    """The API of one node. `envelope`: of those answers that have one, where the request does not say.

    What only an answer needs is imported by the first request, and the OpenAPI document is made by the first that asks
    for it: who never asks does not pay.
    """

    def __init__(self, node: Node, envelope: str, title: str, version: str) -> None:
        self._node = node
        self._envelope = envelope
        self._title = title
        self._version = version
        self._document = b""

    def answer(self, route: ApiRoute, given: Mapping[str, Sequence[str]]) -> Answered:
        """The answer of `route` to these parameters."""
        kind = self._kind(given)
        try:
            query = parsed(given, route.parameters)
            if route.path == OPENAPI_PATH:
                return Answered(OK, self._openapi())
            return self._answered(route, query, kind)
        except (BadQuery, NotFound) as error:
            return _refused(route, kind, BAD_REQUEST if isinstance(error, BadQuery) else NOT_FOUND, str(error))

    def _answered(self, route: ApiRoute, query: Query, kind: str) -> Answered:
        from nodescope.api import envelope
        from nodescope.api.answers import ANSWERS

        answering: Answering = ANSWERS[route.name]
        answer = answering.answer(self._node, query)
        data = envelope.wrapped(kind, answer.data) if route.enveloped and not answering.bare else answer.data
        return Answered(OK, _encoded(data), _headers(answer.age_seconds, answer.left_out))

    def _openapi(self) -> bytes:
        if not self._document:
            from nodescope.api.openapi import document

            self._document = _encoded(document(self._title, self._version))
        return self._document

    def _kind(self, given: Mapping[str, Sequence[str]]) -> str:
        """The envelope of an answer, also of one to parameters that cannot be followed."""
        asked = given.get("envelope", ())
        return asked[0] if len(asked) == 1 and asked[0] in ENVELOPES else self._envelope


def _refused(route: ApiRoute, kind: str, status: int, sentence: str) -> Answered:
    from nodescope.api import envelope

    if not route.enveloped:
        return Answered(status, _encoded(envelope.Problem(sentence)))
    code, body = envelope.refused(kind, status, sentence)
    return Answered(code, _encoded(body))


def _headers(age_seconds: float | None, left_out: int) -> tuple[tuple[str, str], ...]:
    age = () if age_seconds is None else ((AGE_FIELD, str(round(age_seconds, AGE_DIGITS))),)
    return (*age, *(((LEFT_OUT_FIELD, str(left_out)),) if left_out else ()))


def _encoded(value: object) -> bytes:
    try:
        return msgspec.json.encode(value) + b"\n"
    except UnicodeEncodeError:
        # A name that is not UTF-8, of which nobody took notice before.
        return msgspec.json.encode(_clean(msgspec.to_builtins(value))) + b"\n"


def _clean(value: Any) -> Any:
    """`value` with U+FFFD for halves of surrogate pairs."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, dict):
        return {_clean(key): _clean(one) for key, one in value.items()}
    return [_clean(one) for one in value] if isinstance(value, list) else value
