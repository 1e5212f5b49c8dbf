"""The OpenAPI document, made from the table of routes and the types of their answers.

Source: OpenAPI 3.1.0 (its schemas are JSON Schema 2020-12); msgspec's schema_components.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from nodescope.api.answers import ANSWERS
from nodescope.api.envelope import Lens, Problem, Standard
from nodescope.api.query import TEXT, Parameter
from nodescope.api.table import AGE_FIELD, LEFT_OUT_FIELD, OPENAPI_PATH, ROUTES, ApiRoute

VERSION: Final = "3.1.0"

_REFERENCE: Final = "#/components/schemas/"
_MODULE: Final = re.compile(r"nodescope(\.[a-z_]+)*\.")
_UNDERSCORES: Final = re.compile("_+")
_JSON: Final = "application/json"
_TEXT: Final = {"text/plain": {"schema": {"type": "string"}}}
_HEADERS: Final = {
    AGE_FIELD: {
        "description": "How long ago the data were read; not there where nothing was read yet.",
        "schema": {"type": "number", "minimum": 0},
    },
    LEFT_OUT_FIELD: {
        "description": "How many more there are than the limits of an answer allow; not there where none.",
        "schema": {"type": "integer", "minimum": 1},
    },
}


def document(title: str, version: str) -> dict[str, Any]:
    """The whole document."""
    types = [kind for route in ROUTES for kind in (*_data_types(route), _error_type(route))]
    unique = list({str(kind): kind for kind in types}.values())
    schemas, components = msgspec.json.schema_components(unique, ref_template=_REFERENCE + "{name}")
    schema_of = dict(zip(map(str, unique), schemas, strict=True))
    made = {
        "openapi": VERSION,
        "info": {"title": title, "version": version, "description": "What a GPU node has and what it reads."},
        "paths": {route.path: {"get": _operation(route, schema_of)} for route in ROUTES},
        "components": {"schemas": {_short(name): schema for name, schema in components.items()}},
    }
    return _with_short_references(made)  # type: ignore[no-any-return]


def _data_types(route: ApiRoute) -> tuple[Any, ...]:
    if route.path == OPENAPI_PATH:
        return (dict[str, Any],)
    answering = ANSWERS[route.name]
    if not route.enveloped:
        return (answering.type,)
    first = (answering.type,) if answering.bare else (Standard[answering.type], Lens[answering.type])  # type: ignore[name-defined]
    return (*first, Lens[None])


def _error_type(route: ApiRoute) -> Any:
    return Standard[None] if route.enveloped else Problem


def _operation(route: ApiRoute, schema_of: dict[str, Any]) -> dict[str, Any]:
    data = [schema_of[str(kind)] for kind in _data_types(route)]
    error = schema_of[str(_error_type(route))]
    can_miss = any(parameter.name in ("uuid", "device") for parameter in route.parameters)
    refused = {"400": "A parameter cannot be followed.", **({"404": "There is no such device."} if can_miss else {})}
    return {
        "operationId": route.path.strip("/").replace("/", "_").replace(".", "_"),
        "summary": route.help,
        "parameters": [_parameter(parameter) for parameter in route.parameters],
        "responses": {
            "200": {
                "description": "The newest there is.",
                "headers": _HEADERS,
                "content": {_JSON: {"schema": data[0] if len(data) == 1 else {"anyOf": data}}},
            },
            **{
                status: {"description": sentence, "content": {_JSON: {"schema": error}, **_TEXT}}
                for status, sentence in refused.items()
            },
        },
    }


def _short(name: str) -> str:
    """A name of a generic type without its modules: "Standard_list_LensGpu"."""
    return _UNDERSCORES.sub("_", _MODULE.sub("", name)).strip("_")


def _with_short_references(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _REFERENCE + _short(one.removeprefix(_REFERENCE)) if key == "$ref" else _with_short_references(one)
            for key, one in value.items()
        }
    return [_with_short_references(one) for one in value] if isinstance(value, list) else value


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "pattern": f"^{TEXT}$"}
    if parameter.choices:
        schema = {"type": "string", "enum": list(parameter.choices)}
    return {"name": parameter.name, "in": "query", "description": parameter.help, "schema": schema}
