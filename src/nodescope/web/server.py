"""A listener: its sockets, the front where its connections wait, the workers that answer.

cheroot's server with another connection manager (`front`), pool (`workers`) and connection (`connection`).
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from nodescope.web import address
from nodescope.web._cheroot import HTTPServer
from nodescope.web.access import Access
from nodescope.web.connection import Connection
from nodescope.web.counts import Counters, Counts
from nodescope.web.front import Front
from nodescope.web.limits import Limits
from nodescope.web.message import Request, Response
from nodescope.web.reply import Headers
from nodescope.web.work import Work
from nodescope.web.workers import Workers

if TYPE_CHECKING:
    import ssl

    from nodescope.web.web_config import WebConfig

STOP_S: Final = 1.0

Handler = Callable[[Request], Response]

log = logging.getLogger(__name__)


class Server(HTTPServer):
    """cheroot's server over sockets that are bound already."""

    def __init__(self, sockets: Sequence[socket.socket], handler: Handler, limits: Limits, access: Access) -> None:
        self.limits = limits
        self.counts = Counts()
        self.handler = handler
        self.access = access
        # Connections answer by themselves: no gateway.
        super().__init__(("localhost", 0), None, minthreads=1, maxthreads=limits.workers, server_name="nodescope")
        self._connections = Front(self, sockets, self.connection)
        self.requests = Workers(self, self._connections.get, limits.workers)
        self.sockets = tuple(sockets)

    @property
    def busy(self) -> int:
        return self._connections.busy

    @property
    def open(self) -> int:
        return self._connections.open

    def clear_stats(self) -> None:
        """cheroot registers its statistics for good, and with them the server; these are its own and off."""
        self.stats = {"Enabled": False, "Worker Threads": {}}

    def prepare(self) -> None:
        self.requests.start()
        self.ready = True

    def start(self) -> None:
        """Starts the first worker and returns."""
        self.prepare()

    def leave(self) -> None:
        """Takes no further connection and no further request."""
        self.ready = False
        self._connections.stop()
        for sock in self.sockets:
            sock.close()

    def stop(self, patience_s: float = STOP_S) -> None:
        """Ends within `patience_s`: what is being answered may finish, what hangs is left behind."""
        self.leave()
        self.requests.stop(patience_s)
        self._connections.close()

    def connection(self, sock: socket.socket, remote: str) -> Connection:
        """A connection over an accepted socket. Raises `OSError` where TLS cannot begin on it."""
        return self.access.connection(self, sock, remote)

    @property
    def context(self) -> ssl.SSLContext | None:
        """Of TLS, as it is in force now; None without."""
        return self.access.rules().context

    def answer(self, work: Work, again: bool = False) -> tuple[Response, Headers]:
        """The answer to a request, and the header fields that the web config file adds.

        `again`: the request was admitted when it came, and is only handled once more.
        """
        rules, request = self.access.rules(), work.request
        if again:
            return self.handler(msgspec.structs.replace(request, again=True)), rules.headers
        refusal = rules.refusal(request)
        if refusal is not None:
            return refusal, rules.headers
        work.admitted = True
        return self.handler(request), rules.headers

    def come_late(self) -> None:
        """The worker that calls has an answer to a request that another has answered."""
        self._connections.late.add(threading.get_ident())

    def is_late(self) -> bool:
        """Whether the connection that the calling worker brings back is not its own any more."""
        return threading.get_ident() in self._connections.late

    def put_conn(self, conn: Connection) -> None:
        self._connections.put(conn)

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:
        log.log(level, "%s", msg, exc_info=traceback)

    @property
    def interrupt(self) -> None:
        """None: nothing interrupts this server."""

    @interrupt.setter
    def interrupt(self, interrupt: BaseException) -> None:
        """cheroot reports here what has ended a worker, to end the server; another worker takes its place instead."""
        self._connections.replaced.discard(threading.current_thread())
        self.requests.replace(threading.current_thread())


class Listener:
    """Serves `handler` on some sockets, within `limits`, under a web config file or in the open.

    `where`: an address as `address.parse` reads it, or sockets that listen already. Raises `AddressError`,
    `BindError`, `WebConfigError`.
    """

    def __init__(
        self,
        where: str | Sequence[socket.socket],
        handler: Handler,
        limits: Limits | None = None,
        web_config: WebConfig | None = None,
    ) -> None:
        access = Access(web_config)
        sockets = [address.bind(address.parse(where))] if isinstance(where, str) else list(where)
        for sock in sockets:
            sock.setblocking(False)
        self._addresses = tuple(map(address.name, sockets))
        self._server = Server(sockets, handler, limits or Limits(), access)

    @property
    def address(self) -> str:
        """Where it serves, the port that was found included; several are joined by a comma."""
        return ", ".join(self._addresses)

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """Those it accepts from, until it is stopped."""
        return self._server.sockets

    @property
    def alive(self) -> bool:
        """Whether it has been started, has not been stopped, and a worker runs to take requests."""
        return self._server.ready and self._server.requests.alive

    @property
    def counters(self) -> Counters:
        return self._server.counts.read(self._server.open, self._server.busy)

    def start(self) -> None:
        """Starts its threads and returns."""
        self._server.start()

    def leave(self) -> None:
        """Closes the sockets and takes nothing further; to be stopped when what is being answered has had its time."""
        self._server.leave()

    def stop(self, patience_s: float = STOP_S) -> None:
        """Ends within `patience_s` and closes the sockets. It cannot be started again."""
        self._server.stop(patience_s)

    def swap(self, handler: Handler, web_config: WebConfig | None, limits: Limits | None = None) -> None:
        """Goes on with these, on the same sockets. Raises `WebConfigError`, and changes nothing, for a bad one."""
        self._server.access.swap(web_config)
        self._server.handler = handler
        if limits is not None:
            self._server.limits = limits
            self._server.requests.max = limits.workers
