"""`nodescope agent`: everything this machine has, until a signal ends it."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from nodescope import command, configuration, garbage, logs, threads
from nodescope.agent import Agent
from nodescope.cli import EXIT_FAILURE, warn
from nodescope.cli.flags import every, parse, parser
from nodescope.listening import CannotStart
from nodescope.malloc import give_back_large_buffers
from nodescope.roles import BY_NAME, Role
from nodescope.settings import Settings
from nodescope.systemd import Notifier

IDLE_WAIT_S: Final = 3600.0
END_LIMIT_S: Final = 1.7
START_LOOK_S: Final = 0.05
WANTED_DESCRIPTORS: Final = 16_384
MAX_RELOADS: Final = 2
_ENDS: Final = {signal.SIGTERM, signal.SIGINT}
_SIGNALS: Final = {*_ENDS, signal.SIGHUP}

log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    return serve(BY_NAME["agent"], "nodescope agent", arguments)


def serve(role: Role, prog: str, arguments: Sequence[str], defaults: Mapping[str, Any] | None = None) -> int:
    """Starts a role and waits for SIGTERM or SIGINT; SIGHUP reads the settings again.

    `defaults`: in place of those of the table of settings.
    """
    own = {**role.own_defaults, **(defaults or {})}
    _, given, warnings = parse(parser(prog, f"Serve {role.help}.", every, own), arguments)
    return run(role, given, warnings, defaults)


def run(
    role: Role, given: Mapping[str, Any], warnings: Sequence[str], defaults: Mapping[str, Any] | None = None
) -> int:
    """`serve` once its flags are read: `given`, key -> raw value."""
    defaults = {**role.own_defaults, **(defaults or {})}

    def load() -> Settings:
        return configuration.load(given, os.environ, defaults, role.environment)

    settings = load()
    logs.configure(settings["log.level"], settings["log.format"])
    for warning in (*warnings, *settings.warnings):
        log.warning("%s", warning)
    _allow_descriptors()
    give_back_large_buffers()
    # Blocked before any thread starts, so that this thread alone takes them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    agent = Agent(settings, role, load)
    try:
        with _endable(bool(settings["simulate"])):
            agent.start()
    except CannotStart as error:
        warn(str(error))
        return EXIT_FAILURE
    garbage.settle()
    notifier = Notifier(os.environ)
    notifier.ready()
    _wait(agent, notifier)
    notifier.stopping()
    agent.stop()
    _leave()
    return 0


def _allow_descriptors() -> None:
    """Raises the limit on open files as far as this process may: 1024, the usual one, is for select(2) alone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, WANTED_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextlib.contextmanager
def _endable(in_order: bool) -> Iterator[None]:
    """Ends the process on SIGTERM or SIGINT while this thread may be held up by a file or a name server.

    `in_order`: this thread does so, if it comes to an end in time, for there are files to take away.
    """
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            taken = signal.sigtimedwait(_ENDS, START_LOOK_S)
            if taken is not None and in_order:
                _limit_end()
                done.wait(END_LIMIT_S)
            if taken is not None and done.is_set():
                os.kill(os.getpid(), taken.si_signo)  # for the main thread, which waits for it by now
            elif taken is not None:
                _exit(0)  # not even the log may be waited for

    try:
        threads.start(threading.Thread(target=watch, name="start", daemon=True))
    except RuntimeError as error:
        raise CannotStart(f"no thread could be started ({error}): raise the limit on processes (TasksMax)") from error
    try:
        yield
    finally:
        done.set()


def _limit_end(limit_s: float = END_LIMIT_S) -> None:
    """Ends the process `limit_s` from now in any case: what is to end may hang, and so may who reads the log."""
    try:
        limit = threading.Timer(limit_s, _exit, (0,))
        limit.daemon = True
        threads.start(limit)
    except (RuntimeError, MemoryError):
        # No thread is to be had: the main one then ends the process, if it waits for a lock and not for a file.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGALRM, lambda number, frame: _exit(0))
            signal.setitimer(signal.ITIMER_REAL, limit_s)


def _wait(agent: Agent, notifier: Notifier) -> None:
    """Returns when the process shall end, which it does in any case `END_LIMIT_S` later."""
    reloads: list[threading.Thread] = []
    while True:
        taken = signal.sigtimedwait(_SIGNALS, notifier.watchdog_interval_s or IDLE_WAIT_S)
        if taken is None:
            if agent.alive:
                notifier.watchdog()
        elif taken.si_signo == signal.SIGHUP:
            reloads = [thread for thread in reloads if thread.is_alive()]
            # A file that hangs must hold up neither the next signal nor the watchdog. One that waits sees the newest.
            if len(reloads) < MAX_RELOADS:
                reloads += _begin_reload(agent, notifier)
        else:
            _limit_end()
            log.info("stopping", extra={"fields": {"signal": signal.Signals(taken.si_signo).name}})
            return


def _begin_reload(agent: Agent, notifier: Notifier) -> list[threading.Thread]:
    thread = threading.Thread(target=_reload, args=(agent, notifier), name="reload", daemon=True)
    try:
        threads.start(thread)
    except RuntimeError as error:
        log.error("reload failed, the settings in force stay: %s", error)
        return []
    return [thread]


def _reload(agent: Agent, notifier: Notifier) -> None:
    notifier.reloading(time.monotonic_ns() // 1000)
    agent.reload()
    notifier.ready()


def _exit(code: int) -> None:
    """Ends the process at once, and the programs that its threads wait for."""
    command.kill_all()
    os._exit(code)


def _leave(exit_now: Callable[[int], None] = _exit) -> None:
    """Ends the process at once: a thread that is stuck in a read must not hold up the exit."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        # Either may be closed, or its reader gone.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    exit_now(0)
