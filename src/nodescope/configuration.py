"""Reads settings: flag > NODESCOPE_* environment > YAML file > default of the role > default of the table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from reprlib import Repr
from typing import TYPE_CHECKING, Any, Final

from nodescope.settings import BY_KEY, ENVIRONMENT_PREFIX, TABLE, Origin, Setting, Settings, SettingsError, re2

if TYPE_CHECKING:
    import yaml

MAX_FILE_BYTES: Final = 1024 * 1024
MAX_LABELS: Final = 64
TAKEN_PATHS: Final = (
    "/health",
    "/ready",
    "/-/healthy",
    "/-/ready",
    "/-/reload",
    "/api/v1/status",
    "/api/v1/gpu/pause",
    "/api/v1/gpu/resume",
)
NEAR: Final = 0.8
"""How alike two names must be for one to be offered for the other."""
MAX_NAMES: Final = 1000
MAX_DEPTH: Final = 10
MAX_SHOWN: Final = 80

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

_OF_SEVERAL: Final = frozenset({"list", "labels", "listeners"})
_REPR: Final = Repr()
_REPR.maxlevel = 2
_REPR.maxstring = _REPR.maxother = MAX_SHOWN

Given = tuple[Any, str]
"""A raw value and where it came from, in words."""


def load(
    flags: Mapping[str, Any],
    environment: Mapping[str, str],
    role_defaults: Mapping[str, Any] | None = None,
    aliases: Iterable[tuple[str, str, str]] = (),
) -> Settings:
    """All settings. `flags`: key -> raw value. Raises `SettingsError`; unknown keys become warnings.

    `aliases`: another program's environment name, the key that it sets, and the form of the value, in which `{}` stands
    for what is given; an empty one is none.
    """
    warnings: list[str] = []
    given: dict[str, Given] = {key: (value, "default of the role") for key, value in (role_defaults or {}).items()}
    named = [alias for alias in aliases if environment.get(alias[0])]
    from_environment = {key: (form.format(environment[name]), f"environment {name}") for name, key, form in named}
    from_environment |= _environment(environment, warnings)
    file = flags["config.file"] if "config.file" in flags else from_environment.get("config.file", ("", ""))[0]
    if file:
        given.update(_file(file, warnings))
    given |= from_environment | {key: (value, f"flag --{BY_KEY[key].flag_name}") for key, value in flags.items()}
    values, origins = dict[str, Any](), dict[str, Origin]()
    for setting in TABLE:
        raw, origin = given.get(setting.key, (setting.default, "default"))
        values[setting.key] = read_value(setting, raw, origin)
        origins[setting.key] = Origin(origin, str(raw) if isinstance(values[setting.key], re.Pattern) else "")
    return Settings(values, origins, tuple(warnings))


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint ", did you mean X?" or nothing."""
    from difflib import get_close_matches  # most make no mistake

    close = get_close_matches(word, list(known), 1, NEAR)
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
        document = yaml.load(text, _loader())  # noqa: S506 a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError(f"file {path} is not YAML: {' '.join(str(error).split())}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SettingsError(f"file {path}: expected settings as NAME: VALUE, got a {type(document).__name__}")
    found: dict[str, Given] = {}
    for count, (key, value) in enumerate(_flat(document, "", f"file {path}", 0)):
        if count >= MAX_NAMES:
            raise SettingsError(f"file {path} has more than {MAX_NAMES} names")
        if value is None and _is_known(key):
            continue  # a name without a value says nothing
        if key in found:
            raise SettingsError(f"file {path}: {key} is given twice, expected once")
        if key in BY_KEY:
            found[key] = (value, f"file {path}")
        else:
            warnings.append(f"file {path}: {key[:MAX_SHOWN]} is not a setting{nearest(key[:MAX_SHOWN], BY_KEY)}")
    return found


def _loader() -> type[yaml.SafeLoader]:
    import yaml

    class Loader(yaml.SafeLoader):
        """Takes no name twice: of two values, one would be in force unseen."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            seen: set[str] = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(problem=f"{key.value!r} is given twice", problem_mark=key.start_mark)
                seen.add(key.value)
            return super().construct_mapping(node, deep)

    return Loader


_SPELLED: Final = {key.replace("_", "-"): key for key in BY_KEY}
"""Key with each `_` as `-`, for in YAML they are the same -> key."""


def _is_known(key: str) -> bool:
    return key in BY_KEY or any(known.startswith(f"{key}.") for known in _SPELLED)


def _flat(document: Mapping[Any, Any], prefix: str, origin: str, depth: int) -> Iterator[tuple[str, Any]]:
    """YAML mapping -> dotted keys. `_` and `-` are the same; `collector: {cpu: true}` is `collector.cpu.enabled`."""
    if depth >= MAX_DEPTH:
        raise SettingsError(f"{origin}: {prefix[:MAX_SHOWN]} is nested deeper than any setting")
    for name, value in document.items():
        if not isinstance(name, str):
            raise SettingsError(f"{origin}: expected names of settings, got {name!r}")
        key = prefix + name.replace("_", "-")
        if f"{key}.enabled" in _SPELLED and value is not None and not isinstance(value, dict):
            key += ".enabled"
        setting = BY_KEY.get(_SPELLED.get(key, key))
        if isinstance(value, dict) and not (setting and setting.kind == "labels"):
            yield from _flat(value, f"{key}.", origin, depth + 1)
        else:
            yield _SPELLED.get(key, key), value


def read_value(setting: Setting, raw: Any, origin: str) -> Any:
    """What `raw` is as a value of `setting`. Raises `SettingsError`, which names `origin`."""
    try:
        if isinstance(raw, (dict, list, tuple, set)) and setting.kind not in _OF_SEVERAL:
            raise ValueError("one value")
        return _READ[setting.kind](setting, raw)
    except ValueError as error:
        raise SettingsError(f"{origin}: {setting.key} is {_shown(raw)}, expected {error}") from None


def _shown(raw: Any) -> str:
    # In a file of ten lines one list can hold another, and that one the next, beyond all memory.
    try:
        shown = _REPR.repr(raw)
        return shown if len(shown) <= MAX_SHOWN else shown[: MAX_SHOWN - 3] + "..."
    except ValueError:  # a number of more digits than Python writes
        return "a number beyond all bounds"


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
    except (TypeError, ValueError, OverflowError):
        raise ValueError(expected) from None
    return _bounded(setting, value, expected)


def _duration(setting: Setting, raw: Any) -> float:
    expected = f"a duration such as 500ms, 10s or 1m30s{_bounds(setting)}"
    if isinstance(raw, (int, float)) and not isinstance(raw, bool):
        return float(_bounded(setting, raw, expected))
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
    if text in TAKEN_PATHS:
        raise ValueError("a path such as /metrics that is not another route's")
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
        return re2.compiled(str(raw)) if setting.kind == "regex" else re.compile(str(raw))
    except (re.error, RecursionError, OverflowError, ValueError) as error:
        raise ValueError(f"a regular expression ({error})") from None


def _path(setting: Setting, raw: Any) -> str:
    if not isinstance(raw, str) or "\0" in raw:
        raise ValueError("a path")
    return raw


def _list(setting: Setting, raw: Any) -> tuple[str, ...]:
    parts = raw.split(setting.separator) if isinstance(raw, str) else raw
    if setting.default == () and isinstance(parts, (list, tuple)) and not any(parts):
        return ()
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
    if not all(isinstance(name, str) for name in raw):
        raise ValueError(f"{expected}; a name such as on or 1 needs quotes")
    labels = {name.strip(): value if isinstance(value, str) else _plain(value) for name, value in raw.items()}
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
        if not isinstance(listener.get("role", ""), str):
            raise ValueError("listeners whose role is a word")
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
    "python-regex": _regex,
    "path": _path,
    "list": _list,
    "labels": _labels,
    "listeners": _listeners,
}
