"""A kubelet for tests: HTTP/1.1 over TLS, the paths and answers of the published API, and what goes wrong with it."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

ACCEPT_S: Final = 0.1
IDLE_S: Final = 20.0
JOIN_S: Final = 10.0

Answer = Callable[[ssl.SSLSocket, str], bool]
"""Writes an answer to a request for a path; whether the connection stays open."""


class FakeKubelet:
    """Listens on a free port of 127.0.0.1. `tokens`: those it accepts, None for all. `answers`: what it does for a path
    instead of its own answer. `seen`: the head of each request.
    """

    def __init__(self, certificates: Path, pair: str = "kubelet", client_ca: bool = False) -> None:
        self.tokens: set[str] | None = None
        self.bodies: dict[str, bytes] = {"/pods": pod_list(), "/stats/summary": summary()}
        self.answers: dict[str, Answer] = {}
        self.seen: list[str] = []
        self.chunked = True
        self.connections = 0
        self.stopping = threading.Event()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificates / f"{pair}.crt", certificates / f"{pair}.key")
        if client_ca:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(certificates / "ca.crt")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(ACCEPT_S)
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def stop(self) -> None:
        self.stopping.set()
        self.drop()
        for thread in self._threads:
            thread.join(JOIN_S)

    def drop(self) -> None:
        """Ends every connection, as a kubelet does with those that rest, and one that is restarted."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with self._listener:
            while not self.stopping.is_set():
                with contextlib.suppress(TimeoutError):
                    plain, _ = self._listener.accept()
                    thread = threading.Thread(target=self._serve, args=(plain,))
                    self._threads.append(thread)
                    thread.start()

    def _serve(self, plain: socket.socket) -> None:
        plain.settimeout(IDLE_S)
        with plain, contextlib.suppress(OSError):
            self._open.add(plain)
            with self._context.wrap_socket(plain, server_side=True) as connection:
                self._open.add(connection)
                self.connections += 1
                while self._answered(connection):
                    pass
                self._open.discard(connection)
        self._open.discard(plain)

    def _answered(self, connection: ssl.SSLSocket) -> bool:
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(4096)
            if not data:
                return False
            head += data
        text = head.decode("ascii")
        self.seen.append(text)
        path = text.split(" ")[1]
        token = next((line[22:] for line in text.split("\r\n") if line.startswith("Authorization: Bearer ")), "")
        if self.tokens is not None and token not in self.tokens:
            return send(connection, b"Unauthorized", "401 Unauthorized")
        if path in self.answers:
            return self.answers[path](connection, path)
        if path not in self.bodies:
            return send(connection, b"404 page not found", "404 Not Found")
        return send(connection, self.bodies[path], chunked=self.chunked)


def send(connection: ssl.SSLSocket, body: bytes, status: str = "200 OK", chunked: bool = False) -> bool:
    """An answer as Go's server writes it: in chunks where it is long."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\n"
    if not chunked:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return True
    connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
    for start in range(0, len(body), 4096):
        part = body[start : start + 4096]
        connection.sendall(b"%x\r\n%b\r\n" % (len(part), part))
    connection.sendall(b"0\r\n\r\n")
    return True


def pod_list(*pods: dict[str, Any]) -> bytes:
    return json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": list(pods) or None}).encode()


def pod(
    name: str,
    containers: list[dict[str, Any]] | None = None,
    *,
    init: list[dict[str, Any]] | None = None,
    phase: str = "Running",
    namespace: str = "jobs",
    uid: str = "",
) -> dict[str, Any]:
    """A pod as the API has it, with much that is not asked for, secrets among it."""
    named = [*(init or []), *(containers or [])]
    statuses = [
        {"name": each["name"], "ready": True, "containerID": f"containerd://{uid or name}-{each['name']}"}
        for each in named
    ]
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid or f"uid-{name}",
            "annotations": {"note": "annotation-SECRET"},
            "labels": {"app": "label-SECRET"},
            "ownerReferences": [{"kind": "Job", "name": "train", "uid": "1", "apiVersion": "batch/v1"}],
        },
        "spec": {"nodeName": "node-1", "containers": containers or [], "initContainers": init or []},
        "status": {"phase": phase, "containerStatuses": statuses},
    }


def container(name: str, requests: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    """A container of a pod, its limits as its requests unless given."""
    limits = fields.pop("limits", requests)
    resources = {key: value for key, value in (("requests", requests), ("limits", limits)) if value is not None}
    return {
        "name": name,
        "image": "registry/train:1",
        "command": ["train", "--password=command-SECRET"],
        "env": [{"name": "TOKEN", "value": "environment-SECRET"}],
        "resources": resources,
        **fields,
    }


def summary(*pods: dict[str, Any], fs: dict[str, Any] | None = None) -> bytes:
    node = {"nodeName": "node-1", "cpu": {"usageNanoCores": 1}, **({} if fs is None else {"fs": fs})}
    return json.dumps({"node": node, "pods": list(pods)}).encode()


def pod_storage(name: str, used: Any = None, namespace: str = "jobs") -> dict[str, Any]:
    storage = {} if used is None else {"usedBytes": used}
    return {
        "podRef": {"name": name, "namespace": namespace, "uid": f"uid-{name}"},
        "containers": [{"name": "main", "rootfs": {"usedBytes": 1}}],
        "ephemeral-storage": {"time": "2026-11-21T12:00:00Z", "availableBytes": 5, **storage},
    }
