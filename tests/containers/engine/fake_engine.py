"""A Docker Engine API on a real Unix socket, which does what a real engine does not do on request.

For tests, and for benchmarks that need many containers which come and go.
"""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import parse_qs, unquote

REMEMBERED_EVENTS: Final = 256
MAX_REQUESTS: Final = 100_000
PID: Final = 4242
CHUNK_BYTES: Final = 100
TOO_DEEP: Final = 100_000
NEVER: Final = "0001-01-01T00:00:00Z"

_ERRORS: Final = {"500": (500, b'{"message":"it broke"}'), "404": (404, b'{"message":"No such container"}')}


def rfc3339(time_ns: int) -> str:
    """A time as the engine writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time_ns // 10**9)) + f".{time_ns % 10**9:09d}Z"


class FakeEngine:
    """`faults`: beginning of a target, without its version -> what is wrong with its answer:

    "hang": none comes; "half": no more than half of it; "slow": 0.2 s late; "drip": byte by byte; "truncated": the
    connection ends in it; "not json": half of the body as if it were whole; "not http": something else is spoken;
    "too deep": of the version, JSON that nests without end; "500", "404": an error; "garbage chunk": of the events, no
    chunk.

    `requests`: targets so far. `silent`: nothing is told. `chunked`: bodies come in chunks, as from podman, else with
    their length. `dropped`, `repeated`: of so many events each nth is not told, is told twice; 0 for none.
    What is done to a container is told and shown at once.
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
        self.requests: deque[str] = deque(maxlen=MAX_REQUESTS)
        self.silent = False
        self.chunked = False
        self.dropped = self.repeated = 0
        self._told = 0
        self._containers: dict[str, dict[str, Any]] = {}
        self._events: deque[tuple[int, bytes]] = deque(maxlen=REMEMBERED_EVENTS)
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
        self._listener.listen(64)
        self._start(self._accept, self._listener)

    def down(self) -> None:
        """Ends every connection; nobody listens."""
        self._stopping.set()
        with self._lock:
            sockets = [*self._connections, *([self._listener] if self._listener else [])]
            self._connections.clear()
            self._events.clear()
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

    def start(self, container_id: str, pid: int = PID) -> None:
        now = time.time_ns()
        self._change(container_id, "start", Status="running", StartedAt=rfc3339(now), Pid=pid, OOMKilled=False)

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

    def forget(self) -> None:
        """Has no containers any more, without a word: another engine listens on the socket now."""
        with self._lock:
            self._containers.clear()

    def lives(self, first: int, count: int, per_second: float = 0.0) -> list[str]:
        """So many containers that are created, started, end with code 3 and are removed: four events each.

        As fast as that goes, or so many starts a second.
        """
        ids = []
        begin = time.monotonic()
        for number in range(count):
            if per_second:
                time.sleep(max(0.0, begin + number / per_second - time.monotonic()))
            ids.append(self.create(first + number))
            self.start(ids[-1])
            self.die(ids[-1], 3)
            self.remove(ids[-1])
        return ids

    def line(self, container_id: str, action: str, time_ns: int = 0) -> bytes:
        """An event as it is told."""
        container = self._containers[container_id]
        attributes = {"name": container["Name"][1:], "image": container["Config"]["Image"]}
        if action == "die":
            attributes["exitCode"] = str(container["State"]["ExitCode"])
        actor = {"ID": container_id, "Attributes": attributes}
        at = time_ns or time.time_ns()
        event = {"Type": "container", "Action": action, "Actor": actor, "time": at // 10**9, "timeNano": at}
        return json.dumps(event).encode()

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
        line = self.line(container_id, action, time_ns)
        self._told += 1
        if self.dropped and self._told % self.dropped == 0:
            return
        for _ in range(2 if self.repeated and self._told % self.repeated == 0 else 1):
            self._events.append((time_ns, line))
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
        if fault == "not http":
            connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
            return False
        if bare.startswith("events"):
            return self._watch(connection, bare, fault)
        status, body = _ERRORS[fault] if fault in _ERRORS else self._body(bare)
        if fault == "too deep":
            body = body.removesuffix(b"}") + b',"Deep":' + b"[" * TOO_DEEP + b"]" * TOO_DEEP + b"}"
        if fault == "not json":
            body = body[: len(body) // 2]
        return self._send(connection, self._framed(status, body), fault)

    def _framed(self, status: int, body: bytes) -> bytes:
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n".encode()
        if not self.chunked:
            return head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
        pieces = [body[at : at + CHUNK_BYTES] for at in range(0, len(body), CHUNK_BYTES)]
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"

    def _send(self, connection: socket.socket, answer: bytes, fault: str) -> bool:
        if fault == "drip":
            for byte in answer:
                connection.sendall(bytes([byte]))
                self._stopping.wait(0.05)
            return True
        cut = fault in ("truncated", "half")
        connection.sendall(answer[: -len(answer) // 3] if cut else answer)
        if fault == "half":
            self._stopping.wait(30)
        return not cut

    def _body(self, bare: str) -> tuple[int, bytes]:
        with self._lock:
            if bare == "version":
                return 200, json.dumps(self.version).encode()
            if bare.startswith("containers/json"):
                return 200, json.dumps([_entry(container) for container in self._containers.values()]).encode()
            container = self._containers.get(bare.split("/")[1])
            return (200, json.dumps(container).encode()) if container else (404, b'{"message":"No such container"}')

    def _watch(self, connection: socket.socket, bare: str, fault: str) -> bool:
        if fault in _ERRORS:
            return self._send(connection, self._framed(*_ERRORS[fault]), fault)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        if fault == "garbage chunk":
            connection.sendall(b"zz\r\nwhat is this\r\n")
            return False
        since = float(parse_qs(unquote(bare.partition("?")[2]))["since"][0]) * 1e9
        with self._lock:
            old = deque(line for at, line in self._events if at >= since)
            watcher: queue.SimpleQueue[bytes] = queue.SimpleQueue()
            self._watchers.append(watcher)
        while line := old.popleft() if old else watcher.get():
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
