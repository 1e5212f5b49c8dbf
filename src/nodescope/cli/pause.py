"""`nodescope pause gpu`: has the GPU driver given up, for a reset, a change of MIG mode or an update of the driver."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from nodescope import configuration, threads
from nodescope.cli import EXIT_FAILURE, say
from nodescope.cli.flags import FlagParser, of_gpus, parse, parser
from nodescope.devices.nvidia.holders import agents, holders
from nodescope.devices.nvidia.pause import PauseFile
from nodescope.host import Absent, Host
from nodescope.settings import Settings
from nodescope.settings.gpu import PAUSE_FOR
from nodescope.settings.value import read_value

WAIT_S: Final = 2.0
LOOK_S: Final = 0.05

T = TypeVar("T")


class Untold(Exception):
    """Which processes there are cannot be told. Says why."""


def main(arguments: Sequence[str]) -> int:
    made = flags(
        "pause", "Give the GPU driver up, until nodescope resume gpu. Ends with 1 where something holds it still."
    )
    made.add_argument("--for", dest="seconds", metavar="DURATION", help="end by itself after this long (10m, 1h30m)")
    namespace, settings, file = read(made, arguments)
    given = namespace.seconds
    seconds = None if given is None else read_value(PAUSE_FOR, given, "flag --for")
    host = Host(procfs=settings["path.procfs"])
    try:
        file.pause(seconds)
    except OSError as error:
        return refused(file, error)
    try:
        left = _wait(host)
        unseen = not left and not answered(agents, host)
    except Untold as untold:
        print(f"nodescope pause: what holds the driver cannot be told: {untold}; the pause is on", file=sys.stderr)
        return EXIT_FAILURE
    if left:
        print(f"nodescope pause: {left}; the pause is on: look whether its agent uses {file.path}", file=sys.stderr)
        return EXIT_FAILURE
    end = f"for {namespace.seconds}, or until" if seconds else "until"
    none = "; no agent was seen running here, one that is started leaves the GPUs alone too" if unseen else ""
    say(f"nothing of nodescope's holds the GPU driver, {end} `nodescope resume gpu`{none}")
    return 0


def flags(name: str, description: str) -> FlagParser:
    """The flags that `pause` and `resume` share."""
    made = parser(f"nodescope {name}", description, of_gpus)
    made.usage = f"nodescope {name} gpu [FLAG ...]"
    made.add_argument("what", choices=("gpu",), metavar="gpu", help="gpu: the driver of the GPUs")
    made.add_argument("--pause-file", metavar="PATH", help="the same as --collector.gpu.pause-file")
    return made


def read(made: FlagParser, arguments: Sequence[str]) -> tuple[argparse.Namespace, Settings, PauseFile]:
    """Flags, settings and the pause file that they name."""
    namespace, given, warnings = parse(made, arguments)
    if namespace.pause_file is not None:
        given["collector.gpu.pause-file"] = namespace.pause_file
    settings = configuration.load(given, os.environ)
    for warning in (*warnings, *settings.warnings):
        print(f"nodescope: {warning}", file=sys.stderr)
    return namespace, settings, PauseFile(settings["collector.gpu.pause-file"])


def refused(file: PauseFile, error: OSError) -> int:
    """Says that the pause file cannot be changed."""
    advice = "run as root, or give --pause-file as the agent has it"
    print(f"nodescope: {file.path} cannot be changed ({error.strerror}): {advice}", file=sys.stderr)
    return EXIT_FAILURE


def answered(look: Callable[[Host], list[T]], host: Host) -> list[T]:
    """What `look` finds. Raises `Untold`, where /proc does not answer in time for one.

    Who reads the command line of a process waits for a lock of its memory, which a call into a driver that hangs keeps.
    """
    found: list[list[T] | Exception] = []

    def run() -> None:
        try:
            found.append(look(host))
        except (Absent, OSError) as error:
            found.append(error)

    thread = threading.Thread(target=run, name="look", daemon=True)
    try:
        threads.start(thread)
    except RuntimeError as error:
        raise Untold(f"{error}: raise the limit on processes") from error
    thread.join(WAIT_S)
    if not found:
        raise Untold(f"a process does not answer in {host.procfs}")
    if isinstance(found[0], Exception):
        raise Untold(f"{host.procfs} cannot be read") from found[0]
    return found[0]


def _wait(host: Host) -> str:
    """Empty once no GPU child is left, else what is after `WAIT_S`. Raises `Untold`."""
    deadline = time.monotonic() + WAIT_S
    # Each look has its own time: among many processes one takes longer than what is left in the end.
    while left := answered(holders, host):
        if time.monotonic() >= deadline:
            break
        time.sleep(LOOK_S)
    return " and ".join(f"process {holder.pid} still {_holds(holder.what)}" for holder in left)


def _holds(what: str) -> str:
    return f"holds {what}" if what else "runs, and may open the driver"
