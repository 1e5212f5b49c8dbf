"""A client of bytes on a socket, for requests that no HTTP library would send."""

from __future__ import annotations

import socket
import ssl
from typing import Final, NamedTuple

from nodescope.web.server import Listener

TIMEOUT_S: Final = 10.0
GET: Final = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Reply(NamedTuple):
    """An answer: status, header fields (names in lower case), body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """One connection to a listener on 127.0.0.1; `context` for TLS."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        self.sock: socket.socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        if context is not None:
            try:
                self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
            except OSError:
                self.sock.close()
                raise
        self._buffer = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    def send(self, data: bytes) -> Client:
        self.sock.sendall(data)
        return self

    def reply(self, has_body: bool = True) -> Reply:
        """The next answer. Raises `EOFError` where the server hangs up before its end."""
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(status_line.split(" ")[1])
        length = int(headers.get("content-length", "0")) if has_body and status != 100 else 0
        while len(self._buffer) < length:
            self._fill()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Reply(status, headers, body)

    def ask(self, request: bytes = GET) -> Reply:
        return self.send(request).reply()

    def rest(self) -> bytes:
        """Everything until the server hangs up, whether politely or not."""
        try:
            while True:
                self._fill()
        except (EOFError, ConnectionError):
            return self._buffer

    def is_open(self) -> bool:
        """Whether the server has not hung up, as far as can be seen now."""
        self.sock.setblocking(False)
        try:
            return bool(self.sock.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        finally:
            self.sock.settimeout(TIMEOUT_S)

    def _fill(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        self._buffer += data


def port_of(listener: Listener) -> int:
    return int(listener.address.rpartition(":")[2])


def get(path: str, *fields: str, method: str = "GET") -> bytes:
    """A request's bytes; `fields` are header lines."""
    lines = "".join(f"{field}\r\n" for field in fields)
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode("latin-1")
