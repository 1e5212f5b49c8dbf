"""TLS as the web config file asks for it, with real handshakes."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from nodescope.web.limits import Limits
from nodescope.web.message import Request, Response
from nodescope.web.server import Listener
from nodescope.web.web_config import WebConfig, WebConfigError, parse
from tests.web.conftest import Serve, hello
from tests.web.raw_client import GET, Client, get, port_of

Connect = Callable[..., Client]
Eventually = Callable[[Callable[[], bool]], None]


@pytest.fixture
def configured(certificates: Path) -> Callable[..., WebConfig]:
    """configured(line, ...): a config whose tls_server_config has the server's pair and these lines."""

    def read(*lines: str, cert: str = "server.crt", key: str = "server.key") -> WebConfig:
        text = "".join(f"  {line}\n" for line in (f"cert_file: {cert}", f"key_file: {key}", *lines))
        return parse(f"tls_server_config:\n{text}".encode(), str(certificates / "web.yml"))

    return read


@pytest.fixture
def trusting(certificates: Path) -> Callable[..., ssl.SSLContext]:
    """trusting(certificate): a client's context that knows the CA, and shows a certificate where one is named."""

    def make(certificate: str | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
        if certificate:
            context.load_cert_chain(certificates / f"{certificate}.crt", certificates / f"{certificate}.key")
        return context

    return make


Configured = Callable[..., WebConfig]
Trusting = Callable[..., ssl.SSLContext]


def status(listener: Listener, context: ssl.SSLContext) -> int:
    """What a GET is answered with; 0 where no connection comes about."""
    try:
        with Client(port_of(listener), context) as client:
            return client.ask().status
    except (OSError, EOFError):
        return 0


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_both_versions_are_served(
    serve: Serve, connect: Connect, configured: Configured, trusting: Trusting, version: str
) -> None:
    """Requests are answered over TLS 1.2 and 1.3, many on one connection."""
    context = trusting()
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    listener = serve(web_config=configured())
    client = connect(listener, context=context)
    for _ in range(5):
        assert client.ask().body == b"hello\n"
    assert isinstance(client.sock, ssl.SSLSocket)
    assert client.sock.version() == version.replace("v1_", "v1.")
    assert listener.counters.accepted == 1


@pytest.mark.parametrize(
    ("lines", "version", "served"),
    [
        (["min_version: TLS13"], "TLSv1_2", False),
        (["min_version: TLS13"], "TLSv1_3", True),
        (["max_version: TLS12"], "TLSv1_3", False),
        (["min_version: TLS10"], "TLSv1_2", True),
        (["cipher_suites: [TLS_AES_128_GCM_SHA256]"], "TLSv1_2", False),
        (["cipher_suites: [TLS_AES_128_GCM_SHA256]"], "TLSv1_3", True),
        (["curve_preferences: [CurveP384]"], "TLSv1_3", True),
    ],
)
def test_versions_follow_the_file(
    serve: Serve, configured: Configured, trusting: Trusting, lines: list[str], version: str, served: bool
) -> None:
    """Versions outside the file's bounds, or without a suite in it, get no handshake."""
    context = trusting()
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    assert status(serve(web_config=configured(*lines)), context) == (200 if served else 0)


def test_ciphers_follow_the_file(serve: Serve, configured: Configured, trusting: Trusting) -> None:
    """Of TLS 1.2 only the suites in the file are spoken."""
    listener = serve(web_config=configured("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]"))
    for cipher, answer in (("ECDHE-ECDSA-AES256-GCM-SHA384", 200), ("ECDHE-ECDSA-AES128-GCM-SHA256", 0)):
        context = trusting()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(cipher)
        assert status(listener, context) == answer


def test_curves_follow_the_file(serve: Serve, configured: Configured, trusting: Trusting) -> None:
    """A client that has another curve only gets no handshake."""
    listener = serve(web_config=configured("curve_preferences: [CurveP521]"))
    for curve, answer in (("secp521r1", 200), ("prime256v1", 0)):
        context = trusting()
        context.set_ecdh_curve(curve)
        assert status(listener, context) == answer


@pytest.mark.parametrize(
    ("kind", "none", "client", "stranger"),
    [
        ("RequireAndVerifyClientCert", 0, 200, 0),
        ("RequireAnyClientCert", 0, 200, 0),
        ("VerifyClientCertIfGiven", 200, 200, 0),
        ("RequestClientCert", 200, 200, 200),
    ],
)
def test_client_certificates(
    serve: Serve, configured: Configured, trusting: Trusting, kind: str, none: int, client: int, stranger: int
) -> None:
    """Who has no certificate, a good one, or one of his own making is let in as the file says."""
    listener = serve(web_config=configured("client_ca_file: ca.crt", f"client_auth_type: {kind}"))
    found = [status(listener, trusting(name)) for name in (None, "client", "stranger")]
    assert found == [none, client, stranger]


@pytest.mark.parametrize("name", ["client.example", "10.1.2.3", "ops@example.org", "urn:node:1"])
def test_names_of_client_certificates(serve: Serve, configured: Configured, trusting: Trusting, name: str) -> None:
    """A certificate with one of the names enters, by DNS name, address, e-mail or URI; a good one without does not."""
    lines = ("client_ca_file: ca.crt", "client_auth_type: RequireAndVerifyClientCert")
    listener = serve(web_config=configured(*lines, f'client_allowed_sans: [other.example, "{name}"]'))
    assert [status(listener, trusting("client")), status(listener, trusting("second"))] == [200, 0]


def test_addresses_are_compared_whatever_their_spelling(
    serve: Serve, configured: Configured, trusting: Trusting
) -> None:
    """The list may write an IPv6 address as it likes; who shows no certificate is not asked for names."""
    lines = ("client_ca_file: ca.crt", "client_auth_type: VerifyClientCertIfGiven")
    listener = serve(web_config=configured(*lines, 'client_allowed_sans: ["2001:0db8:0:0::1"]'))
    assert [status(listener, trusting(name)) for name in ("client", "second", None)] == [200, 0, 200]


def test_inline_pairs_are_served(serve: Serve, trusting: Trusting, certificates: Path) -> None:
    """Certificate, key and client CA may stand in the file itself."""
    lines = ["tls_server_config:", "  client_auth_type: RequireAndVerifyClientCert"]
    for key, name in (("cert", "server.crt"), ("key", "server.key"), ("client_ca", "ca.crt")):
        pem = (certificates / name).read_text().splitlines()
        lines += [f"  {key}: |", *(f"    {line}" for line in pem)]
    listener = serve(web_config=parse("\n".join(lines).encode(), "/nonexistent/web.yml"))
    assert status(listener, trusting("client")) == 200


@pytest.mark.parametrize(
    ("lines", "cert", "key", "message"),
    [
        ([], "missing.crt", "server.key", "cert_file .*missing.crt cannot be read"),
        ([], "server.crt", "missing.key", "key_file .*missing.key cannot be read"),
        ([], "server.crt", "second.key", "expected a certificate and its unencrypted key"),
        ([], "server.key", "server.key", "expected a certificate and its unencrypted key"),
        ([], "server.crt", "encrypted.key", "the key is encrypted"),
        (["client_ca_file: server.key", "client_auth_type: RequireAndVerifyClientCert"], "server.crt", "server.key",
         "expected CA certificates in PEM"),
        (["cipher_suites: [TLS_AES_128_GCM_SHA256]", "max_version: TLS12"], "server.crt", "server.key",
         "needs a suite of TLS 1.2"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_used_are_named(
    configured: Configured, lines: list[str], cert: str, key: str, message: str
) -> None:
    """A pair, key or CA that cannot be used is one sentence when the listener is made, and no port is taken."""
    with pytest.raises(WebConfigError, match=message) as caught:
        Listener("127.0.0.1:0", hello, None, configured(*lines, cert=cert, key=key))
    assert "web.yml: " in str(caught.value)


def test_plain_http_is_told_what_is_spoken_here(serve: Serve, connect: Connect, configured: Configured) -> None:
    """A plain request on a TLS port is answered in plain words."""
    raw = connect(serve(web_config=configured())).send(GET).rest()
    assert raw.startswith(b"HTTP/1.0 400 Bad Request\r\n")
    assert b"this address speaks HTTPS" in raw


def test_half_open_handshakes_cost_no_one_else(
    serve: Serve, connect: Connect, configured: Configured, trusting: Trusting, eventually: Eventually
) -> None:
    """Clients that begin a handshake and stop are closed when their time is over; others are served meanwhile."""
    listener = serve(web_config=configured(), limits=Limits(request_timeout_s=1.0, workers=2))
    halves = [connect(listener).send(b"\x16\x03\x01\x02\x00\x01\x00"[:size]) for size in range(8)]
    for _ in range(3):
        assert status(listener, trusting()) == 200
    eventually(lambda: listener.counters.closed.get("timeout", 0) == 8)
    assert all(client.rest() == b"" for client in halves)


def test_garbage_in_a_handshake_is_hung_up_on(
    serve: Serve, connect: Connect, configured: Configured, trusting: Trusting, eventually: Eventually
) -> None:
    """What is no TLS ends the connection and nothing else."""
    listener = serve(web_config=configured(), limits=Limits(request_timeout_s=1.0))
    for garbage in (b"\x00" * 100, b"\x16\x03\x01\x00\x04\xff\x00\x00\x00", b"SSH-2.0-x\r\n", b"\x16" + b"\xff" * 1000):
        connect(listener).send(garbage).rest()
    eventually(lambda: listener.counters.closed.get("handshake", 0) == 4)
    assert status(listener, trusting()) == 200


def test_large_bodies_and_slow_readers_over_tls(
    serve: Serve, connect: Connect, configured: Configured, trusting: Trusting
) -> None:
    """A body larger than every buffer arrives whole, and one that no one reads holds up no one."""
    body = bytes(range(256)) * 20_000

    def answer(request: Request) -> Response:
        return Response(200, body) if request.path == "/large" else hello(request)

    listener = serve(answer, Limits(request_timeout_s=20, workers=2), configured())
    deaf = [connect(listener, context=trusting()).send(get("/large")) for _ in range(3)]
    assert status(listener, trusting()) == 200
    for client in deaf:
        assert client.reply().body == body
        assert client.ask().body == b"hello\n"


def test_requests_may_be_pipelined_over_tls(
    serve: Serve, connect: Connect, configured: Configured, trusting: Trusting
) -> None:
    """Requests in one record are all answered: what TLS has already taken off the socket is not forgotten."""
    client = connect(serve(web_config=configured()), context=trusting())
    client.send(GET * 400)
    assert [client.reply().status for _ in range(400)] == [200] * 400


def test_a_refusal_arrives_over_tls(serve: Serve, connect: Connect, configured: Configured, trusting: Trusting) -> None:
    """A bad request is refused in TLS too, with a proper end of the connection."""
    raw = connect(serve(web_config=configured()), context=trusting()).send(b"nonsense\r\n\r\n" + b"x" * 5000).rest()
    assert raw.startswith(b"HTTP/1.1 400 Bad Request")


def test_stop_and_start_leave_no_descriptor(configured: Configured, trusting: Trusting, eventually: Eventually) -> None:
    """Listeners under TLS leave no socket behind, once a worker that was late at the stop has let go of its own."""

    def once() -> None:
        listener = Listener("127.0.0.1:0", hello, None, configured())
        listener.start()
        with Client(port_of(listener), trusting()) as client:
            assert client.ask().status == 200
            listener.stop()

    def next_descriptor() -> int:
        with socket.socket() as found:
            return found.fileno()

    once()
    before = next_descriptor()
    for _ in range(5):
        once()
    eventually(lambda: next_descriptor() <= before)
