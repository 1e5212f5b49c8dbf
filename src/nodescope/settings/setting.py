"""What a setting is, and the values in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

Text = Literal["string", "choice", "regex", "python-regex", "path"]
Kind = Literal["bool", "int", "number", "duration", Text, "list", "labels", "listeners"]
"""regex is what Go takes, for node_exporter's flags; python-regex what Python takes."""

ENVIRONMENT_PREFIX: Final = "NODESCOPE_"


class Setting(NamedTuple):
    """One row of the table. `key` is the YAML path, and the flag is `--key`.

    `flag` is another spelling of the flag where node_exporter's differs from the key; `aliases` are further
    environment names that are honoured. A duration is in seconds once read. `separator`: between the words of a list
    that is given as one text.
    """

    key: str
    kind: Kind
    default: Any
    help: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    flag: str = ""
    aliases: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    separator: str = ","

    @property
    def flag_name(self) -> str:
        return self.flag or self.key

    @property
    def environment_name(self) -> str:
        return _in_environment(self.key)

    @property
    def environment_names(self) -> tuple[str, ...]:
        """All that are honoured, the one that counts most last. The flag's spelling is one: --collector.cpu has the
        key collector.cpu.enabled."""
        return (*self.aliases, _in_environment(self.flag_name), self.environment_name)


def _in_environment(name: str) -> str:
    return ENVIRONMENT_PREFIX + name.upper().replace(".", "_").replace("-", "_")


class Origin(NamedTuple):
    """Where a value came from, in words a person can follow: "flag --web.max-requests", "file /etc/x.yaml"."""

    text: str
    written: str = ""
    """A regular expression as it was given, for the one that is in force reads otherwise."""


class SettingsError(Exception):
    """A value that cannot be used. The message is one sentence naming source, key and what was expected."""


class Settings:
    """The values in force, by key, each with its origin. Never changes once made."""

    def __init__(self, values: Mapping[str, Any], origins: Mapping[str, Origin], warnings: tuple[str, ...]) -> None:
        self._values = dict(values)
        self._origins = dict(origins)
        self.warnings = warnings

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def origin(self, key: str) -> str:
        return self._origins[key].text

    def written(self, key: str) -> Any:
        """The value as it was given where that is another, else the value."""
        return self._origins[key].written or self[key]

    def is_set(self, key: str) -> bool:
        """Whether someone gave this value, rather than the table or the role."""
        return not self._origins[key].text.startswith("default")

    def collects(self, name: str, asked_for: bool = False) -> bool:
        """Whether a collector is on: said so by name, or on by default where defaults are not switched off.

        `asked_for`: a listener names it, which turns on what nobody has switched off.
        """
        key = f"collector.{name}.enabled"
        if self.is_set(key):
            return bool(self[key])
        return asked_for or bool(self[key] and not self["collector.disable-defaults"])

    def replaced(self, values: Mapping[str, Any], origin: str) -> Settings:
        """These settings with other `values`, for one who knows better than all sources."""
        origins = {**self._origins, **dict.fromkeys(values, Origin(origin))}
        return Settings({**self._values, **values}, origins, self.warnings)

    def names(self) -> list[str]:
        return sorted(self._values)
