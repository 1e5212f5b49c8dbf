"""Runs one of AMD's tools, where the agent is or in the host's mount namespace, and says why it gave nothing.

Source: nsenter(1). Each run has a deadline and may write only so much.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from nodescope.command import CommandFailed, CommandNotFound, Finished, environment, run, said
from nodescope.devices.amd.smi_json import MAX_OUTPUT_BYTES
from nodescope.host import Host, text
from nodescope.kernel.printable import printable

NO_DRIVER: Final = "no_driver"
NO_DEVICES: Final = "no_devices"
NO_PROGRAM: Final = "no_program"
HUNG: Final = "hung"
FAILED: Final = "failed"
ABSENT: Final = frozenset({NO_PROGRAM, NO_DRIVER, NO_DEVICES})
"""Kinds of failure that mean that there is nothing to read."""

AMD_SMI: Final = "amd-smi"
ROCM_SMI: Final = "rocm-smi"
FOLDERS: Final = ("/opt/rocm/bin", "/usr/bin", "/usr/local/bin")
"""Where the tools are besides the path."""

HOST: Final = "host"
NSENTER: Final = "nsenter"
_HOST_PATH: Final = "/opt/rocm/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OURS: Final = ("PYTHONHOME", "PYTHONPATH", "PYTHONPYCACHEPREFIX")
"""The tools are Python programs too, and what is set for this one would break them."""

MAX_MESSAGE_BYTES: Final = 65_536
MAX_SHOWN: Final = 200
USAGE_STATUS: Final = 2
"""argparse's, for arguments that a release does not know."""

_MEANT: Final = (
    (("driver not initialized", "driver not loaded", "amdgpu not found", "driver not found"), NO_DRIVER),
    (("unable to detect any gpu", "no drm devices", "no gpu", "no amd gpu", "no json data to report"), NO_DEVICES),
)
_LOADED: Final = (
    "amdgpu is loaded and {tool} finds no GPU: give access to /dev/kfd and /dev/dri/renderD* (groups render and video),"
    " or see the kernel log for amdgpu"
)  # fmt: skip
_NO_ENTRY: Final = (
    "nsenter may not run {tool} in the host's mount namespace{said}: share the host's PID namespace with the container"
    " (hostPID) and give it CAP_SYS_ADMIN and CAP_SYS_PTRACE (privileged), or set no namespace and install {tool}"
    " beside the agent"
)  # fmt: skip


class Unreadable(Exception):
    """A tool gave no readings. `kind`: one of those above. `status`: how it ended, where it did."""

    def __init__(self, kind: str, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.kind = kind
        self.status = status


class SmiProgram:
    """amd-smi or rocm-smi. `starts`: how often it was run. For one thread at a time.

    `tool`: its name. `program`: its path, else it is looked for. `namespace`: "" runs it where the agent is, "host" in
    the mount namespace of process 1. `limit_s`: how long one run may take. `nsenter`: that program. `is_paused`: while
    it is true nothing is run, and what runs is ended, for it has the driver open.
    """

    def __init__(
        self,
        host: Host,
        tool: str,
        program: str,
        namespace: str,
        limit_s: float,
        nsenter: str = NSENTER,
        is_paused: Callable[[], bool] = lambda: False,
    ) -> None:
        if namespace not in ("", HOST):
            raise ValueError(f'namespace of {tool}: expected "" or "{HOST}", got {namespace!r}')
        self.tool = tool
        self.starts = 0
        self._host = host
        self._programs = (program,) if program else (tool, *(f"{folder}/{tool}" for folder in FOLDERS))
        self._entry = (nsenter, "--target", "1", "--mount", "--") if namespace == HOST else ()
        self._limit_s = limit_s
        self._is_paused = is_paused
        self._is_stopped = False

    def run(self, arguments: tuple[str, ...], limit_s: float | None = None) -> Finished:
        """How it ended; the exit status may be anything. Raises `Unreadable`. `limit_s`: where less time is left."""
        begun, limit_s = time.monotonic(), min(limit_s or self._limit_s, self._limit_s)
        for program in self._programs:
            command = (*self._entry, program, *arguments)
            try:
                self.starts += 1
                finished = run(command, limit_s, MAX_OUTPUT_BYTES, self._environment(), self._unwanted)
            except CommandNotFound as error:
                self.starts -= 1
                if self._entry:
                    raise Unreadable(FAILED, f"{error} (package util-linux): {self.tool} is run through it") from None
                continue
            except CommandFailed as error:
                hung = time.monotonic() - begun >= limit_s
                raise Unreadable(HUNG if hung else FAILED, _named(str(error), command)) from None
            if finished.truncated:
                raise Unreadable(FAILED, f"{' '.join(command[:8])} wrote more than {MAX_OUTPUT_BYTES} bytes")
            if not self._entry or not self._is_refused(finished):
                return finished
        raise Unreadable(NO_PROGRAM, f"there is no {' nor '.join(self._programs)}: install AMD's {self.tool}")

    def stop(self) -> None:
        """Ends what runs now, which then is `Unreadable`; from now on nothing is run. For any thread."""
        self._is_stopped = True

    def failure(self, finished: Finished, expected: str) -> Unreadable:
        """What it means that a run gave no readings. `expected`: what was looked for in its output."""
        message = (finished.stdout[:MAX_MESSAGE_BYTES] + b"\n" + finished.stderr).lower()
        for words, kind in _MEANT:
            if any(word.encode() in message for word in words):
                if self._host.exists(self._host.sys("module/amdgpu")):
                    return Unreadable(FAILED, _LOADED.format(tool=self.tool), finished.status)
                what = "no AMD driver" if kind == NO_DRIVER else "no AMD GPU"
                return Unreadable(kind, f"{self.tool} finds {what}", finished.status)
        shown = f"; it said: {line}" if (line := _first_line(finished)) else ""
        reason = f"{self.tool} ended with status {finished.status} and without {expected}{shown}"
        return Unreadable(FAILED, reason, finished.status)

    def _unwanted(self) -> bool:
        return self._is_stopped or self._is_paused()

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in environment().items() if name not in _OURS}
        if self._entry:
            # Of the container's paths none leads anywhere there.
            kept.pop("LD_LIBRARY_PATH", None)
            kept["PATH"] = _HOST_PATH
        return kept

    def _is_refused(self, finished: Finished) -> bool:
        """Whether the program is not there. Raises `Unreadable` where it was not even looked for."""
        if not finished.status or not finished.stderr.lstrip().startswith(NSENTER.encode() + b":"):
            return False
        if b"failed to execute" in finished.stderr and b"No such file" in finished.stderr:
            self.starts -= 1
            return True
        reason = _NO_ENTRY.format(tool=self.tool, said=said(finished.stderr))
        raise Unreadable(FAILED, reason, finished.status)


def _named(reason: str, command: tuple[str, ...]) -> str:
    """With the arguments, for they say what of it hangs."""
    return f"{' '.join(command[:8])}{reason.removeprefix(command[0])}"


def _first_line(finished: Finished) -> str:
    """The first that it complains of, else the first that it says, as part of a sentence."""
    lines = text(finished.stderr + b"\n" + finished.stdout[:MAX_MESSAGE_BYTES]).split("\n")
    line = next((line.strip() for line in lines if line.strip()), "")
    return printable(line[:MAX_SHOWN])
