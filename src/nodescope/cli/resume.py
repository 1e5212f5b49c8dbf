"""`nodescope resume gpu`: has the GPUs measured again after a pause."""

from __future__ import annotations

from collections.abc import Sequence

from nodescope.cli import say
from nodescope.cli.pause import Untold, answered, flags, read, refused
from nodescope.devices.nvidia.holders import agents
from nodescope.host import Host


def main(arguments: Sequence[str]) -> int:
    _, settings, file = read(flags("resume", "Measure the GPUs again after nodescope pause gpu."), arguments)
    try:
        ended = file.resume()
    except OSError as error:
        return refused(file, error)
    if not ended:
        say(f"there was no pause: {file.path} is not there")
        return 0
    try:
        seen = answered(agents, Host(procfs=settings["path.procfs"]))
    except Untold as untold:
        say(f"the pause is over; whether an agent runs here cannot be told: {untold}")
        return 0
    if seen:
        say("the pause is over, the GPUs are measured again")
    else:
        say("the pause is over; no agent was seen running here")
    return 0
