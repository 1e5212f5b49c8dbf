"""Which processes of nodescope's hold NVIDIA's driver, and whether an agent runs: seen from outside, in procfs.

Source: proc_pid_cmdline(5), proc_pid_fd(5), proc_pid_maps(5). Processes of another PID namespace are not seen.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.process_stat import PARENT, numbers

CHILD_MODULE: Final = "nodescope.devices.nvidia.child"
LIBRARY: Final = "libnvidia-ml"
DEVICES: Final = "/dev/nvidia"
STAND_INS: Final = frozenset({"node_exporter", "prometheus-node-exporter"})
COMMANDS: Final = frozenset({"agent", "exporter"})
MAX_DESCRIPTORS: Final = 4096


TOOLS: Final = frozenset({"nvidia-smi", "amd-smi", "rocm-smi"})
"""What an agent runs now and then; each has the driver open while it runs."""

TOOL_WORDS: Final = 2
"""A tool may be a script that Python is given."""


class Holder(NamedTuple):
    """A GPU child, or a tool that an agent runs. `what`: what of the driver it has open or mapped; "" for nothing."""

    pid: int
    what: str


def holders(host: Host) -> list[Holder]:
    """Every GPU child there is, whichever agent it is of, and every tool that an agent runs."""
    lines = list(_command_lines(host))
    agents = {pid for pid, words in lines if is_agent(words)}
    return [
        Holder(pid, _held(host, pid))
        for pid, words in lines
        if ("-m", CHILD_MODULE) in pairwise(words) or (_is_tool(words) and _parent(host, pid) in agents)
    ]


def agents(host: Host) -> list[int]:
    """Processes that are an agent or exporter of nodescope's."""
    return [pid for pid, words in _command_lines(host) if is_agent(words)]


def is_agent(words: Sequence[str]) -> bool:
    """Whether a command line is that of an agent: `nodescope agent`, started by its script or as a module."""
    if any(os.path.basename(word) == "nodescope" and after in COMMANDS for word, after in pairwise(words)):
        return True
    # Under another program's name it is a script that Python was given; that program itself is none.
    return any(os.path.basename(word) in STAND_INS for word in words[1:2])


def _is_tool(words: Sequence[str]) -> bool:
    return any(os.path.basename(word) in TOOLS for word in words[:TOOL_WORDS])


def _parent(host: Host, pid: int) -> int | None:
    path = host.proc(f"{pid}/stat")
    try:
        return numbers(host.read_once(path), path, PARENT)[0]
    except (Absent, Malformed, OSError):
        return None


def _command_lines(host: Host) -> Iterator[tuple[int, list[str]]]:
    for name in host.list(host.procfs):
        if not (name.isascii() and name.isdigit()):
            continue
        try:
            data = host.read_once(host.proc(f"{name}/cmdline"))
        except (Absent, Malformed, OSError):
            continue
        if data:
            yield int(name), data.decode("utf-8", "surrogateescape").rstrip("\0").split("\0")


def _held(host: Host, pid: int) -> str:
    try:
        if LIBRARY.encode() in host.read_once(host.proc(f"{pid}/maps")):
            return "the driver's library"
        for name in host.list(host.proc(f"{pid}/fd"))[:MAX_DESCRIPTORS]:
            target = _target(host.proc(f"{pid}/fd/{name}"))
            if target.startswith(DEVICES):
                return target
    except Absent:
        return ""
    except (Malformed, OSError):
        return "what this user may not see"
    return ""


def _target(path: str) -> str:
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return ""
