"""msgspec, imported without the modules that only its unused parts need.

It takes types from uuid and decimal to encode such values, of which nodescope has none, the C half of datetime, and
typing_extensions where that is installed, though it needs nothing of it from Python 3.11 on; its own schema of types
is for the OpenAPI document alone, and loaded by it. While msgspec is imported others stand in for them: 0.6 MB for
2.4. Afterwards whoever imports one of these names gets the real one. A msgspec that needs more of them is imported
plainly. Import this before other threads run.
"""

from __future__ import annotations

import _datetime  # type: ignore[import-not-found]
import sys
from types import ModuleType
from typing import Any


class _Unused:
    """A type of which there is no value."""

    unknown = None


def _schema(*arguments: Any, **named: Any) -> Any:
    from msgspec._json_schema import schema

    return schema(*arguments, **named)


def _schema_components(*arguments: Any, **named: Any) -> Any:
    from msgspec._json_schema import schema_components

    return schema_components(*arguments, **named)


def _module(name: str, **names: object) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(names)
    return made


def _stand_ins() -> dict[str, ModuleType | None]:
    # Python's half of datetime is thrown away as soon as it is loaded; None makes an import fail, which msgspec allows.
    return {
        "typing_extensions": None,
        "datetime": _datetime,
        "uuid": _module("uuid", UUID=_Unused, SafeUUID=_Unused),
        "decimal": _module("decimal", Decimal=_Unused),
        "msgspec.inspect": _module("msgspec.inspect"),
        "msgspec._json_schema": _module("msgspec._json_schema", schema=_schema, schema_components=_schema_components),
    }


def _import_lightly() -> None:
    placed = {name: module for name, module in _stand_ins().items() if name not in sys.modules}
    sys.modules.update(placed)  # type: ignore[arg-type]
    try:
        import msgspec

        # The package has the stand-in as an attribute, and importing it would find that.
        vars(msgspec).pop("inspect", None)
    finally:
        for name in placed:
            sys.modules.pop(name, None)


def _import_plainly() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "msgspec"]:
        del sys.modules[name]
    import msgspec as _  # noqa: F401


if "msgspec" not in sys.modules:
    try:
        _import_lightly()
    except (ImportError, AttributeError):
        _import_plainly()
