"""Asks the kubelet over HTTPS, on one connection that is kept, each request with a deadline.

Source: Kubernetes, "Kubelet authentication/authorization"; RFC 9112.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from typing import TYPE_CHECKING, Final

from nodescope import __version__
from nodescope.containers.http_answer import Answer, AnswerReader, CutShort
from nodescope.containers.kubelet.access import Access, AccessFailed, context, files_mark, reason, token
from nodescope.kernel.file import Malformed, text

if TYPE_CHECKING:
    import ssl

DEADLINE_S: Final = 8.0
"""For one request, connecting and the whole answer included."""

SHOWN_BYTES: Final = 80

_ADVICE: Final = {
    401: "the token or client certificate is not accepted: see collector.kubelet.token-file, and whether the kubelet "
    "takes tokens (authentication.webhook)",
    403: "the account may not read this: grant it `get` of nodes/stats and nodes/pods (before Kubernetes 1.33 of "
    "nodes/proxy)",
    404: "the kubelet's API is switched off (enableDebuggingHandlers), or something else listens there",
}

log = logging.getLogger(__name__)


class KubeletFailed(Exception):
    """The kubelet did not give what was asked for. Names the URL, what happened and what to do."""


class KubeletClient:
    """One connection to one kubelet, for one thread. `get` opens it, and again where it was closed in between.

    Certificates are loaded again when their files change, the token is read for each request.
    """

    def __init__(self, access: Access, deadline_s: float = DEADLINE_S) -> None:
        self._access = access
        self._deadline_s = deadline_s
        self._socket: ssl.SSLSocket | None = None
        self._reader: AnswerReader | None = None
        self._context: ssl.SSLContext | None = None
        self._mark: object = None
        self._until = 0.0
        self._warned = False
        self._asking = threading.Lock()
        self._ended = False

    def get(self, path: str) -> bytearray:
        """The body of `path`. Raises `KubeletFailed`, `AccessFailed`, `Malformed`."""
        with self._asking:
            try:
                return self._get(path)
            finally:
                if self._ended:
                    self.close()

    def end(self) -> None:
        """Closes the connection for good, from any thread: a request under way ends in `KubeletFailed`."""
        self._ended = True
        if self._asking.acquire(blocking=False):
            self.close()
            self._asking.release()
        elif (busy := self._socket) is not None:
            # Only its own thread closes it: the number might belong to another file before that thread notices. And not
            # by its own shutdown(), which takes the TLS away first: a request could go out in the clear.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(busy, socket.SHUT_RDWR)

    def close(self) -> None:
        """Closes the connection; the next `get` opens another."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
        self._socket = self._reader = None

    def _get(self, path: str) -> bytearray:
        self._until = time.monotonic() + self._deadline_s
        url = f"{self._access.url}{path}"
        try:
            answer = self._ask(path)
        except Malformed:
            self.close()
            raise
        except (OSError, CutShort) as error:
            self.close()
            raise KubeletFailed(_told(url, error, self._deadline_s)) from error
        if not answer.stays or (self._reader is not None and self._reader.unasked):
            self.close()
        if answer.status != 200:
            advice = _ADVICE.get(answer.status, "see the kubelet's own log")
            shown = text(bytes(answer.body[:SHOWN_BYTES])).strip()
            raise KubeletFailed(f"{url}: expected 200, got {answer.status} {shown!r}: {advice}")
        return answer.body

    def _ask(self, path: str) -> Answer:
        request = self._request(path)
        self._renew()
        if self._socket is not None:
            try:
                return self._exchange(request)
            except TimeoutError:
                raise
            except (OSError, CutShort) as error:
                # The kubelet closes connections that rest, which shows only when the next request is sent.
                if isinstance(error, CutShort) and error.began:
                    raise
                self.close()
        self._connect()
        return self._exchange(request)

    def _request(self, path: str) -> bytes:
        access = self._access
        host = access.url.removeprefix("https://")
        head = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: nodescope/{__version__}\r\n"
            "Accept: application/json\r\nAccept-Encoding: identity\r\n"
        ).encode()
        if access.token_file:
            head += b"Authorization: Bearer " + token(access.token_file) + b"\r\n"
        return head + b"\r\n"

    def _renew(self) -> None:
        """Forgets connection and certificates where the certificates' files have changed."""
        mark = files_mark(self._access)
        if mark != self._mark or self._context is None:
            self.close()
            self._context = context(self._access)
            self._mark = mark
            if self._access.insecure and not self._warned:
                self._warned = True
                log.warning(
                    "%s: the kubelet's certificate is not verified, and whoever answers is shown the token, for "
                    "collector.kubelet.insecure is set; give collector.kubelet.ca-file instead",
                    self._access.url,
                )

    def _connect(self) -> None:
        assert self._context is not None
        if self._ended:
            raise ConnectionAbortedError("the connection was ended")
        plain = socket.create_connection((self._access.host, self._access.port), self._remaining())
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.settimeout(self._remaining())
            name = self._access.server_name or self._access.host
            self._socket = self._context.wrap_socket(plain, server_hostname=name)
        except BaseException:
            plain.close()
            raise
        self._reader = AnswerReader(self._access.url, self._receive)

    def _exchange(self, request: bytes) -> Answer:
        assert self._socket is not None
        assert self._reader is not None
        self._socket.settimeout(self._remaining())
        self._socket.sendall(request)
        return self._reader.read()

    def _receive(self, size: int) -> bytes:
        assert self._socket is not None
        self._socket.settimeout(self._remaining())
        return self._socket.recv(size)

    def _remaining(self) -> float:
        remaining = self._until - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        return remaining


def _told(url: str, error: OSError | CutShort, deadline_s: float) -> str:
    if isinstance(error, TimeoutError):
        return (
            f"{url}: expected an answer within {deadline_s:g} s, got none: is the kubelet overloaded, or the way cut?"
        )
    if isinstance(error, CutShort):
        return f"{url}: expected a whole answer, got part of one: {error}"
    if hasattr(error, "verify_message"):
        return (
            f"{url}: expected a certificate that can be verified: {reason(error)}; give the CA that signed it "
            "(collector.kubelet.ca-file; of a self-signed one itself) and, where its name is another, "
            "collector.kubelet.server-name"
        )
    return f"{url}: expected a connection: {reason(error)}; see whether collector.kubelet.address is the node's"


__all__ = ["AccessFailed", "KubeletClient", "KubeletFailed"]
