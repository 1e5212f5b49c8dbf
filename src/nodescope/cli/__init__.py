"""The commands. Each is one file with `main(arguments) -> exit code`, imported only when it is asked for."""

from __future__ import annotations

import errno
import io
import os
import sys
from importlib import import_module
from typing import Final, NamedTuple

from nodescope import __version__
from nodescope.settings import SettingsError

EXIT_FAILURE: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130
"""As a shell has it for SIGINT."""


class Unwritable(Exception):
    """Standard output takes nothing: its reader is gone, the disk or quota is full, the terminal was closed."""


class Command(NamedTuple):
    name: str
    module: str
    help: str


COMMANDS: Final[tuple[Command, ...]] = (
    Command("agent", "nodescope.cli.agent", "measure everything this machine has and serve it"),
    Command("exporter", "nodescope.cli.exporter", "serve one role on its port, with its exporter's names"),
    Command("metrics", "nodescope.cli.metrics", "print one scrape"),
    Command("doctor", "nodescope.cli.doctor", "say what this node has, what is missing, and what to do about it"),
    Command("check", "nodescope.cli.check", "judge the GPUs' health; ends with 0 ok, 1 warning, 2 critical, 3 unknown"),
    Command("pause", "nodescope.cli.pause", "give the GPU driver up for a while, for a reset or an update"),
    Command("resume", "nodescope.cli.resume", "measure the GPUs again after a pause"),
    Command("config", "nodescope.cli.config", "show or check the settings in force"),
)


STAND_INS: Final = frozenset({"dcgm-exporter", "node_exporter", "prometheus-node-exporter"})
"""Programs whose name, given to this one, makes it the same as there: see stand_in.py."""


def run(arguments: list[str], program: str = "nodescope") -> int:
    """Runs a command. 0: done; 1: it failed; 2: it was asked for wrongly, with one sentence that says how.

    `program`: the name that this one was started by.
    """
    _open_standard_streams()
    name = os.path.basename(program)
    if name in STAND_INS:
        return _run(Command(name, "nodescope.cli.stand_in", ""), [name, *arguments])
    word = arguments[0] if arguments else "--help"
    if word in ("-h", "--help", "help"):
        return _printed(usage())
    if word in ("-V", "--version", "version"):
        return _printed(f"nodescope {__version__} (Python {sys.version.split()[0]})")
    for command in COMMANDS:
        if command.name == word:
            return _run(command, arguments[1:])
    # Most make no mistake.
    from difflib import get_close_matches

    close = get_close_matches(word, [command.name for command in COMMANDS], 1)
    hint = f", did you mean {close[0]}?" if close else "; see nodescope --help"
    warn(f"{word!r} is not a command{hint}")
    return EXIT_USAGE


def _run(command: Command, arguments: list[str]) -> int:
    try:
        code: int = import_module(command.module).main(arguments)
    except SettingsError as error:
        warn(str(error))
        return EXIT_USAGE
    except Unwritable:
        return EXIT_FAILURE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return code


def _printed(text: str) -> int:
    try:
        say(text)
    except Unwritable:
        return EXIT_FAILURE
    return 0


def say(text: str | bytes) -> None:
    """Writes a line, or bytes as they are, to standard output. Raises `Unwritable`, having said why."""
    try:
        if isinstance(text, bytes):
            sys.stdout.buffer.write(text)
        else:
            print(text)
        sys.stdout.flush()
    except OSError as error:
        _give_output_up(error)
        raise Unwritable from error


def warn(*warnings: str) -> None:
    """Writes each as a line of nodescope's to standard error."""
    for warning in warnings:
        print(f"nodescope: {warning}", file=sys.stderr)


def _give_output_up(error: OSError) -> None:
    """What is left in the buffer goes nowhere, and does not fail again at the exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if error.errno != errno.EPIPE:
        warn(f"standard output cannot be written: {error.strerror}")


def _open_standard_streams() -> None:
    """Gives 0, 1 and 2 to /dev/null where they are closed: a socket there would be written to by mistake."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 for as long as the process
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115 for as long as the process
    # Names and labels hold any sign, a terminal may know ASCII alone.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


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
