"""Who may connect and ask, as the web config file says: its TLS, rate limit, users and header fields.

The file and those it names are looked at once a second at most, when someone connects or asks, so that rotated
certificates come into force by themselves. A file that cannot be used changes nothing, and is warned of once; neither
does one that hangs, for it is looked at in a thread of its own.
"""

from __future__ import annotations

import logging
import socket
import threading
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from nodescope import threads
from nodescope.web.connection import Connection
from nodescope.web.message import Request, Response, text
from nodescope.web.rate_limit import RateLimiter
from nodescope.web.stamp import Stamp, stamp

if TYPE_CHECKING:
    import ssl

    from nodescope.web.auth import Users
    from nodescope.web.serving import Serving
    from nodescope.web.web_config import WebConfig

CHECK_INTERVAL_S: Final = 1.0
CHECK_WAIT_S: Final = 1.0
"""How long whoever comes waits for the files, so that what has changed in them holds for him already."""

log = logging.getLogger(__name__)


class Rules(NamedTuple):
    """A web config in force."""

    config: WebConfig | None = None
    context: ssl.SSLContext | None = None
    limiter: RateLimiter | None = None
    users: Users | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def refusal(self, request: Request) -> Response | None:
        """The answer to a request that is not let through, else None."""
        if self.limiter is not None and not self.limiter.allow():
            return text(429, "too many requests, try again later")
        if self.users is not None:
            return self.users.refusal(request.header("authorization"))
        return None


class Access:
    """The rules in force, kept up to date with the file that they come from."""

    def __init__(self, config: WebConfig | None) -> None:
        """Raises `WebConfigError` where `config` names files that cannot be used."""
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._check_again_at = monotonic() + CHECK_INTERVAL_S
        self._stamps = _stamps(config)
        self._rules = _rules(config, Rules())

    def rules(self) -> Rules:
        """What is in force now."""
        rules, looking = self._rules, self._looking
        if rules.config is None or monotonic() < self._check_again_at or not looking.acquire(False):
            # Whoever comes while the files are looked at is served by the rules there are.
            return rules
        self._check_again_at = monotonic() + CHECK_INTERVAL_S
        self._begin_look(rules, rules.config.path, looking)
        return self._rules

    def swap(self, config: WebConfig | None) -> None:
        """Puts `config` into force. Raises `WebConfigError`, and changes nothing, where it cannot be used."""
        # Before TLS' files are read, so that a later change is seen.
        stamps = _stamps(config)
        rules = _rules(config, self._rules)
        with self._lock:
            self._rules, self._stamps = rules, stamps
            # Who still looks at a file of before that hangs looks at none of these.
            self._looking = threading.Lock()

    def connection(self, server: Serving, sock: socket.socket, remote: str) -> Connection:
        """A connection under these rules. Raises `OSError` where TLS cannot begin on it."""
        rules = self.rules()
        if rules.context is None:
            return Connection(server, sock, remote)
        from nodescope.web.tls import TlsConnection

        allowed = rules.config.tls.client_allowed_sans if rules.config and rules.config.tls else ()
        return TlsConnection(server, sock, remote, rules.context, allowed)

    def _begin_look(self, before: Rules, path: str, looking: threading.Lock) -> None:
        """Looks at the files in a thread, for one may hang: and then neither the entrance nor a worker may."""
        seen = threading.Event()
        thread = threading.Thread(None, self._look, "web-config", (before, path, looking, seen), daemon=True)
        if not threads.started(thread, f"to look for changes of {path}"):
            looking.release()
        elif not seen.wait(CHECK_WAIT_S):
            log.warning("%s or a file that it names does not answer; the settings in force stay until it does", path)

    def _look(self, before: Rules, path: str, looking: threading.Lock, seen: threading.Event) -> None:
        try:
            self._check(before, path)
        finally:
            looking.release()
            seen.set()

    def _check(self, before: Rules, path: str) -> None:
        known = self._stamps
        stamps = {watched: stamp(watched) for watched in known}
        if stamps == known:
            return
        from nodescope.web.web_config import WebConfigError, load

        try:
            newer = load(path)
            stamps = _stamps(newer)
            rules = _rules(newer, before)
        except WebConfigError as error:
            log.warning("%s; the settings before it stay in force", error)
            rules = before
        else:
            log.info("%s has changed and is in force", path)
        with self._lock:
            # A reload meanwhile knows better.
            if self._rules is before:
                self._rules, self._stamps = rules, stamps


def _stamps(config: WebConfig | None) -> dict[str, Stamp]:
    """How the files of `config` look; its own, as it did when it was read."""
    if config is None:
        return {}
    files = config.tls.files if config.tls else ()
    return {config.path: config.stamp, **{path: stamp(path) for path in files}}


def _rules(config: WebConfig | None, before: Rules) -> Rules:
    """`config` made ready. A limiter or users that have not changed keep what they know."""
    if config is None:
        return Rules()
    return Rules(config, _context(config), _limiter(config, before), _users(config, before), config.headers)


def _context(config: WebConfig) -> ssl.SSLContext | None:
    if config.tls is None:
        return None
    from nodescope.web.tls import server_context

    return server_context(config.tls, config.path)


def _limiter(config: WebConfig, before: Rules) -> RateLimiter | None:
    limit = config.rate_limit
    if not limit.interval_s:
        return None
    if before.config is not None and before.config.rate_limit == limit:
        return before.limiter
    return RateLimiter(limit.interval_s, limit.burst)


def _users(config: WebConfig, before: Rules) -> Users | None:
    if not config.users:
        return None
    if before.config is not None and before.config.users == config.users:
        return before.users
    from nodescope.web.auth import Users

    return Users(config.users)
