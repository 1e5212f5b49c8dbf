"""Who may connect and ask, as the web config file says: its TLS, rate limit, users and header fields.

The file and those it names are looked at once a second at most, when someone connects or asks, so that rotated
certificates come into force by themselves. A file that cannot be used changes nothing, and is warned of once.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple

from nodescope.web.connection import Connection
from nodescope.web.message import Request, Response, text
from nodescope.web.rate_limit import RateLimiter

if TYPE_CHECKING:
    import ssl

    from nodescope.web.auth import Users
    from nodescope.web.serving import Serving
    from nodescope.web.web_config import WebConfig

CHECK_INTERVAL_S: Final = 1.0

Stamp = tuple[int, ...] | None
"""Device, inode, size, and times of modification and of change of a file; None where it cannot be looked at."""

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
        self._check_again_at = monotonic() + CHECK_INTERVAL_S
        self._watch(config)
        self._rules = _rules(config, Rules())

    def rules(self) -> Rules:
        """What is in force now."""
        if self._rules.config is not None and monotonic() >= self._check_again_at and self._lock.acquire(False):
            # Whoever comes meanwhile is served by the rules there are.
            try:
                self._check_again_at = monotonic() + CHECK_INTERVAL_S
                self._check(self._rules.config.path)
            finally:
                self._lock.release()
        return self._rules

    def swap(self, config: WebConfig | None) -> None:
        """Puts `config` into force. Raises `WebConfigError`, and changes nothing, where it cannot be used."""
        with self._lock:
            self._rules = _rules(config, self._rules)
            self._watch(config)

    def connection(self, server: Serving, sock: socket.socket, remote: str) -> Connection:
        """A connection under these rules. Raises `OSError` where TLS cannot begin on it."""
        rules = self.rules()
        if rules.context is None:
            return Connection(server, sock, remote)
        from nodescope.web.tls import TlsConnection

        allowed = rules.config.tls.client_allowed_sans if rules.config and rules.config.tls else ()
        return TlsConnection(server, sock, remote, rules.context, allowed)

    def _watch(self, config: WebConfig | None) -> None:
        """Notes how the files of `config` look before they are read, so that a later change is seen."""
        files = () if config is None else (config.path, *(config.tls.files if config.tls else ()))
        self._stamps = {path: _stamp(path) for path in files}

    def _check(self, path: str) -> None:
        if all(_stamp(watched) == stamp for watched, stamp in self._stamps.items()):
            return
        from nodescope.web.web_config import WebConfigError, load

        self._stamps = {watched: _stamp(watched) for watched in self._stamps}
        try:
            newer = load(path)
            self._watch(newer)
            self._rules = _rules(newer, self._rules)
        except WebConfigError as error:
            log.warning("%s; the settings before it stay in force", error)
        else:
            log.info("%s has changed and is in force", path)


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


def _stamp(path: str) -> Stamp:
    """The time of change is among it, for that of modification can be given: `cp -p` over a file does."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
