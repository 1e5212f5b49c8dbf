"""The Container Runtime Interface over its socket: containerd's and CRI-O's.

Source: kubernetes/cri-api, runtime.v1.RuntimeService. *Absent when* there is no socket. *Cost*: a list 1 ms; a verbose
status 1 ms, asked for once in each state of a container and never again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Final

from nodescope.containers.containerd.parts import no_label
from nodescope.containers.cri import parts
from nodescope.containers.grpc.channel import CallFailed, Channel, Stream
from nodescope.containers.grpc.wire import Message, encode_bytes, encode_number
from nodescope.containers.lifecycle import Heard
from nodescope.kernel.file import Malformed
from nodescope.records.container import Container

MAX_CONTAINERS: Final = 10_000
MAX_RUNTIME_CHARACTERS: Final = 40
STATUS_SECONDS: Final = 3.0
"""Of one list for statuses that are not known yet; those that are left over are asked for with the next."""

_SERVICE: Final = "/runtime.v1.RuntimeService/"
_RUNTIMES: Final = {"containerd": "cri-containerd", "cri-o": "cri-o"}


logger = logging.getLogger(__name__)


class Client:
    """Calls of one thread. All raise `Absent`, `PermissionError`, `Unreachable`, `CallFailed`, `Malformed`."""

    def __init__(self, socket: str, allowed: Callable[[str], bool] = no_label) -> None:
        self.socket = socket
        self.runtime = "cri"
        self._allowed = allowed
        self._channel = Channel(socket)
        self._statuses: dict[tuple[str, int], tuple[Message, parts.Inside]] = {}

    def close(self) -> None:
        """Gives the connection up; the next call makes a new one."""
        self._channel.close()

    def version(self) -> tuple[str | None, str | None]:
        """The runtime's version, and its API's; sets `runtime`."""
        answer = self._call("Version")
        name = answer.text(2)
        self.runtime = _RUNTIMES.get(name, name[:MAX_RUNTIME_CHARACTERS] or "cri")
        return answer.text(3) or None, answer.text(4) or None

    def containers(self) -> tuple[Container, ...]:
        """Every container, sandboxes not among them."""
        if self.runtime == "cri":
            self.version()
        pods = parts.pods(self._call("ListPodSandbox"))
        listed = self._call("ListContainers").messages(1)
        if len(listed) > MAX_CONTAINERS:
            raise Malformed(self.socket, b"", f"at most {MAX_CONTAINERS} containers")
        until = time.monotonic() + STATUS_SECONDS
        found = []
        kept = {}
        for message in listed:
            key = (message.text(1), message.number(6))
            known = self._statuses.get(key)
            if known is None and time.monotonic() < until:
                known = self._status(message.text(1))
            if known is not None:
                kept[key] = known
            status, inside = known or (Message(b"", self.socket), parts.Inside())
            pod = pods.get(message.text(2))
            found.append(parts.container(message, status, inside, pod, self.runtime, self._allowed))
        self._statuses = kept
        return tuple(found)

    def subscribe(self) -> Stream:
        """Opens the stream of events; a runtime without one (containerd before 1.7) answers UNIMPLEMENTED."""
        return Stream(self.socket, _SERVICE + "GetContainerEvents")

    def hear(self, data: bytes) -> Iterator[Heard]:
        """What an event of the stream tells."""
        namespace = "k8s.io" if self.runtime == "cri-containerd" else None
        return (item._replace(namespace=namespace) for item in parts.heard(data, self.socket, time.time()))

    def _call(self, method: str, request: bytes = b"") -> Message:
        return Message(self._channel.unary(_SERVICE + method, request), self.socket)

    def _status(self, id_: str) -> tuple[Message, parts.Inside] | None:
        try:
            answer = self._call("ContainerStatus", encode_bytes(1, id_) + encode_number(2, 1))
        except CallFailed:
            # Gone between the list and this: its siblings are told of all the same.
            return None
        try:
            inside = parts.inside(answer.string_map(2), f"{self.socket}: {id_}")
        except Malformed as error:
            logger.debug("%s", error)
            inside = parts.Inside()
        return answer.message(1), inside
