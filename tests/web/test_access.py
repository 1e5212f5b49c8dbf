"""Rules of the web config file on a running listener, and how they change with it."""

from __future__ import annotations

import base64
import os
import shutil
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from nodescope.web.access import CHECK_INTERVAL_S
from nodescope.web.message import Request, Response
from nodescope.web.server import Listener
from nodescope.web.web_config import WebConfig, WebConfigError, load
from tests.web.conftest import Serve, hello
from tests.web.raw_client import GET, Client, get, port_of

Connect = Callable[..., Client]
Eventually = Callable[[Callable[[], bool]], None]

HASH = bcrypt.hashpw(b"wonderland", bcrypt.gensalt(4)).decode()
ALICE = "Authorization: Basic " + base64.b64encode(b"alice:wonderland").decode()


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    return tmp_path / "web.yml"


def write(path: Path, text: str) -> WebConfig:
    path.write_text(text)
    # A change within the clock's granularity still shows.
    moment = time.time_ns()
    os.utime(path, ns=(moment, moment))
    return load(str(path))


def test_users_are_asked_for_their_password_everywhere(serve: Serve, connect: Connect, config_file: Path) -> None:
    """Without the right pair every path is 401, liveness too; with it the handler answers."""
    client = connect(serve(web_config=write(config_file, f"basic_auth_users: {{alice: {HASH}}}")))
    for path in ("/", "/metrics", "/-/healthy", "/nothing"):
        reply = client.ask(get(path))
        assert (reply.status, reply.headers["www-authenticate"][:6]) == (401, "Basic ")
        assert client.ask(get(path, ALICE)).status == 200


def test_header_fields_are_on_every_answer(serve: Serve, connect: Connect, config_file: Path) -> None:
    """The file's header fields are sent with answers and refusals alike."""
    text = f"basic_auth_users: {{alice: {HASH}}}\nhttp_server_config: {{headers: {{X-Frame-Options: deny}}}}"
    client = connect(serve(web_config=write(config_file, text)))
    for request in (GET, get("/", ALICE)):
        assert client.ask(request).headers["x-frame-options"] == "deny"


def test_the_rate_is_limited(serve: Serve, connect: Connect, config_file: Path) -> None:
    """After the burst the answer is 429, before any password is looked at."""
    text = f"rate_limit: {{interval: 1h, burst: 3}}\nbasic_auth_users: {{alice: {HASH}}}"
    client = connect(serve(web_config=write(config_file, text)))
    assert [client.ask(get("/", ALICE)).status for _ in range(5)] == [200, 200, 200, 429, 429]


def test_a_changed_file_comes_into_force(
    serve: Serve, connect: Connect, config_file: Path, eventually: Eventually
) -> None:
    """A file that is rewritten holds for the next requests on the same connection, without a restart."""
    client = connect(serve(web_config=write(config_file, "")))
    assert client.ask().status == 200
    write(config_file, f"basic_auth_users: {{alice: {HASH}}}")
    eventually(lambda: client.ask().status == 401)
    assert client.ask(get("/", ALICE)).status == 200


def test_a_file_that_keeps_its_time_comes_into_force(
    serve: Serve, connect: Connect, config_file: Path, eventually: Eventually
) -> None:
    """Content of the same length copied over the file along with the same time, as `cp -p` does, holds too."""
    text = f"basic_auth_users: {{alice: {HASH}}}"
    config_file.write_text(text)
    os.utime(config_file, (1e9, 1e9))
    client = connect(serve(web_config=load(str(config_file))))
    assert client.ask(get("/", ALICE)).status == 200
    config_file.write_text(text.replace("alice", "carol"))
    os.utime(config_file, (1e9, 1e9))
    eventually(lambda: client.ask(get("/", ALICE)).status == 401)


def test_a_bad_file_changes_nothing_and_is_warned_of_once(
    serve: Serve, connect: Connect, config_file: Path, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """The settings before a broken file stay in force, and one warning names what is wrong."""
    client = connect(serve(web_config=write(config_file, f"basic_auth_users: {{alice: {HASH}}}")))
    config_file.write_text("basic_auth_users: {alice: secret}")
    eventually(lambda: client.ask(get("/", ALICE)).status == 200 and bool(caplog.records))
    time.sleep(CHECK_INTERVAL_S * 1.1)
    assert (client.ask().status, client.ask(get("/", ALICE)).status) == (401, 200)
    assert len(caplog.records) == 1
    assert "stay in force" in caplog.text
    assert "web.yml: basic_auth_users" in caplog.text


def test_a_file_that_is_gone_lets_no_one_in(
    serve: Serve, connect: Connect, config_file: Path, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """Taking the file away takes no password away."""
    client = connect(serve(web_config=write(config_file, f"basic_auth_users: {{alice: {HASH}}}")))
    config_file.unlink()
    eventually(lambda: client.ask().status == 401 and "cannot be read" in caplog.text)


def test_rotated_certificates_are_picked_up(
    serve: Serve, connect: Connect, certificates: Path, config_file: Path, eventually: Eventually
) -> None:
    """New files under the same names are shown to the next client; who is connected is served once more at most."""
    for name in ("server.crt", "server.key"):
        shutil.copy(certificates / name, config_file.with_name(name))
    config = write(config_file, "tls_server_config: {cert_file: server.crt, key_file: server.key}")
    listener = serve(web_config=config)
    context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
    kept = connect(listener, context=context)
    assert kept.ask().status == 200
    assert shown(listener, context) == "server"
    for name in ("second.crt", "second.key"):
        shutil.copy(certificates / name, config_file.with_name(name.replace("second", "server")))
    eventually(lambda: shown(listener, context) == "second")
    with pytest.raises((EOFError, OSError)):
        kept.ask()
    assert connect(listener, context=context).ask().status == 200


def test_a_certificate_that_does_not_answer_holds_up_nobody(
    serve: Serve, connect: Connect, certificates: Path, config_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """While a file hangs, as on a network file system that is down, who connects is served with what was in force."""
    for name in ("server.crt", "server.key"):
        shutil.copy(certificates / name, config_file.with_name(name))
    config = write(config_file, "tls_server_config: {cert_file: server.crt, key_file: server.key}")
    listener = serve(web_config=config)
    context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
    hung = config_file.with_name("server.crt")
    hung.unlink()
    os.mkfifo(hung)
    time.sleep(CHECK_INTERVAL_S * 1.1)
    try:
        assert [connect(listener, context=context).ask().status for _ in range(3)] == [200, 200, 200]
        listener.swap(hello, None)
        assert connect(listener).ask().status == 200
        assert len(caplog.records) == 1
        assert "web.yml or a file that it names does not answer" in caplog.text
    finally:
        os.close(os.open(hung, os.O_WRONLY))


def test_a_file_that_changes_after_it_was_read_comes_into_force(
    serve: Serve, connect: Connect, config_file: Path, eventually: Eventually
) -> None:
    """What is written while a reload has read the file and not yet put it into force is not missed."""
    stale = write(config_file, f"basic_auth_users: {{alice: {HASH}}}")
    write(config_file, f"basic_auth_users: {{carol: {HASH}}}")
    listener = serve()
    listener.swap(hello, stale)
    carol = "Authorization: Basic " + base64.b64encode(b"carol:wonderland").decode()
    eventually(lambda: connect(listener).ask(get("/", carol)).status == 200)


def test_a_file_of_before_that_hangs_hides_no_change(
    serve: Serve, connect: Connect, config_file: Path, eventually: Eventually
) -> None:
    """Once another web config file is in force its changes are seen, though a look at the one before still hangs."""
    listener = serve(web_config=write(config_file, f"basic_auth_users: {{alice: {HASH}}}"))
    config_file.unlink()
    os.mkfifo(config_file)
    time.sleep(CHECK_INTERVAL_S * 1.1)
    try:
        assert connect(listener).ask().status == 401
        other = config_file.with_name("other.yml")
        listener.swap(hello, write(other, "http_server_config: {headers: {X-Frame-Options: deny}}"))
        assert connect(listener).ask().status == 200
        write(other, f"basic_auth_users: {{alice: {HASH}}}")
        eventually(lambda: connect(listener).ask().status == 401)
    finally:
        os.close(os.open(config_file, os.O_WRONLY))


def shown(listener: Listener, context: ssl.SSLContext) -> str:
    """The common name of the certificate that the listener shows."""
    with Client(port_of(listener), context) as client:
        assert isinstance(client.sock, ssl.SSLSocket)
        certificate: Any = client.sock.getpeercert()
        return str(certificate["subject"][0][0][1])


def test_a_key_without_its_certificate_is_waited_for(
    serve: Serve, connect: Connect, certificates: Path, config_file: Path, eventually: Eventually
) -> None:
    """Files that are replaced one after the other come into force when they fit, and not before."""
    for name in ("server.crt", "server.key"):
        shutil.copy(certificates / name, config_file.with_name(name))
    config = write(config_file, "tls_server_config: {cert_file: server.crt, key_file: server.key}")
    listener = serve(web_config=config)
    context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
    shutil.copy(certificates / "second.crt", config_file.with_name("server.crt"))
    time.sleep(CHECK_INTERVAL_S * 1.1)
    assert shown(listener, context) == "server"
    shutil.copy(certificates / "second.key", config_file.with_name("server.key"))
    eventually(lambda: shown(listener, context) == "second")


def test_swap_brings_another_config_at_once(
    serve: Serve, connect: Connect, certificates: Path, config_file: Path
) -> None:
    """A swap from plain to TLS holds for the next connection; what was kept from before is answered no more."""
    listener = serve()
    plain = connect(listener)
    assert plain.ask().status == 200
    config = write(
        config_file, f"tls_server_config: {{cert_file: {certificates}/server.crt, key_file: {certificates}/server.key}}"
    )
    listener.swap(hello, config)
    plain.send(GET)
    assert plain.rest() == b""
    assert shown(listener, ssl.create_default_context(cafile=str(certificates / "ca.crt"))) == "server"
    listener.swap(hello, None)
    assert connect(listener).ask().status == 200


def test_a_swap_that_cannot_be_made_changes_nothing(serve: Serve, connect: Connect, config_file: Path) -> None:
    """A config whose files are missing is refused as a whole: handler and rules stay."""
    listener = serve()
    config = write(config_file, "tls_server_config: {cert_file: missing.crt, key_file: missing.key}")
    with pytest.raises(WebConfigError, match=r"missing\.crt"):
        listener.swap(lambda request: Response(500, b""), config)
    assert connect(listener).ask().body == b"hello\n"


def test_what_has_not_changed_keeps_what_it_knows(serve: Serve, connect: Connect, config_file: Path) -> None:
    """A swap to a config with the same limit does not refill it."""

    def handler(request: Request) -> Response:
        return Response(200, b"")

    text = "rate_limit: {interval: 1h, burst: 2}\n"
    listener = serve(handler, web_config=write(config_file, text))
    client = connect(listener)
    assert [client.ask().status, client.ask().status] == [200, 200]
    listener.swap(handler, write(config_file, text + "http_server_config: {headers: {X-Frame-Options: deny}}"))
    reply = client.ask()
    assert (reply.status, reply.headers["x-frame-options"]) == (429, "deny")
