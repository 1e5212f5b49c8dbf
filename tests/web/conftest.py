"""Listeners on free ports, and certificates made for the tests."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from nodescope.web.limits import Limits
from nodescope.web.message import Request, Response
from nodescope.web.server import Handler, Listener
from nodescope.web.web_config import WebConfig
from tests.web.raw_client import Client, port_of

OPENSSL_TIMEOUT_S: Final = 30

Serve = Callable[..., Listener]


def hello(request: Request) -> Response:
    return Response(200, b"hello\n")


@pytest.fixture
def serve() -> Iterator[Serve]:
    """serve(handler, limits, web_config, where): a started listener, stopped after the test."""
    started: list[Listener] = []

    def start(
        handler: Handler = hello,
        limits: Limits | None = None,
        web_config: WebConfig | None = None,
        where: Any = "127.0.0.1:0",
    ) -> Listener:
        listener = Listener(where, handler, limits, web_config)
        started.append(listener)
        listener.start()
        return listener

    yield start
    for listener in started:
        listener.stop()


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """connect(listener, context): a client, closed after the test."""
    opened: list[Client] = []

    def open_client(listener: Listener, **options: Any) -> Client:
        opened.append(Client(port_of(listener), **options))
        return opened[-1]

    yield open_client
    for client in opened:
        client.close()


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """eventually(condition): waits for it to hold, and fails the test after ten seconds."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come to hold"
            time.sleep(0.005)

    return wait


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]) -> Path:
    """A folder with server, second, client and stranger (.crt, .key); ca has signed all but stranger.

    server and second are localhost; client has the names client.example, 10.1.2.3, 2001:db8::1, ops@example.org and
    urn:node:1; encrypted.key has a password.
    """
    folder = tmp_path_factory.mktemp("certificates")
    openssl = program("openssl")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True, timeout=OPENSSL_TIMEOUT_S)

    def make(name: str, names: str, *options: str) -> None:
        run(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}",
            "-keyout", f"{name}.key", "-out", f"{name}.crt", *options,
        )  # fmt: skip

    def extensions(*lines: str) -> list[str]:
        return [argument for line in lines for argument in ("-addext", line)]

    signed = [
        "-CA", "ca.crt", "-CAkey", "ca.key",
        *extensions("basicConstraints=critical,CA:FALSE", "keyUsage=digitalSignature", "authorityKeyIdentifier=keyid"),
    ]  # fmt: skip
    make("ca", "DNS:ca.example", *extensions("keyUsage=critical,keyCertSign"))
    make("server", "DNS:localhost,IP:127.0.0.1", *signed)
    make("second", "DNS:localhost,IP:127.0.0.1", *signed)
    make("client", "DNS:client.example,IP:10.1.2.3,IP:2001:db8::1,email:ops@example.org,URI:urn:node:1", *signed)
    make("stranger", "DNS:client.example")
    run("ec", "-in", "server.key", "-aes256", "-passout", "pass:secret", "-out", "encrypted.key")
    return folder
