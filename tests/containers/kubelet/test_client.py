"""The client of the kubelet over real TLS: certificates, tokens, and what a kubelet does that it should not."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
from pathlib import Path
from typing import Any, Final

import pytest

from nodescope.containers.kubelet.access import Access, AccessFailed
from nodescope.containers.kubelet.client import KubeletClient, KubeletFailed
from nodescope.kernel.file import Malformed
from tests.containers.kubelet.conftest import Start
from tests.containers.kubelet.fake_kubelet import FakeKubelet, container, pod, pod_list, send

SHORT_S: Final = 0.5
GOOD: Final = "good.token-1"


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{GOOD}\n")
    return path


def access(kubelet: FakeKubelet, cluster: Path, **fields: Any) -> Access:
    return Access(**{"host": "127.0.0.1", "port": kubelet.port, "ca_file": str(cluster / "ca.crt"), **fields})


@pytest.mark.parametrize("chunked", [True, False])
def test_one_connection_serves_many_requests(start: Start, cluster: Path, token_file: Path, chunked: bool) -> None:
    """Answers of known length and in chunks come whole, on one connection, and the token is shown."""
    kubelet = start()
    kubelet.tokens, kubelet.chunked = {GOOD}, chunked
    kubelet.bodies["/pods"] = pod_list(*[pod(f"p{number}", [container("main")]) for number in range(200)])
    client = KubeletClient(access(kubelet, cluster, token_file=str(token_file)))
    for _ in range(3):
        assert client.get("/pods") == kubelet.bodies["/pods"]
        assert client.get("/stats/summary") == kubelet.bodies["/stats/summary"]
    assert kubelet.connections == 1
    assert f"Authorization: Bearer {GOOD}" in kubelet.seen[0]
    client.end()


def test_a_connection_that_was_closed_in_between(start: Start, cluster: Path) -> None:
    """A kept connection that the kubelet has closed is opened again without an error."""
    kubelet = start()
    client = KubeletClient(access(kubelet, cluster))
    client.get("/pods")
    kubelet.drop()
    assert client.get("/pods") == kubelet.bodies["/pods"]
    assert kubelet.connections == 2
    client.end()


def test_an_expired_token_and_its_successor(start: Start, cluster: Path, token_file: Path) -> None:
    """A token that is no longer accepted is an error that says so, and a new one in the file is used at once."""
    kubelet = start()
    kubelet.tokens = {"next.token"}
    client = KubeletClient(access(kubelet, cluster, token_file=str(token_file)))
    with pytest.raises(KubeletFailed, match=r"/pods: expected 200, got 401 .*token-file") as failure:
        client.get("/pods")
    assert GOOD not in str(failure.value)
    successor = token_file.with_name("new")
    successor.write_text("next.token")
    os.replace(successor, token_file)
    assert client.get("/pods") == kubelet.bodies["/pods"]
    assert kubelet.connections == 1
    client.end()


def test_a_certificate_of_another_ca(start: Start, cluster: Path, token_file: Path) -> None:
    """A kubelet whose certificate another CA signed is not shown the token."""
    kubelet = start()
    client = KubeletClient(access(kubelet, cluster, ca_file=str(cluster / "other.crt"), token_file=str(token_file)))
    with pytest.raises(KubeletFailed, match=r"certificate that can be verified.*collector\.kubelet\.ca-file"):
        client.get("/pods")
    assert kubelet.seen == []
    client.end()


def test_a_certificate_of_another_name(start: Start, cluster: Path) -> None:
    """A certificate without the address is refused unless its own name is given."""
    kubelet = start("named")
    client = KubeletClient(access(kubelet, cluster))
    with pytest.raises(KubeletFailed, match=r"mismatch.*server-name"):
        client.get("/pods")
    client.end()
    named = KubeletClient(access(kubelet, cluster, server_name="node-1"))
    assert named.get("/pods") == kubelet.bodies["/pods"]
    named.end()


def test_a_ca_that_changes(start: Start, cluster: Path, tmp_path: Path) -> None:
    """A CA file is read again when it changes, also over a connection that is open."""
    kubelet = start()
    ca = tmp_path / "ca.crt"
    ca.write_bytes((cluster / "ca.crt").read_bytes())
    client = KubeletClient(access(kubelet, cluster, ca_file=str(ca)))
    client.get("/pods")
    ca.write_bytes((cluster / "other.crt").read_bytes() + b"\n")
    with pytest.raises(KubeletFailed, match="verified"):
        client.get("/pods")
    ca.unlink()
    with pytest.raises(AccessFailed, match="No such file"):
        client.get("/pods")
    ca.write_bytes((cluster / "ca.crt").read_bytes())
    assert client.get("/pods") == kubelet.bodies["/pods"]
    client.end()


def test_insecure_is_warned_of_once(start: Start, cluster: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without verification any certificate is taken, and a warning says what that means."""
    kubelet = start("named")
    client = KubeletClient(access(kubelet, cluster, ca_file="/nowhere", insecure=True))
    with caplog.at_level(logging.WARNING):
        client.get("/pods")
        client.get("/pods")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "not verified" in caplog.text
    client.end()


def test_a_client_certificate(start: Start, cluster: Path) -> None:
    """A kubelet that asks for a certificate gets it; without one nothing is got."""
    kubelet = start(client_ca=True)
    shown = KubeletClient(
        access(
            kubelet,
            cluster,
            client_certificate=str(cluster / "client.crt"),
            client_key=str(cluster / "client.key"),
        )
    )
    assert shown.get("/pods") == kubelet.bodies["/pods"]
    shown.end()
    bare = KubeletClient(access(kubelet, cluster))
    with pytest.raises(KubeletFailed):
        bare.get("/pods")
    bare.end()


def test_a_client_certificate_that_is_none(start: Start, cluster: Path) -> None:
    """A client certificate without its key is named."""
    client = KubeletClient(access(start(), cluster, client_certificate=str(cluster / "client.crt")))
    with pytest.raises(AccessFailed, match=r"client\.crt: expected a client certificate and its unencrypted key"):
        client.get("/pods")
    client.end()


@pytest.mark.parametrize(
    ("status", "advice"),
    [("403 Forbidden", "nodes/stats"), ("404 Not Found", "enableDebuggingHandlers"), ("500 Internal", "own log")],
)
def test_statuses_say_what_to_do(start: Start, cluster: Path, status: str, advice: str) -> None:
    """Every status but 200 is an error with what to do, the connection stays, and the next answer is taken."""
    kubelet = start()
    kubelet.answers["/pods"] = lambda connection, path: send(connection, b"Forbidden (user=x, verb=get)", status)
    client = KubeletClient(access(kubelet, cluster))
    with pytest.raises(KubeletFailed, match=f"got {status[:3]}.*{advice}"):
        client.get("/pods")
    assert client.get("/stats/summary") == kubelet.bodies["/stats/summary"]
    assert kubelet.connections == 1
    client.end()


def test_an_answer_that_nobody_asked_for(start: Start, cluster: Path) -> None:
    """What comes behind an answer is not taken for the answer to the next request."""

    def twice(connection: ssl.SSLSocket, path: str) -> bool:
        told = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        connection.sendall(told + told)
        return True

    kubelet = start()
    kubelet.answers["/pods"] = twice
    client = KubeletClient(access(kubelet, cluster))
    assert client.get("/pods") == b"{}"
    assert client.get("/stats/summary") == kubelet.bodies["/stats/summary"]
    assert kubelet.connections == 2
    client.end()


def hung(kubelet: FakeKubelet) -> None:
    """Reads the request and answers nothing until the test ends."""

    def answer(connection: ssl.SSLSocket, path: str) -> bool:
        kubelet.stopping.wait(20)
        return False

    kubelet.answers["/pods"] = answer


def slow(kubelet: FakeKubelet) -> None:
    """Sends a byte now and then, so that no single wait is long."""

    def answer(connection: ssl.SSLSocket, path: str) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not kubelet.stopping.wait(0.05):
            connection.sendall(b" ")
        return False

    kubelet.answers["/pods"] = answer


@pytest.mark.parametrize("fault", [hung, slow])
def test_a_deadline_ends_every_wait(start: Start, cluster: Path, fault: Any) -> None:
    """A kubelet that hangs, or drips, costs the deadline, and the next request goes over another connection."""
    kubelet = start()
    fault(kubelet)
    client = KubeletClient(access(kubelet, cluster), SHORT_S)
    with pytest.raises(KubeletFailed, match=r"within 0\.5 s"):
        client.get("/pods")
    assert client.get("/stats/summary") == kubelet.bodies["/stats/summary"]
    assert kubelet.connections == 2
    client.end()


def test_a_handshake_that_hangs(cluster: Path) -> None:
    """What accepts a connection and says nothing costs the deadline."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = KubeletClient(Access("127.0.0.1", listener.getsockname()[1], ca_file=str(cluster / "ca.crt")), SHORT_S)
        with pytest.raises(KubeletFailed, match="within"):
            client.get("/pods")
        client.end()


def test_nobody_listens(cluster: Path) -> None:
    """A refused connection is an error that names the setting."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    client = KubeletClient(Access("127.0.0.1", port, ca_file=str(cluster / "ca.crt")))
    with pytest.raises(KubeletFailed, match=r"refused.*collector\.kubelet\.address"):
        client.get("/pods")
    client.end()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", KubeletFailed),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf", KubeletFailed),
        (b"HTTP/1.1 200", KubeletFailed),
        (b"", KubeletFailed),
        (b"SSH-2.0-OpenSSH\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000, Malformed),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Malformed),
    ],
)
def test_answers_that_are_none(start: Start, cluster: Path, answer: bytes, error: type[Exception]) -> None:
    """An answer that is cut short, too long or no HTTP is an error, and the next request is answered."""

    def broken(connection: ssl.SSLSocket, path: str) -> bool:
        connection.sendall(answer)
        return False

    kubelet = start()
    kubelet.answers["/pods"] = broken
    client = KubeletClient(access(kubelet, cluster))
    with pytest.raises(error):
        client.get("/pods")
    assert client.get("/stats/summary") == kubelet.bodies["/stats/summary"]
    client.end()


def test_an_end_under_a_request(start: Start, cluster: Path) -> None:
    """Who ends the client does not wait for a request that hangs, and that request ends."""
    kubelet = start()
    hung(kubelet)
    client = KubeletClient(access(kubelet, cluster))
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            client.get("/pods")
        except KubeletFailed as error:
            failed.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while not kubelet.seen:
        thread.join(0.01)
    client.end()
    thread.join(5)
    assert not thread.is_alive()
    assert len(failed) == 1
    with pytest.raises(KubeletFailed, match="ended"):
        client.get("/pods")
