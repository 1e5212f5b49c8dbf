"""Flags, made from the table of settings, in node_exporter's spelling: --key=value, --flag, --no-flag."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn

from nodescope import __version__, configuration
from nodescope.cli import EXIT_USAGE, say
from nodescope.configuration import nearest
from nodescope.roles import BY_NAME, Role
from nodescope.settings import TABLE, Setting, Settings

OTHERS: Final = "Every other setting that nodescope agent --help lists is taken too."
_OF_GPUS: Final = ("config.", "log.", "path.procfs", "path.sysfs", "state.", "collector.gpu.", "simulate")
NO_DEFAULTS: Final[Mapping[str, Any]] = {}
DEFAULT_COLUMNS: Final = 80
HELP_MARGIN: Final = 2
MAX_DIGITS: Final = 4
MAX_ARGUMENT_CHARACTERS: Final = 65_536
"""Of a file of arguments."""
REPEATABLE: Final = frozenset({"list", "labels"})

# node_exporter's collectors that nodescope does not have: their flags are accepted, so its command lines work.
_LEFT_OUT: Final = frozenset(["logind", "ntp", "perf", "runit", "supervisord", "wifi"])
# Flags that node_exporter still takes under their old names.
_DEPRECATED: Final = {
    "collector.diskstats.ignored-devices": "collector.diskstats.device-exclude",
    "collector.filesystem.ignored-fs-types": "collector.filesystem.fs-types-exclude",
    "collector.filesystem.ignored-mount-points": "collector.filesystem.mount-points-exclude",
    "collector.netdev.device-blacklist": "collector.netdev.device-exclude",
    "collector.netdev.device-whitelist": "collector.netdev.device-include",
    "collector.qdisk.device-exclude": "collector.qdisc.device-exclude",
    "collector.qdisk.device-include": "collector.qdisc.device-include",
    "collector.systemd.unit-blacklist": "collector.systemd.unit-exclude",
    "collector.systemd.unit-whitelist": "collector.systemd.unit-include",
}
_COLLECTOR_FLAG: Final = re.compile(r"--(?:no-)?collector\.([a-z_]+)([.=].*)?")
_IGNORED_FLAG: Final = re.compile(r"--runtime\.gomaxprocs(=.*)?")
_SWITCHES: Final = frozenset(setting.flag_name for setting in TABLE if setting.kind == "bool")
_VALUED: Final = re.compile("argument (?:-[a-zA-Z]/)?(--[^ ]+): ignored explicit argument (.*)", re.DOTALL)
"""What argparse says where a value is given to a flag that has none."""


class _Help(argparse.HelpFormatter):
    """As wide as the terminal. One is made for flags that nobody asks help for as well, and argparse's own way to ask
    for the width loads compressors first."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=terminal_columns() - HELP_MARGIN)


def terminal_columns() -> int:
    """COLUMNS, else what the terminal says, else 80. Source: shutil.get_terminal_size()."""
    given = os.environ.get("COLUMNS", "")
    if given.isascii() and given.isdigit() and int(given[:MAX_DIGITS]) > 0:
        return int(given[:MAX_DIGITS])
    try:
        return os.get_terminal_size().columns or DEFAULT_COLUMNS
    except OSError:
        return DEFAULT_COLUMNS


class FlagParser(argparse.ArgumentParser):
    """Ends with exit code 2 and one sentence."""

    def print_help(self, file: Any = None) -> None:
        say(self.format_help().rstrip("\n"))

    def error(self, message: str) -> NoReturn:
        valued = _VALUED.fullmatch(message)
        if valued is not None:
            name = valued[1].removeprefix("--no-").removeprefix("--")
            expected = f": expected --{name} for on, --no-{name} for off" if name in _SWITCHES else ""
            message = f"flag {valued[1]} takes no value, got {valued[2]}{expected}"
        print(f"{self.prog}: {message}; see {self.prog} --help", file=sys.stderr)
        sys.exit(EXIT_USAGE)


def every(key: str) -> bool:
    """Shows all settings."""
    return True


def of_collectors(*names: str) -> Callable[[str], bool]:
    """Shows all settings but those of other collectors than `names`."""
    own = tuple(f"collector.{name}" for name in names)
    general = frozenset({"collector.timeout", "collector.disable-defaults"})
    return lambda key: (
        not key.startswith("collector.")
        or key in general
        or any(key == name or key.startswith(f"{name}.") for name in own)
    )


def of_gpus(key: str) -> bool:
    """Shows what a command needs that looks at GPUs and serves nothing."""
    return key.startswith(_OF_GPUS)


def parser(
    prog: str, description: str, shows: Callable[[str], bool] = every, defaults: Mapping[str, Any] = NO_DEFAULTS
) -> FlagParser:
    """A parser with every setting as a flag; the values arrive as `namespace.settings`, a dict by key.

    `shows`: which settings --help lists, by key; the others are taken all the same. `defaults`: a role's own, by key.
    """
    made = FlagParser(
        prog=prog, usage=f"{prog} [FLAG ...]", description=description, allow_abbrev=False, formatter_class=_Help
    )
    made.add_argument("--version", action="version", version=f"nodescope {__version__}")
    group = made.add_argument_group("settings", None if shows is every else OTHERS)
    for setting in TABLE:
        if setting.kind != "listeners":
            _add(group, setting, shows(setting.key), defaults.get(setting.key, setting.default))
    for old, key in _DEPRECATED.items():
        group.add_argument(f"--{old}", dest=key, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return made


def parse(made: FlagParser, arguments: Sequence[str]) -> tuple[argparse.Namespace, dict[str, Any], list[str]]:
    """The command's own arguments, the settings given as flags, and warnings about flags that have no effect."""
    namespace, rest = made.parse_known_args(_expanded(made, arguments))
    given = {key: value for key, value in vars(namespace).items() if "." in key or key in _PLAIN_KEYS}
    return namespace, given, _leftover(made, rest)


def parse_for_role(made: FlagParser, arguments: Sequence[str]) -> tuple[argparse.Namespace, Role, Settings, list[str]]:
    """The command's own arguments, the role that its --role names, the settings in force for that, and warnings about
    flags and settings. Raises `SettingsError`."""
    namespace, given, warnings = parse(made, arguments)
    role = BY_NAME[namespace.role]
    settings = configuration.load(given, os.environ, role.own_defaults, role.environment)
    return namespace, role, settings, [*warnings, *settings.warnings]


def _expanded(made: FlagParser, arguments: Sequence[str]) -> list[str]:
    """`arguments`, with what a file has, an argument on each line but for comments, in the place of @FILE.

    Source: kingpin, which reads node_exporter's command line so.
    """
    found: list[str] = []
    for word in arguments:
        if not word.startswith("@"):
            found.append(word)
            continue
        try:
            with open(word[1:], encoding="utf-8", errors="surrogateescape") as file:
                lines = file.read(MAX_ARGUMENT_CHARACTERS + 1)
        except (OSError, ValueError) as error:
            made.error(f"{word}: expected a file with an argument on each line ({error})")
        if len(lines) > MAX_ARGUMENT_CHARACTERS:
            made.error(f"{word}: expected at most {MAX_ARGUMENT_CHARACTERS} characters of arguments")
        found += [line for line in lines.splitlines() if line and not line.startswith("#")]
    return found


ONE_COLLECTOR: Final = "--collector"
"""A flag of `nodescope metrics`, which chooses; a setting switches."""
_BY_NAME: Final = " here: --collector.NAME switches a collector on, --no-collector.NAME off"

_PLAIN_KEYS: Final = frozenset(setting.key for setting in TABLE if "." not in setting.key)


def _add(group: argparse._ArgumentGroup, setting: Setting, shown: bool, default: Any) -> None:
    flag = setting.flag_name
    text = _text(setting, default).replace("%", "%%") if shown else argparse.SUPPRESS
    if setting.kind == "bool":
        group.add_argument(
            f"--{flag}", dest=setting.key, action="store_const", const=True, default=argparse.SUPPRESS, help=text
        )
        group.add_argument(
            f"--no-{flag}",
            dest=setting.key,
            action="store_const",
            const=False,
            default=argparse.SUPPRESS,
            help=argparse.SUPPRESS,
        )
    else:
        group.add_argument(
            f"--{flag}",
            dest=setting.key,
            default=argparse.SUPPRESS,
            metavar=setting.kind.upper(),
            action="append" if setting.kind in REPEATABLE else "store",
            help=text,
        )


def _text(setting: Setting, default: Any) -> str:
    choices = ", ".join(choice for choice in setting.choices if choice)
    words = (setting.help, f"One of {choices}." if choices else "", _default(setting, default))
    return " ".join(word for word in words if word)


def _default(setting: Setting, value: Any) -> str:
    if setting.kind == "bool":
        return "(on; --no-... to switch off)" if value else "(off)"
    if isinstance(value, tuple):
        value = ", ".join(value)
    if isinstance(value, float):
        value = f"{value:g} {setting.unit}".strip()
    return f"({value})" if value not in ("", {}) else ""


def _leftover(made: FlagParser, rest: Sequence[str]) -> list[str]:
    warnings: list[str] = []
    swallow = False
    for word in rest:
        if swallow and not word.startswith("-"):
            swallow = False
            continue
        collector = _COLLECTOR_FLAG.fullmatch(word)
        if collector and collector[1] in _LEFT_OUT:
            name, option = collector[1], collector[2] or ""
            if option or not word.startswith("--no-"):
                warnings.append(f"{word.split('=')[0]} has no effect: nodescope has no collector {name}")
            swallow = bool(option) and "=" not in word
        elif _IGNORED_FLAG.fullmatch(word):
            swallow = "=" not in word
        else:
            name = word.split("=")[0]
            known = [option for action in made._actions for option in action.option_strings]
            made.error(f"{name} is not a flag{_BY_NAME if name == ONE_COLLECTOR else nearest(name, known)}")
    return warnings
