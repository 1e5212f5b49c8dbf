"""Reads settings: flag > NODESCOPE_* environment > YAML file > default of the role > default of the table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

from nodescope.settings import BY_KEY, ENVIRONMENT_PREFIX, TABLE, Origin, Setting, Settings, SettingsError

MAX_FILE_BYTES: Final = 1024 * 1024
MAX_LABELS: Final = 64

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

Given = tuple[Any, str]
"""A raw value and where it came from, in words."""


def load(
    flags: Mapping[str, Any],
    environment: Mapping[str, str],
    role_defaults: Mapping[str, Any] | None = None,
) -> Settings:
    """All settings. `flags`: key -> raw value. Raises `SettingsError`; unknown keys become warnings."""
    warnings: list[str] = []
    given: dict[str, Given] = {key: (value, "default of the role") for key, value in (role_defaults or {}).items()}
    from_environment = dict(_environment(environment, warnings))
    file = flags.get("config.file") or from_environment.get("config.file", ("", ""))[0]
    if file:
        given.update(_file(file, warnings))
    given.update(from_environment)
    given.update({key: (value, f"flag --{BY_KEY[key].flag_name}") for key, value in flags.items()})
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for setting in TABLE:
        raw, origin = given.get(setting.key, (setting.default, "default"))
        values[setting.key] = _value(setting, raw, origin)
        origins[setting.key] = Origin(origin)
    return Settings(values, origins, tuple(warnings))


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint ", did you mean X?" or nothing."""
    close = get_close_matches(word, list(known), 1)
    return f", did you mean {close[0]}?" if close else ""


def _environment(environment: Mapping[str, str], warnings: list[str]) -> Iterator[tuple[str, Given]]:
    names = {name: setting for setting in TABLE for name in (*setting.aliases, setting.environment_name)}
    for name, setting in names.items():
        if name in environment:
            yield setting.key, (environment[name], f"environment {name}")
    unknown = (name for name in sorted(environment) if name.startswith(ENVIRONMENT_PREFIX) and name not in names)
    warnings.extend(f"environment {name} is not a setting{nearest(name, names)}" for name in unknown)


def _file(path: str, warnings: list[str]) -> dict[str, Given]:
    import yaml

    try:
        with open(path, "rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"file {path} cannot be read: {error.strerror}") from error
    if len(text) > MAX_FILE_BYTES:
        raise SettingsError(f"file {path} is larger than {MAX_FILE_BYTES} bytes")
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = " ".join(str(error).split())
        raise SettingsError(f"file {path} is not YAML: {where}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SettingsError(f"file {path}: expected settings as NAME: VALUE, got a {type(document).__name__}")
    found: dict[str, Given] = {}
    for key, value in _flat(document, "", f"file {path}"):
        if key in BY_KEY:
            found[key] = (value, f"file {path}")
        else:
            warnings.append(f"file {path}: {key} is not a setting{nearest(key, BY_KEY)}")
    return found


def _flat(document: Mapping[Any, Any], prefix: str, origin: str) -> Iterator[tuple[str, Any]]:
    """YAML mapping -> dotted keys. `_` and `-` are the same; `collector: {cpu: true}` is `collector.cpu.enabled`."""
    for name, value in document.items():
        if not isinstance(name, str):
            raise SettingsError(f"{origin}: expected names of settings, got {name!r}")
        key = prefix + name.replace("_", "-")
        if f"{key}.enabled" in BY_KEY and not isinstance(value, dict):
            key += ".enabled"
        setting = BY_KEY.get(key)
        if isinstance(value, dict) and not (setting and setting.kind == "labels"):
            yield from _flat(value, key + ".", origin)
        else:
            yield key, value


def _value(setting: Setting, raw: Any, origin: str) -> Any:
    try:
        return _READ[setting.kind](setting, raw)
    except ValueError as error:
        raise SettingsError(f"{origin}: {setting.key} is {_shown(raw)}, expected {error}") from None


def _shown(raw: Any) -> str:
    shown = repr(raw)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def _bool(setting: Setting, raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    word = str(raw).strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("true or false")
    return word in _TRUE


def _int(setting: Setting, raw: Any) -> int:
    expected = f"a whole number{_bounds(setting)}"
    if isinstance(raw, (bool, float)):
        raise ValueError(expected)
    try:
        value = int(raw)
    except (TypeError, ValueError):
        raise ValueError(expected) from None
    return int(_bounded(setting, value, expected))


def _number(setting: Setting, raw: Any) -> float:
    expected = f"a number{_bounds(setting)}"
    if isinstance(raw, bool):
        raise ValueError(expected)
    try:
        value = float(raw)
    except (TypeError, ValueError):
        raise ValueError(expected) from None
    return _bounded(setting, value, expected)


def _duration(setting: Setting, raw: Any) -> float:
    expected = f"a duration such as 500ms, 10s or 1m30s{_bounds(setting)}"
    if isinstance(raw, (int, float)) and not isinstance(raw, bool):
        return _bounded(setting, float(raw), expected)
    text = str(raw).strip()
    parts = _DURATION.findall(text)
    if not parts or "".join(amount + unit for amount, unit in parts) != text:
        try:
            return _bounded(setting, float(text), expected)
        except ValueError:
            raise ValueError(expected) from None
    return _bounded(setting, sum(float(amount) * _SECONDS[unit] for amount, unit in parts), expected)


def _bounded(setting: Setting, value: float, expected: str) -> float:
    low = float("-inf") if setting.minimum is None else setting.minimum
    high = float("inf") if setting.maximum is None else setting.maximum
    if not low <= value <= high or value in (float("inf"), float("-inf")):
        raise ValueError(expected)
    return value


def _bounds(setting: Setting) -> str:
    unit = f" {setting.unit}" if setting.unit else ""
    if setting.minimum is None:
        return ""
    if setting.maximum is None:
        return f", {setting.minimum:g}{unit} or more"
    return f" from {setting.minimum:g} to {setting.maximum:g}{unit}"


def _string(setting: Setting, raw: Any) -> str:
    if isinstance(raw, (dict, list, tuple)) or raw is None:
        raise ValueError("a word")
    text = str(raw)
    if setting.key == "web.telemetry-path" and not re.fullmatch(r"/[\w./-]*", text):
        raise ValueError("a path such as /metrics")
    return text


def _choice(setting: Setting, raw: Any) -> str:
    text = str(raw).strip().lower()
    if text not in setting.choices:
        raise ValueError("one of " + ", ".join(choice or "nothing" for choice in setting.choices))
    return text


def _regex(setting: Setting, raw: Any) -> re.Pattern[str] | None:
    if raw in ("", None):
        return None
    try:
        return re.compile(str(raw))
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"a regular expression ({error})") from None


def _path(setting: Setting, raw: Any) -> str:
    if not isinstance(raw, str) or "\0" in raw:
        raise ValueError("a path")
    return raw


def _list(setting: Setting, raw: Any) -> tuple[str, ...]:
    parts = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(parts, (list, tuple)) or not parts or not all(isinstance(p, str) and p.strip() for p in parts):
        raise ValueError("one or more words")
    return tuple(part.strip() for part in parts)


def _labels(setting: Setting, raw: Any) -> dict[str, str]:
    expected = "labels as NAME=VALUE"
    if isinstance(raw, str):
        raw = raw.split(",") if raw else []
    if isinstance(raw, (list, tuple)):
        if not all(isinstance(pair, str) and "=" in pair for pair in raw):
            raise ValueError(expected)
        raw = dict(pair.split("=", 1) for pair in raw)
    if not isinstance(raw, dict) or len(raw) > MAX_LABELS:
        raise ValueError(f"{expected}, at most {MAX_LABELS}")
    labels = {str(name).strip(): value if isinstance(value, str) else _plain(value) for name, value in raw.items()}
    for name in labels:
        if not _LABEL_NAME.fullmatch(name) or name.startswith("__"):
            raise ValueError(f"{expected}; {name!r} is not a label name")
    return labels


def _plain(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("labels as NAME=VALUE with words as values")
    return str(value)


def _listeners(setting: Setting, raw: Any) -> tuple[dict[str, Any], ...]:
    if not isinstance(raw, (list, tuple)) or not all(isinstance(item, dict) for item in raw):
        raise ValueError("a list of listeners, each with an address")
    known = {"address", "role", "collectors", "constant-labels"}
    listeners = []
    for item in raw:
        listener = {str(name).replace("_", "-"): value for name, value in item.items()}
        for name in listener:
            if name not in known:
                raise ValueError(f"listeners with {', '.join(sorted(known))} only; {name!r} is not known")
        if not isinstance(listener.get("address"), str):
            raise ValueError("an address, HOST:PORT, in each listener")
        if "collectors" in listener:
            listener["collectors"] = _list(setting, listener["collectors"])
        listener["constant-labels"] = _labels(setting, listener.get("constant-labels", {}))
        listeners.append(listener)
    return tuple(listeners)


_READ: Final[dict[str, Any]] = {
    "bool": _bool,
    "int": _int,
    "number": _number,
    "duration": _duration,
    "string": _string,
    "choice": _choice,
    "regex": _regex,
    "path": _path,
    "list": _list,
    "labels": _labels,
    "listeners": _listeners,
}
