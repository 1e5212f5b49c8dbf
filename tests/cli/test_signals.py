"""SIGTERM ends the process within two seconds, whatever it is in the middle of."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from nodescope.simulate.directory import remove_abandoned
from tools.serving import Server, nodescope_command, own_environment, unused_port

LONG_S: Final = 20.0
END_S: Final = 2.0
CONNECTIONS: Final = 100
TRIES: Final = 3

Start = Callable[..., Server]
Get = Callable[..., Any]


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=LONG_S):
        return True
    return False


def asks(port: int) -> socket.socket:
    """A connection over which a scrape has been asked for, without its answer."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=LONG_S)
    connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    return connection


def test_while_the_start_hangs(tmp_path: Path) -> None:
    """A web config file that never answers holds up the start, but not the end."""
    os.mkfifo(tmp_path / "web.yml")
    command = [*nodescope_command(["agent"], unused_port()), f"--web.config.file={tmp_path}/web.yml"]
    process = subprocess.Popen(command, env=own_environment(), stderr=subprocess.DEVNULL)
    try:
        time.sleep(1.0)
        assert process.poll() is None
        process.terminate()
        process.wait(END_S)
    finally:
        process.kill()
        process.wait(LONG_S)


def test_while_a_reload_hangs(server_process: Start, http_get: Get, tmp_path: Path) -> None:
    """While settings cannot be read again scrapes are answered, and the process ends when it is told to."""
    file = tmp_path / "nodescope.yaml"
    file.write_text("")
    port = unused_port()
    server = server_process([*nodescope_command(["agent"], port), f"--config.file={file}"], port)
    wait_until(lambda: "listening" in server.log)
    file.unlink()
    os.mkfifo(file)
    for _ in range(3):
        server.process.send_signal(signal.SIGHUP)
        time.sleep(0.1)
    assert http_get(port, "/metrics").status == 200
    assert server.stop() == 0


def test_while_three_listeners_wait_for_a_read(server_process: Start, http_get: Get, tmp_path: Path) -> None:
    """Scrapes that hang on three listeners are given up together, not one after the other."""
    os.mkfifo(tmp_path / "loadavg")
    ports = [unused_port() for _ in range(3)]
    flags = [f"--web.listen-address=127.0.0.1:{port}" for port in ports[1:]]
    command = [*nodescope_command(["agent", f"--path.procfs={tmp_path}", "--collector.timeout=60s"], ports[0]), *flags]
    server = server_process(command, ports[0])
    with contextlib.ExitStack() as stack:
        wait_until(lambda: all(is_open(port) for port in ports))
        for port in ports:
            stack.enter_context(contextlib.closing(asks(port)))
        time.sleep(0.5)
        assert http_get(ports[2], "/-/healthy").status == 200
        assert server.stop() == 0


def test_with_many_connections_open(server_process: Start) -> None:
    """A hundred connections, half of them in the middle of a request, do not hold up the end."""
    port = unused_port()
    server = server_process(nodescope_command(["agent"], port), port)
    with contextlib.ExitStack() as stack:
        for number in range(CONNECTIONS):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=LONG_S))
            if number % 2:
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHo")
        assert server.stop() == 0


def serves_and_ends(process: subprocess.Popen[bytes], port: int, http_get: Get) -> None:
    """A scrape is answered, and SIGTERM ends the process in time."""
    try:
        wait_until(lambda: is_open(port))
        assert http_get(port, "/metrics").status == 200
        process.terminate()
        assert process.wait(END_S) == 0
    finally:
        process.kill()
        process.wait(LONG_S)


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_with_standard_streams_closed(http_get: Get, closed: str) -> None:
    """Without standard input, output or error it serves, and ends with 0."""
    port = unused_port()
    command = shlex.join(nodescope_command(["agent"], port))
    process = subprocess.Popen(["bash", "-c", f"exec {command} {closed}"], env=own_environment())
    serves_and_ends(process, port, http_get)


@contextlib.contextmanager
def full_pipe() -> Iterator[int]:
    """The writing end of a pipe that takes no more and that nobody reads."""
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        with contextlib.suppress(BlockingIOError):
            while os.write(writing, bytes(fcntl.fcntl(writing, fcntl.F_GETPIPE_SZ))):
                pass
        os.set_blocking(writing, True)
        yield writing
    finally:
        os.close(reading)
        os.close(writing)


def test_while_nobody_reads_the_log(http_get: Get) -> None:
    """A log whose pipe is full holds up neither scrapes nor the end."""
    port = unused_port()
    with full_pipe() as log:
        process = subprocess.Popen(nodescope_command(["agent"], port), env=own_environment(), stderr=log)
        serves_and_ends(process, port, http_get)


def test_with_the_reader_of_the_log_gone(http_get: Get) -> None:
    """A log whose reader has gone away costs nothing but the log."""
    port = unused_port()
    process = subprocess.Popen(
        nodescope_command(["agent"], port), env=own_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        assert process.stdout is not None
        assert b"listening" in process.stderr.readline()
        process.stderr.close()
        process.stdout.close()
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert http_get(port, "/metrics").status == 200
        process.terminate()
        assert process.wait(END_S) == 0
    finally:
        process.kill()
        process.wait(LONG_S)


@pytest.mark.parametrize("further", [[], ["--simulate=h200x8"], ["--simulate=mi300x8"]])
def test_in_a_folder_that_is_gone(http_get: Get, tmp_path: Path, further: list[str]) -> None:
    """A working directory that was deleted, and the locale C, are no hindrance, on a simulated machine either."""
    folder = tmp_path / "gone"
    folder.mkdir()
    port = unused_port()
    address = f"--web.listen-address=127.0.0.1:{port}"
    command = shlex.join([sys.executable, "-m", "nodescope", "agent", address, *further])
    script = f"cd {shlex.quote(str(folder))} && rmdir {shlex.quote(str(folder))} && exec {command}"
    environment = {**own_environment(), "LC_ALL": "C"}
    process = subprocess.Popen(["bash", "-c", script], env=environment, stderr=subprocess.DEVNULL)
    serves_and_ends(process, port, http_get)


def simulated_trees(process: subprocess.Popen[str]) -> list[Path]:
    return list(Path("/dev/shm").glob(f"nodescope-simulate-{process.pid}-*"))


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_command_on_a_simulated_machine_leaves_nothing(number: signal.Signals, code: int, times: int) -> None:
    """The machine's files, which lie in memory, go with the command, also where it is told to end again and again, and
    nobody is shown a traceback."""
    command = [sys.executable, "-m", "nodescope", "metrics", "--simulate", "h200x8"]
    # A shell that puts a test run into the background has it, and what it starts, ignore SIGINT, and nohup SIGHUP.
    taken: dict[signal.Signals, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in taken.items()}
    process = subprocess.Popen(
        command, env=own_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    for ignored, handler in before.items():
        signal.signal(ignored, handler)
    try:
        wait_until(lambda: bool(simulated_trees(process)))
        for _ in range(times):
            process.send_signal(number)
            time.sleep(0.005)
        _, told = process.communicate(timeout=LONG_S)
    finally:
        process.kill()
    assert (process.returncode, told, simulated_trees(process)) == (code, "", [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_start_on_a_simulated_machine_leaves_nothing(number: signal.Signals) -> None:
    """An agent that is told to end while it still writes the machine's files takes them away, and ends in time."""
    # It ends in time before all else: on a machine that is too busy the next simulation takes them away.
    assert any(leaves_nothing(number) for _ in range(TRIES))


def leaves_nothing(number: signal.Signals) -> bool:
    command = [*nodescope_command(["agent"], unused_port()), "--simulate=h200x8"]
    process = subprocess.Popen(command, env=own_environment(), stderr=subprocess.DEVNULL, text=True)
    try:
        wait_until(lambda: bool(simulated_trees(process)))
        process.send_signal(number)
        assert process.wait(END_S) == 0
        left = simulated_trees(process)
        remove_abandoned("/dev/shm")
        assert simulated_trees(process) == []
        return not left
    finally:
        process.kill()
        process.wait(LONG_S)


NO_MORE: Final = """
import sys, threading, time
from nodescope.__main__ import main
def no_more():
    while [thread.name for thread in threading.enumerate()].count("web-worker-0") < 3 and not now:
        time.sleep(0.01)
    threading.stack_size(2**45)
    print("no more", flush=True)
now = sys.argv.pop(1) == "now"
no_more() if now else threading.Thread(target=no_more, daemon=True).start()
main()
"""
"""An agent that gets no more threads: from the start ("now"), or once it answers."""


@contextlib.contextmanager
def without_threads(when: str) -> Iterator[subprocess.Popen[str]]:
    ports = [f"--web.listen-address=127.0.0.1:{unused_port()}" for _ in range(3)]
    command = [sys.executable, "-c", NO_MORE, when, "agent", "--simulate=cpu", *ports]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=own_environment(), stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_without_threads_at_the_start() -> None:
    """An agent that gets no thread ends with status 1 and one sentence."""
    with without_threads("now") as process:
        _, said = process.communicate(timeout=LONG_S)
    assert process.returncode == 1
    assert said.startswith("nodescope: no thread could be started (")
    assert said.count("\n") == 1


def test_without_threads_at_the_end() -> None:
    """Where threads ran out SIGTERM ends an agent with several listeners in time, with status 0 and no traceback."""
    with without_threads("later") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "no more\n"
        time.sleep(0.5)
        process.terminate()
        _, said = process.communicate(timeout=2 * END_S)
    assert (process.returncode, "Traceback" in said) == (0, False)


def test_without_threads_what_hangs_is_left() -> None:
    """Where there is no thread to end a process that hangs when it is to end, it ends all the same."""
    code = (
        "import threading\n"
        "from nodescope.cli.agent import _limit_end\n"
        "threading.stack_size(2**45)\n"
        "_limit_end(0.1)\n"
        "lock = threading.Lock()\n"
        "lock.acquire()\n"
        "lock.acquire()\n"
    )
    assert subprocess.run([sys.executable, "-c", code], env=own_environment(), timeout=LONG_S).returncode == 0


IMPORTING: Final = """
import runpy, signal, sys
class Interrupts:
    def find_spec(name, path=None, target=None):
        if name == "nodescope.settings":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupts)
sys.argv = ["nodescope", "config", "check"]
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("nodescope", run_name="__main__")
"""


def test_while_it_is_imported() -> None:
    """Ctrl-C before the first line of a command ends it by the signal, without a traceback."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING], env=own_environment(), capture_output=True, text=True, timeout=LONG_S
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
