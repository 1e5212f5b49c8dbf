"""The commands. Each is one file with `main(arguments) -> exit code`, imported only when it is asked for."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module
from typing import Final, NamedTuple

from nodescope import __version__
from nodescope.settings import SettingsError

EXIT_FAILURE: Final = 1
EXIT_USAGE: Final = 2


class Command(NamedTuple):
    name: str
    module: str
    help: str


COMMANDS: Final[tuple[Command, ...]] = (
    Command("agent", "nodescope.cli.agent", "measure everything this machine has and serve it"),
    Command("exporter", "nodescope.cli.exporter", "serve one role on its port, with its exporter's names"),
    Command("metrics", "nodescope.cli.metrics", "print one scrape"),
    Command("doctor", "nodescope.cli.doctor", "say what this node has, what is missing, and what to do about it"),
    Command("config", "nodescope.cli.config", "show or check the settings in force"),
)


def run(arguments: list[str]) -> int:
    """Runs a command. 0: done; 1: it failed; 2: it was asked for wrongly, with one sentence that says how."""
    word = arguments[0] if arguments else "--help"
    if word in ("-h", "--help", "help"):
        print(usage())
        return 0
    if word in ("-V", "--version", "version"):
        print(f"nodescope {__version__} (Python {sys.version.split()[0]})")
        return 0
    for command in COMMANDS:
        if command.name == word:
            try:
                code: int = import_module(command.module).main(arguments[1:])
            except SettingsError as error:
                print(f"nodescope: {error}", file=sys.stderr)
                return EXIT_USAGE
            except BrokenPipeError:
                # The reader of our output went away; there is nobody to tell.
                sys.stderr.close()
                return EXIT_FAILURE
            return code
    close = get_close_matches(word, [command.name for command in COMMANDS], 1)
    hint = f", did you mean {close[0]}?" if close else "; see nodescope --help"
    print(f"nodescope: {word!r} is not a command{hint}", file=sys.stderr)
    return EXIT_USAGE


def usage() -> str:
    width = max(len(command.name) for command in COMMANDS)
    lines = [f"  {command.name:<{width}}  {command.help}" for command in COMMANDS]
    return "\n".join(
        (
            "usage: nodescope COMMAND [FLAG ...]",
            "",
            "commands:",
            *lines,
            "",
            "nodescope COMMAND --help shows the command's flags. Every flag is a setting too: in the environment as",
            "NODESCOPE_*, or in a YAML file given by --config.file.",
        )
    )
