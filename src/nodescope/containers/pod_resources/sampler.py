"""The sampler of the kubelet's pod-resources API: which devices it gave to which pod, and how it fares."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from nodescope.containers.grpc.channel import UNIMPLEMENTED, CallFailed
from nodescope.containers.grpc.connection import Unreachable
from nodescope.containers.pod_resources.client import Client, PodDevices
from nodescope.host import Absent, Host
from nodescope.kernel.file import Malformed
from nodescope.records.container import RuntimeStatus

RUNTIME: Final = "pod-resources"
"""What it is called beside the container runtimes."""
API_VERSION: Final = "v1"
MOUNTED: Final = ("", "/host", "/hostvar")
"""Folders where a container has the host's root, or its /var, besides where `Host` has it."""
KEPT_SECONDS: Final = 300.0
"""Devices stay given while the kubelet is restarted; after so long without a word nothing is said of them any more."""

log = logging.getLogger(__name__)


class PodResourcesSampler:
    """Devices of all containers of pods (`PodDevices`), and a `RuntimeStatus`.

    *Source*: the socket of the kubelet, `List`. *Absent when*: there has never been a socket. A kubelet that fails
    costs nothing but news: what it told last stays for `KEPT_SECONDS`. *Cost*: a millisecond for a hundred pods.
    """

    name: ClassVar[str] = "pod_resources"
    demand_wait_s: float = 0.0

    def __init__(self, host: Host, place: str, interval_s: float) -> None:
        self.interval_s = self.rest_s = interval_s
        self._paths = places(host, place)
        self._client: Client | None = None
        self._devices: tuple[PodDevices, ...] = ()
        self._told_at = float("-inf")
        self._status: RuntimeStatus | None = None
        self._connects = 0
        self._asking = threading.Lock()
        self._ended = False

    def sample(self) -> tuple[Any, ...]:
        with self._asking:
            self._ask()
            if self._ended:
                self._forget()
        if self._status is None:
            raise Absent("the kubelet's pod-resources socket")
        if time.monotonic() - self._told_at > KEPT_SECONDS:
            self._devices = ()
        return (self._status, *self._devices)

    def close(self) -> None:
        """Ends the connection, from any thread; under a call, which has its deadline, when that is over."""
        self._ended = True
        if self._asking.acquire(blocking=False):
            self._forget()
            self._asking.release()

    def _ask(self) -> None:
        path = next((path for path in self._paths if _there(path)), None)
        if path is None:
            if self._status is not None:
                self._fares("absent", "there is no socket any more", self._status.socket)
            return
        if self._client is None or self._client.socket != path:
            self._forget()
            self._client = Client(path)
        try:
            self._devices = self._client.list()
        except Absent:
            self._fares("absent", "nothing listens there", path)
        except PermissionError:
            self._fares("denied", "it may not be opened: run nodescope as root", path)
        except (Unreachable, CallFailed, Malformed, OSError) as error:
            self._fares("failed", _advised(error), path)
        else:
            self._told_at = time.monotonic()
            self._fares("ok", "", path)

    def _forget(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _fares(self, state: str, reason: str, path: str) -> None:
        before = self._status.state if self._status else "absent"
        if state == "ok":
            self._connects += before != "ok"
        else:
            self._forget()
        containers = {(told.pod_namespace, told.pod_name, told.container) for told in self._devices}
        self._status = RuntimeStatus(
            runtime=RUNTIME,
            socket=path,
            state=state,
            reason=reason,
            api_version=API_VERSION,
            containers=len(containers),
            reconnects=max(0, self._connects - 1),
        )
        if state == before:
            return
        if state == "ok":
            log.info("%s: the kubelet tells which devices it gave to which pod", path)
        else:
            log.warning(
                "%s: which devices pods were given is not known: %s; tried again from time to time", path, reason
            )


def places(host: Host, place: str) -> Sequence[str]:
    """Where the socket may lie: below the host's root, and, beside a live machine, where it is mounted."""
    found = [host.root(place)]
    if not host.stored:
        for folder in MOUNTED:
            below = place.removeprefix("/var") if folder == "/hostvar" else place
            found.append(f"{folder}{below}")
    return tuple(dict.fromkeys(found))


def _there(path: str) -> bool:
    """Whether there is something, also where it may not be looked at: the kubelet's folder is root's alone."""
    try:
        os.stat(path)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _advised(error: Exception) -> str:
    if isinstance(error, CallFailed) and error.code == UNIMPLEMENTED:
        return f"{error}; expected a kubelet of Kubernetes 1.20 or later"
    return str(error)
