"""containerd over its socket: what exists in every namespace, and what happens.

Source: containerd's api/services. *Absent when* there is no socket. *Cost*: a list of 50 containers with their
specifications 2 ms of containerd's time, their tasks 10 ms.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Final

from nodescope.containers.containerd import parts
from nodescope.containers.containerd.parts import no_label
from nodescope.containers.cri.client import Client as Cri
from nodescope.containers.grpc.channel import CALL_SECONDS, UNIMPLEMENTED, CallFailed, Channel, Stream
from nodescope.containers.grpc.connection import Unreachable
from nodescope.containers.grpc.wire import Message, encode_bytes
from nodescope.containers.lifecycle import Heard
from nodescope.kernel.file import Malformed
from nodescope.records.container import Container

SOCKETS: Final = ("/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock")
KUBERNETES: Final = "k8s.io"
"""The CRI's namespace."""
MAX_NAMESPACES: Final = 64
MAX_NAME_CHARACTERS: Final = 76
"""Of a namespace (containerd's identifiers.Validate)."""
MAX_CONTAINERS: Final = 10_000
LIST_SECONDS: Final = 10.0

_VERSION: Final = "/containerd.services.version.v1.Version/Version"
_NAMESPACES: Final = "/containerd.services.namespaces.v1.Namespaces/List"
_CONTAINERS: Final = "/containerd.services.containers.v1.Containers/ListStream"
_CONTAINER: Final = "/containerd.services.containers.v1.Containers/Get"
_TASKS: Final = "/containerd.services.tasks.v1.Tasks/List"
_EVENTS: Final = "/containerd.services.events.v1.Events/Subscribe"
_TOPICS: Final = ('topic~="^/tasks/"', 'topic~="^/containers/"')

logger = logging.getLogger(__name__)


class Client:
    """Calls of one thread. All raise `Absent`, `PermissionError`, `Unreachable`, `CallFailed`, `Malformed`.

    `socket`: a path. `allowed`: whether a label may leave the agent. `left_out`: namespaces that another source tells
    of ("moby" is Docker's, "k8s.io" the CRI's).
    """

    runtime = "containerd"

    def __init__(
        self, socket: str, allowed: Callable[[str], bool] = no_label, left_out: frozenset[str] = frozenset()
    ) -> None:
        self.socket = socket
        self.left_out = left_out
        self._allowed = allowed
        self._sandboxes: set[tuple[str, str]] = set()
        self._channel = Channel(socket)
        self._cri = Cri(socket, allowed)
        self._has_cri = True

    def close(self) -> None:
        """Gives the connection up; the next call makes a new one."""
        self._channel.close()
        self._cri.close()
        self._has_cri = True

    def version(self) -> tuple[str | None, str | None]:
        """containerd's version, and None: its API has no number of its own."""
        return Message(self._channel.unary(_VERSION), self.socket).text(1) or None, None

    def containers(self) -> tuple[Container, ...]:
        """Every container of every namespace but those left out, sandboxes of pods not among them."""
        found: list[Container] = []
        for namespace in self._namespaces():
            # First: what runs by it and has no task a moment later has ended.
            by_cri = self._by_cri() if namespace == KUBERNETES else {}
            tasks = {task.id: task for task in self._tasks(namespace)}
            for message in self._listed(namespace):
                container = parts.container(message, namespace, tasks.get(message.text(1)), self._allowed, self.socket)
                if container is not None:
                    found.append(parts.with_cri(container, by_cri.get(container.id)))
                else:
                    self._sandbox(namespace, message.text(1))
                if len(found) > MAX_CONTAINERS:
                    raise Malformed(self.socket, b"", f"at most {MAX_CONTAINERS} containers")
        return tuple(found)

    def container(self, namespace: str, id_: str) -> Container | None:
        """One container, without its task; None for a sandbox."""
        answer = self._channel.unary(_CONTAINER, encode_bytes(1, id_), _in(namespace))
        return parts.container(Message(answer, self.socket).message(1), namespace, None, self._allowed, self.socket)

    def subscribe(self) -> Stream:
        """Opens the stream of events of all namespaces."""
        return Stream(self.socket, _EVENTS, b"".join(encode_bytes(1, topic) for topic in _TOPICS))

    def hear(self, data: bytes) -> Iterator[Heard]:
        """What an event of the stream tells, and with a new container's name, where it can still be asked for."""
        namespace, heard = parts.envelope(data, self.socket, time.time())
        if namespace in self.left_out or len(namespace) > MAX_NAME_CHARACTERS:
            return
        for item in heard:
            if item.kind == "created":
                item = self._named(namespace, item)
            if (namespace, item.id) not in self._sandboxes:
                yield item._replace(namespace=namespace)
            elif item.kind == "deleted":
                self._sandboxes.discard((namespace, item.id))

    def _by_cri(self) -> dict[str, Container]:
        """Id -> what the CRI of this containerd tells, nothing where it is switched off."""
        if not self._has_cri:
            return {}
        try:
            return {container.id: container for container in self._cri.containers()}
        except CallFailed as error:
            self._has_cri = error.code != UNIMPLEMENTED
            logger.debug("%s: its CRI: %s", self.socket, error)
            return {}

    def _named(self, namespace: str, created: Heard) -> Heard:
        try:
            container = self.container(namespace, created.id)
        except CallFailed:
            # Gone again already: that it was there is told all the same.
            return created
        if container is None:
            self._sandbox(namespace, created.id)
            return created
        return created._replace(name=container.name)

    def _sandbox(self, namespace: str, id_: str) -> None:
        if len(self._sandboxes) < MAX_CONTAINERS:
            self._sandboxes.add((namespace, id_))

    def _namespaces(self) -> list[str]:
        answer = Message(self._channel.unary(_NAMESPACES), self.socket)
        names = {namespace.text(1) for namespace in answer.messages(1)} - self.left_out
        return sorted(name for name in names if 0 < len(name) <= MAX_NAME_CHARACTERS)[:MAX_NAMESPACES]

    def _tasks(self, namespace: str) -> Iterator[parts.Task]:
        answer = Message(self._channel.unary(_TASKS, metadata=_in(namespace), timeout_s=LIST_SECONDS), self.socket)
        return (parts.task(message) for message in answer.messages(1))

    def _listed(self, namespace: str) -> Iterator[Message]:
        # One by one: a list in one answer is limited to 16 MiB by containerd, and would lie here whole.
        deadline = time.monotonic() + LIST_SECONDS
        stream = Stream(self.socket, _CONTAINERS, metadata=_in(namespace))
        try:
            while not stream.ended:
                data = stream.receive(min(CALL_SECONDS, deadline - time.monotonic()))
                if data is not None:
                    yield Message(data, self.socket).message(1)
                elif not stream.ended:
                    raise Unreachable(f"{self.socket}: {_CONTAINERS}: no answer in time; is its server hung?")
        finally:
            stream.close()


def _in(namespace: str) -> tuple[tuple[str, str], ...]:
    return (("containerd-namespace", namespace),)
