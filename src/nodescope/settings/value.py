"""What a raw value is as a value of its setting: from a flag, the environment, or YAML."""

from __future__ import annotations

import re
import warnings
from reprlib import Repr
from typing import Any, Final, Protocol, Self

from nodescope.settings import re2
from nodescope.settings.setting import Setting, SettingsError

MAX_LABELS: Final = 64
TELEMETRY_PATH: Final = "web.telemetry-path"
TAKEN_PATHS: Final = (
    "/health",
    "/ready",
    "/-/healthy",
    "/-/ready",
    "/-/reload",
    "/api/v1/status",
    "/api/v1/gpu/pause",
    "/api/v1/gpu/resume",
    *(f"/api/v1/{name}" for name in ("gpus", "links", "topology", "health", "rdma", "openapi.json")),
    *(
        f"{start}/{name}"
        for start in ("", "/v1")
        for name in ("gpus", "gpuDriverVersion", "cardMetrics", "driMapping", "rdma", "pods")
    ),
)
"""Of all routes but those of the metrics and the landing page."""
MAX_SHOWN: Final = 80
EXACT: Final = ".15g"
OPPOSITE: Final = "not {}"
"""The form of another program's switch that is off where it is on here."""

_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})
_WHOLE: Final = re.compile(r"[-+]?[0-9]+")
_DECIMAL: Final = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_DURATION: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h|d|w|y)")
_SECONDS: Final = {
    "ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "\u03bcs": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0,
    "d": 86_400.0, "w": 604_800.0, "y": 31_536_000.0,
}  # fmt: skip
"""Units of Go's durations and of Prometheus'. Source: time.ParseDuration; prometheus/common, model.ParseDuration."""
_NEXT_LABEL: Final = re.compile(r",\s*[a-zA-Z_][a-zA-Z0-9_]*=")
_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

_OF_SEVERAL: Final = frozenset({"list", "labels", "listeners"})
_NUMBERS: Final = frozenset({"int", "number", "duration"})
_REPR: Final = Repr()
_REPR.maxlevel = 2
_REPR.maxstring = _REPR.maxother = MAX_SHOWN


class Node(Protocol):
    """A scalar of a YAML file."""

    value: str


class WrittenInt(int):
    """A number that remembers how YAML has it, and is shown so: as a word 007 is 007."""

    written: str

    @classmethod
    def of(cls, number: int, node: Node) -> Self:
        made = cls(number)
        made.written = node.value
        return made

    def __repr__(self) -> str:
        return self.written


class WrittenFloat(float):
    """As `WrittenInt`: as a word 1.10 is 1.10."""

    written: str

    @classmethod
    def of(cls, number: float, node: Node) -> Self:
        made = cls(number)
        made.written = node.value
        return made

    def __repr__(self) -> str:
        return self.written


def read_value(setting: Setting, raw: Any, origin: str) -> Any:
    """What `raw` is as a value of `setting`. Raises `SettingsError`, which names `origin`."""
    try:
        if isinstance(raw, (dict, list, tuple, set)) and setting.kind not in _OF_SEVERAL:
            raise ValueError("one value")
        if setting.kind in _NUMBERS and isinstance(raw, (WrittenInt, WrittenFloat)):
            _check_as_written(raw)
        return _READ[setting.kind](setting, raw)
    except ValueError as error:
        raise SettingsError(f"{origin}: {setting.key} is {shown(raw)}, expected {error}") from None


def _check_as_written(number: WrittenInt | WrittenFloat) -> None:
    """Refuses what YAML takes for another number than a person does: 010 is 8 in it, and 1:30 is 90.

    Source: YAML 1.1, its types int (base 8, base 60) and float.
    """
    digits = number.written.replace("_", "").lstrip("+-")
    if ":" in digits or (_WHOLE.fullmatch(digits) and digits.startswith("0") and abs(number) != int(digits)):
        raise ValueError(f"no leading 0 and no colon: YAML takes {number.written[:MAX_SHOWN]} for {shown(number + 0)}")


def in_form(form: str, value: str) -> str:
    """Another program's value as it is written here; one that ends in a letter has its unit, or is no number."""
    if form == OPPOSITE:
        word = value.strip().lower()
        return "false" if word in _TRUE else "true" if word in _FALSE else value
    return value if form.startswith("{}") and value[-1:].isalpha() else form.format(value)


def shown(raw: Any) -> str:
    """`raw` as an error sentence has it, at most `MAX_SHOWN` characters."""
    # In a file of ten lines one list can hold another, and that one the next, beyond all memory.
    try:
        text = raw.written if isinstance(raw, (WrittenInt, WrittenFloat)) else _REPR.repr(raw)
        return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."
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
    if isinstance(raw, (bool, float)) or (isinstance(raw, str) and not _WHOLE.fullmatch(raw.strip())):
        raise ValueError(expected)
    try:
        value = int(raw)
    except (TypeError, ValueError):
        raise ValueError(expected) from None
    return int(_bounded(setting, value, expected))


def _number(setting: Setting, raw: Any) -> float:
    expected = f"a number{_bounds(setting)}"
    if isinstance(raw, bool) or (isinstance(raw, str) and not _DECIMAL.fullmatch(raw.strip())):
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
        if not _DECIMAL.fullmatch(text):
            raise ValueError(expected)
        return _bounded(setting, float(text), expected)
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
        return f", {setting.minimum:{EXACT}}{unit} or more"
    return f" from {setting.minimum:{EXACT}} to {setting.maximum:{EXACT}}{unit}"


def _string(setting: Setting, raw: Any) -> str:
    if isinstance(raw, (dict, list, tuple)) or raw is None:
        raise ValueError("a word")
    text = str(raw)
    if setting.key == TELEMETRY_PATH and not re.fullmatch(r"/[\w./-]*", text):
        raise ValueError("a path such as /metrics")
    if setting.key == TELEMETRY_PATH and text in TAKEN_PATHS:
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
        text = str(raw)
        return re2.compiled(text) if setting.kind == "regex" else _python_regex(text)
    except (re.error, RecursionError, OverflowError, ValueError) as error:
        raise ValueError(f"a regular expression ({error})") from None


def _python_regex(text: str) -> re.Pattern[str]:
    # What a later Python may read otherwise, [[a] for one, is no news to who reads the log.
    with warnings.catch_warnings(action="ignore", category=FutureWarning):
        return re.compile(text)


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
        pairs = [pair.split("=", 1) for pair in raw]
        if any(_NEXT_LABEL.search(value) for _, value in pairs):
            raise ValueError(f"{expected}, each in a flag of its own")
        if len({name.strip() for name, _ in pairs}) < len(pairs):
            raise ValueError(f"{expected}, each name once")
        raw = dict(pairs)
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


def _collectors(setting: Setting, raw: Any) -> tuple[str, ...]:
    try:
        return _list(setting, raw)
    except ValueError:
        raise ValueError("names of collectors in the collectors of each listener") from None


def _listeners(setting: Setting, raw: Any) -> tuple[dict[str, Any], ...]:
    if not isinstance(raw, (list, tuple)) or not all(isinstance(item, dict) for item in raw):
        raise ValueError("a list of listeners, each with an address")
    known = {"address", "role", "collectors", "constant-labels"}
    listeners = []
    for item in raw:
        listener = {str(name).replace("_", "-"): value for name, value in item.items()}
        if len(listener) < len(item):
            raise ValueError("constant_labels once in each listener")
        for name in listener:
            if name not in known:
                raise ValueError(f"listeners with {', '.join(sorted(known))} only; {name!r} is not known")
        if not isinstance(listener.get("address"), str):
            raise ValueError("an address, HOST:PORT, in each listener")
        if not isinstance(listener.get("role", ""), str):
            raise ValueError("listeners whose role is a word")
        if "collectors" in listener:
            listener["collectors"] = _collectors(setting, listener["collectors"])
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
