"""A Docker Engine API on a real Unix socket, which does what a real engine does not do on request."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import parse_qs, unquote

REMEMBERED_EVENTS: Final = 256
NEVER: Final = "0001-01-01T00:00:00Z"


def rfc3339(time_ns: int) -> str:
    """A time as the engine writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time_ns // 10**9)) + f".{time_ns % 10**9:09d}Z"


class FakeEngine:
    """`faults`: beginning of a target, without its version -> "hang", "500", "truncated", "not json", "slow",
    "garbage chunk", "drip". `requests`: targets so far. What is done to a container is told and shown at once.
    """

    def __init__(self, path: Path, api: str = "1.47", oldest: str = "1.24", component: str = "Engine") -> None:
        self.path = str(path)
        self.version = {
            "Version": "27.0.1",
            "ApiVersion": api,
            "MinAPIVersion": oldest,
            "Components": [{"Name": component}],
        }
        self.faults: dict[str, str] = {}
        self.requests: list[str] = []
        self.silent = False
        self._containers: dict[str, dict[str, Any]] = {}
        self._events: list[bytes] = []
        self._times: list[int] = []
        self._watchers: list[queue.SimpleQueue[bytes]] = []
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._listener: socket.socket | None = None

    def __enter__(self) -> FakeEngine:
        self.up()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.down()

    def up(self) -> None:
        """Listens; an engine that was down has forgotten what it told."""
        self._stopping = threading.Event()
        Path(self.path).unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen(16)
        self._start(self._accept, self._listener)

    def down(self) -> None:
        """Ends every connection; nobody listens."""
        self._stopping.set()
        with self._lock:
            sockets = [*self._connections, *([self._listener] if self._listener else [])]
            self._connections.clear()
            self._events.clear()
            self._times.clear()
        self.cut()
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        self._threads.clear()
        if self._listener:
            self._listener.close()
            self._listener = None
        Path(self.path).unlink(missing_ok=True)

    def cut(self) -> None:
        """Ends the connections on which events are told."""
        with self._lock:
            watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            watcher.put(b"")

    @property
    def watched(self) -> bool:
        return bool(self._watchers)

    def create(self, number: int, name: str = "", **config: Any) -> str:
        """A container; its id."""
        container_id = f"{number:064x}"
        with self._lock:
            now = time.time_ns()
            self._containers[container_id] = {
                "Id": container_id,
                "Name": f"/{name or f'c{number}'}",
                "Created": rfc3339(now),
                "Image": f"sha256:{number:064x}",
                "RestartCount": 0,
                "State": {"Status": "created", "StartedAt": NEVER, "FinishedAt": NEVER, "Pid": 0, "ExitCode": 0},
                "Config": {"Image": "busybox:1.35", "Labels": {}, "Env": []} | config,
                "HostConfig": {},
                "Mounts": [],
            }
            self._publish(container_id, "create", now)
        return container_id

    def start(self, container_id: str) -> None:
        now = time.time_ns()
        self._change(container_id, "start", Status="running", StartedAt=rfc3339(now), Pid=4242, OOMKilled=False)

    def die(self, container_id: str, code: int = 0, oom: bool = False) -> None:
        with self._lock:
            if oom:
                self._change(container_id, "oom", OOMKilled=True)
            ended = rfc3339(time.time_ns())
            self._change(container_id, "die", Status="exited", FinishedAt=ended, ExitCode=code, Pid=0)

    def pause(self, container_id: str) -> None:
        self._change(container_id, "pause", Status="paused")

    def unpause(self, container_id: str) -> None:
        self._change(container_id, "unpause", Status="running")

    def health(self, container_id: str, status: str) -> None:
        self._change(container_id, f"health_status: {status}", Health={"Status": status})

    def remove(self, container_id: str) -> None:
        with self._lock:
            self._publish(container_id, "destroy", time.time_ns())
            del self._containers[container_id]

    def tell(self, line: bytes) -> None:
        """Sends any line to whoever hears events."""
        with self._lock:
            for watcher in self._watchers:
                watcher.put(line)

    def _change(self, container_id: str, action: str, **state: Any) -> None:
        with self._lock:
            self._containers[container_id]["State"].update(state)
            self._publish(container_id, action, time.time_ns())

    def _publish(self, container_id: str, action: str, time_ns: int) -> None:
        if self.silent:
            return
        container = self._containers[container_id]
        attributes = {"name": container["Name"][1:], "image": container["Config"]["Image"]}
        if action == "die":
            attributes["exitCode"] = str(container["State"]["ExitCode"])
        actor = {"ID": container_id, "Attributes": attributes}
        event = {"Type": "container", "Action": action, "Actor": actor, "time": time_ns // 10**9, "timeNano": time_ns}
        line = json.dumps(event).encode()
        self._events, self._times = (
            [*self._events[1 - REMEMBERED_EVENTS :], line],
            [*self._times[1 - REMEMBERED_EVENTS :], time_ns],
        )
        self.tell(line)

    def _start(self, target: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        buffer = b""
        with contextlib.suppress(OSError), connection:
            while not self._stopping.is_set():
                while b"\r\n\r\n" not in buffer:
                    data = connection.recv(65_536)
                    if not data:
                        return
                    buffer += data
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                if not self._answer(connection, head.split(b" ")[1].decode()):
                    return
        with self._lock:
            self._connections.discard(connection)

    def _answer(self, connection: socket.socket, target: str) -> bool:
        """Whether the connection may carry another request."""
        with self._lock:
            self.requests.append(target)
        bare = target.partition("/v1.")[2].partition("/")[2] if target.startswith("/v1.") else target[1:]
        fault = next((fault for prefix, fault in self.faults.items() if bare.startswith(prefix)), "")
        if fault == "hang":
            self._stopping.wait(30)
            return False
        if fault == "slow":
            self._stopping.wait(0.2)
        if bare.startswith("events"):
            return self._watch(connection, bare, fault)
        status, body = (500, b'{"message":"it broke"}') if fault == "500" else self._body(bare)
        if fault == "not json":
            body = body[: len(body) // 2]
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        if fault == "drip":
            for byte in head + body:
                connection.sendall(bytes([byte]))
                self._stopping.wait(0.05)
        connection.sendall(head + (body[: len(body) // 2] if fault == "truncated" else body))
        return fault != "truncated"

    def _body(self, bare: str) -> tuple[int, bytes]:
        with self._lock:
            if bare == "version":
                return 200, json.dumps(self.version).encode()
            if bare.startswith("containers/json"):
                return 200, json.dumps([_entry(container) for container in self._containers.values()]).encode()
            container = self._containers.get(bare.split("/")[1])
            return (200, json.dumps(container).encode()) if container else (404, b'{"message":"No such container"}')

    def _watch(self, connection: socket.socket, bare: str, fault: str) -> bool:
        if fault == "500":
            connection.sendall(b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n{}")
            return False
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        if fault == "garbage chunk":
            connection.sendall(b"zz\r\nwhat is this\r\n")
            return False
        since = float(parse_qs(unquote(bare.partition("?")[2]))["since"][0]) * 1e9
        with self._lock:
            old = [line for line, at in zip(self._events, self._times, strict=True) if at >= since]
            watcher: queue.SimpleQueue[bytes] = queue.SimpleQueue()
            self._watchers.append(watcher)
        while line := old.pop(0) if old else watcher.get():
            connection.sendall(f"{len(line) + 1:x}\r\n".encode() + line + b"\n\r\n")
        return False


def _entry(container: dict[str, Any]) -> dict[str, Any]:
    return {
        "Id": container["Id"],
        "Names": [container["Name"]],
        "Image": container["Config"]["Image"],
        "ImageID": container["Image"],
        "State": container["State"]["Status"],
        "Created": 1,
        "Labels": container["Config"]["Labels"],
    }
