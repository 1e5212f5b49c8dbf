"""`nodescope agent`: everything this machine has, until a signal ends it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from nodescope import configuration, logs
from nodescope.agent import Agent
from nodescope.cli import EXIT_FAILURE
from nodescope.cli.flags import parse, parser
from nodescope.listening import CannotStart
from nodescope.roles import BY_NAME, Role
from nodescope.settings import Settings
from nodescope.systemd import Notifier

IDLE_WAIT_S: Final = 3600.0
_SIGNALS: Final = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}

log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    return serve(BY_NAME["agent"], "nodescope agent", arguments)


def serve(role: Role, prog: str, arguments: Sequence[str]) -> int:
    """Starts a role and waits for SIGTERM or SIGINT; SIGHUP reads the settings again."""
    _, given, warnings = parse(parser(prog, f"Serve {role.help}."), arguments)

    def load() -> Settings:
        return configuration.load(given, os.environ, {"web.listen-address": (f"127.0.0.1:{role.port}",)})

    settings = load()
    logs.configure(settings["log.level"], settings["log.format"])
    for warning in (*warnings, *settings.warnings):
        log.warning("%s", warning)
    # Blocked before any thread starts, so that this thread alone takes them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    agent = Agent(settings, role, load)
    try:
        agent.start()
    except CannotStart as error:
        print(f"nodescope: {error}", file=sys.stderr)
        return EXIT_FAILURE
    notifier = Notifier(os.environ)
    notifier.ready()
    _wait(agent, notifier)
    notifier.stopping()
    agent.stop()
    _leave()
    return 0


def _wait(agent: Agent, notifier: Notifier) -> None:
    while True:
        taken = signal.sigtimedwait(_SIGNALS, notifier.watchdog_interval_s or IDLE_WAIT_S)
        if taken is None:
            if agent.alive:
                notifier.watchdog()
        elif taken.si_signo == signal.SIGHUP:
            notifier.reloading(time.monotonic_ns() // 1000)
            agent.reload()
            notifier.ready()
        else:
            log.info("stopping", extra={"fields": {"signal": signal.Signals(taken.si_signo).name}})
            return


def _leave(exit_now: Callable[[int], None] = os._exit) -> None:
    """Ends the process at once: a thread that is stuck in a read must not hold up the exit."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    exit_now(0)
