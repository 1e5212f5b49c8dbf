"""tools.scrape_client against a server that says exactly what the test wants."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from tools.scrape_client import BadReply, ScrapeClient

Serve = Callable[..., ScrapeClient]


@pytest.fixture
def client() -> Iterator[Serve]:
    """client(reply, reply, ...): a client of a server that gives these bytes, one for each request."""
    made: list[ScrapeClient] = []
    threads: list[threading.Thread] = []

    def serve(listener: socket.socket, replies: tuple[bytes, ...]) -> None:
        connection, _ = listener.accept()
        with listener, connection:
            for reply in replies:
                connection.recv(65_536)
                connection.sendall(reply)

    def make(*replies: bytes) -> ScrapeClient:
        listener = socket.create_server(("127.0.0.1", 0))
        threads.append(threading.Thread(target=serve, args=(listener, replies)))
        threads[-1].start()
        made.append(ScrapeClient(listener.getsockname()[1], {"Accept": "text/plain"}))
        return made[-1]

    yield make
    for each in made:
        each.close()
    for thread in threads:
        thread.join(10)


def test_reads_a_body_of_known_length_twice(client: Serve) -> None:
    """A second request on the same connection gets the second body."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
    two = client(head + b"abc", head + b"def")
    assert (two.get("/metrics"), two.get("/metrics")) == (b"abc", b"def")


def test_reads_chunks(client: Serve) -> None:
    """A chunked body is put together, extensions and trailers left out."""
    chunks = b"3;name=value\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: 1\r\n\r\n"
    assert client(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks).get("/metrics") == b"abcde"


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nlate",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
    ],
)
def test_refuses_what_is_no_scrape(client: Serve, reply: bytes) -> None:
    """Another status, no length, and a body that ends early are `BadReply`."""
    with pytest.raises(BadReply):
        client(reply).get("/metrics")
