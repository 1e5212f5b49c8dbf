"""Real servers as real processes on free ports: for tests that look from outside, and for the benchmark."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

START_DEADLINE_S: Final = 10.0
STOP_DEADLINE_S: Final = 2.0
_POLL_S: Final = 0.002


class ServerError(Exception):
    """A server that did not start or did not stop. Says what it wrote."""


def unused_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def nodescope_command(arguments: Sequence[str], port: int) -> list[str]:
    """The command line of nodescope, as this Python has it installed, on a port."""
    return [sys.executable, "-m", "nodescope", *arguments, f"--web.listen-address=127.0.0.1:{port}"]


def own_environment() -> dict[str, str]:
    """This process's environment without nodescope's settings and the tests' own switches; with a place of its own for
    what an agent keeps, so that none that serves this machine loses or gains anything."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NODESCOPE_")}
    return {**kept, "STATE_DIRECTORY": state_directory()}


def state_directory() -> str:
    """A new directory, which goes when this process ends."""
    return tempfile.mkdtemp(dir=_state_root())


@functools.cache
def _state_root() -> str:
    root = tempfile.mkdtemp(prefix="nodescope-state-")
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return root


class Server:
    """A process that listens on `port` of 127.0.0.1 once this is made; `log` is what it wrote to both outputs."""

    def __init__(
        self, command: Sequence[str], port: int, log: Path, folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.port = port
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env={**own_environment(), **(environment or {})},
            )
        self._wait_until_it_listens()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(_POLL_S)
        status = self.process.poll()
        self.kill()
        why = f"does not listen after {START_DEADLINE_S:g} s" if status is None else f"ended with status {status}"
        raise ServerError(f"{self._name()} {why}; it wrote:\n{self.log}")

    def stop(self, deadline_s: float = STOP_DEADLINE_S) -> int:
        """SIGTERM; the exit status. Fails where the process is still there after the deadline."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise ServerError(f"{self._name()} runs on {deadline_s:g} s after SIGTERM; it wrote:\n{self.log}") from None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(START_DEADLINE_S)

    def _name(self) -> str:
        return f"{self.process.args!r} (port {self.port})"
