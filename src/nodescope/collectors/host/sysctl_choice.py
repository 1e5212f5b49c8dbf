"""What the settings of collector sysctl choose: NAME, or NAME:FIELD,... for several values in one."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from nodescope.metric import Metric
from nodescope.settings import Settings, SettingsError

MAX_CHOICES: Final = 4096
MAX_FIELDS: Final = 1024

INFO: Final = Metric("node_sysctl_info", "gauge", "sysctl info", ("name", "value", "index"))

_FIELD: Final = re.compile(r"[a-zA-Z0-9_:]+")
_NOT_IN_NAMES: Final = re.compile(r"_*[^0-9A-Za-z_]+_*")


class Choice(NamedTuple):
    """A kernel setting by the name that was given. `paths`: where it may be below /proc/sys, the likeliest first.

    `fields`: names of its values, none where they go by their number. `is_number`: else each value is a text.
    """

    name: str
    paths: tuple[str, ...]
    fields: tuple[str, ...]
    is_number: bool

    @property
    def metric_name(self) -> str:
        return f"node_sysctl_{_NOT_IN_NAMES.sub('_', self.name)}"

    def metrics(self, count: int) -> list[Metric]:
        """The metric of each of `count` values."""
        if not self.is_number:
            return [INFO] * count
        if self.fields:
            return [
                Metric(f"{self.metric_name}_{field}", "untyped", f"sysctl {self.name}, field {index}")
                for index, field in enumerate(self.fields)
            ]
        labels = ("index",) if count > 1 else ()
        return [Metric(self.metric_name, "untyped", f"sysctl {self.name}", labels)] * count


def paths_of(name: str) -> tuple[str, ...]:
    """As sysctl(8) reads a name: the separator that comes first is that of folders, and the other stands for itself.

    So net.ipv4.conf.eth0/1.forwarding is net/ipv4/conf/eth0.1/forwarding. A name with both may also be meant to have
    folders at both. Raises ValueError where that is no path below a folder.
    """
    first = next((character for character in name if character in "./"), "")
    read = name.translate(str.maketrans("./", "/.")) if first == "." else name
    paths = tuple(dict.fromkeys((read, name.replace(".", "/"))))
    for path in paths:
        if "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
            raise ValueError(name)
    return paths


def choice_of(given: str, is_number: bool) -> Choice:
    """Raises ValueError with what is wanted in place of `given`."""
    name, colon, rest = given.partition(":")
    try:
        paths = paths_of(name)
    except ValueError:
        raise ValueError("a kernel setting's name such as net.ipv4.ip_forward") from None
    fields = tuple(rest.split(",")) if colon else ()
    if len(fields) > MAX_FIELDS or not all(map(_FIELD.fullmatch, fields)):
        raise ValueError(f"NAME:FIELD,... with at most {MAX_FIELDS} fields of letters, digits and underscores")
    if len(set(fields)) != len(fields):
        raise ValueError("fields that differ")
    return Choice(name, paths, fields, is_number)


def choices_of(settings: Settings, key: str, is_number: bool) -> list[Choice]:
    """Those of the setting `key`, each once. Raises `SettingsError`."""
    given = tuple(dict.fromkeys(settings[key]))
    if len(given) > MAX_CHOICES:
        raise SettingsError(f"{key} ({settings.origin(key)}): expected at most {MAX_CHOICES}, got {len(given)}")
    choices = []
    names: dict[str, str] = {}
    for one in given:
        try:
            choice = choice_of(one, is_number)
            for metric in choice.metrics(1) if is_number else ():
                if names.setdefault(metric.name, one) != one:
                    raise ValueError(f"only one of those that would be {metric.name}, as is {names[metric.name]!r}")
        except ValueError as error:
            raise SettingsError(f"{key} ({settings.origin(key)}): expected {error}, got {one!r}") from None
        choices.append(choice)
    return choices
