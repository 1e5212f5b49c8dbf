"""Looks at the DRM clients of all GPUs, in threads of its own and less often than sensors are read.

What a client has can hang, for the driver waits for the GPU to tell it: then that GPU's use is not known, and the
others' is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from nodescope import threads
from nodescope.devices.intel.client_use import ClientUse, Use
from nodescope.devices.intel.drm_files import Open, open_files
from nodescope.devices.rounds import Rounds
from nodescope.host import Absent, Host

INTERVAL_S: Final = 5.0
SEARCH_S: Final = 15.0
SEARCH_LIMIT_S: Final = 2.0
TURN_LIMIT_S: Final = 2.0
ROUND_LIMIT_S: Final = 30.0
TRUSTED_INTERVALS: Final = 3
UNKNOWN: Final = "so use by engine is not known"
NOTHING: Final = Open({}, 0, True)

log = logging.getLogger(__name__)


class ScanLimits(NamedTuple):
    """Seconds. `interval_s`: between two looks at the clients that are known; `search_s`: between two searches for
    others, in all processes; `turn_s`: one GPU's clients may take, then it hangs."""

    interval_s: float = INTERVAL_S
    search_s: float = SEARCH_S
    turn_s: float = TURN_LIMIT_S


class Watched(NamedTuple):
    """A GPU's driver, its DRM nodes ("card1", "renderD129") and the classes of engines that it has, as far as sysfs
    tells."""

    driver: str
    nodes: frozenset[str]
    engines: tuple[str, ...]


class ClientScan:
    """Use of each GPU, as it was at the last look."""

    def __init__(self, host: Host, limits: ScanLimits) -> None:
        self._host = host
        self._limits = limits
        self._rounds = Rounds("intel-clients", self._turn, limits.turn_s)
        self._lock = threading.Lock()
        self._running = False
        self._due = self._search_due = float("-inf")
        self._open = NOTHING
        self._watched: Mapping[str, Watched] = {}
        self._kept: Mapping[str, Watched] = {}
        self._clients: dict[str, ClientUse] = {}
        self._uses: dict[str, tuple[Use, bool]] = {}

    def start_if_due(self, watched: Mapping[str, Watched]) -> None:
        """Begins a look at the clients of the GPUs in `watched`, by PCI address, if it is time for one."""
        now = time.monotonic()
        with self._lock:
            if watched != self._watched:
                self._watched = dict(watched)
                self._search_due = float("-inf")
            if self._running or now < self._due or not watched:
                return
            self._running = True
            self._due = now + self._limits.interval_s
        try:
            threads.start(threading.Thread(target=self._look, name="intel-scan", daemon=True))
        except RuntimeError as error:
            with self._lock:
                self._running = False
            log.debug("no thread to look at DRM clients in could be started: %s", error)

    def use(self, pci_address: str) -> tuple[Use, bool] | None:
        """The newest use of a GPU and whether it is of all clients; None where there is none that is recent."""
        found = self._uses.get(pci_address)
        oldest = time.monotonic() - TRUSTED_INTERVALS * self._limits.interval_s
        return found if found is not None and found[0].at >= oldest else None

    def reason(self) -> str:
        """Why use is not known of all GPUs, or nothing."""
        hung = [key for key, seconds in self._rounds.stuck().items() if seconds >= self._limits.turn_s]
        if hung:
            files = ", ".join(self._clients[key].reading for key in hung if key in self._clients)
            return f"what clients have of the GPUs {', '.join(hung)} cannot be read: no answer from {files}"
        uses = [use for use, _ in list(self._uses.values())]
        if denied := self._open.denied + sum(use.denied for use in uses):
            return f"{denied} processes may not be looked at, {UNKNOWN}: run as root or with CAP_SYS_PTRACE"
        if silent := sum(use.silent for use in uses):
            return f"{silent} open DRM files do not tell what their clients use, {UNKNOWN}: run a later kernel"
        return f"there are more open files than are looked at, {UNKNOWN}" if uses and self._open.cut else ""

    def _look(self) -> None:
        try:
            with self._lock:
                watched = self._watched
                search, now = time.monotonic() >= self._search_due, time.monotonic()
                if search:
                    self._search_due = now + self._limits.search_s
            if search:
                self._open = self._search(watched)
            self._keep(watched)
            self._rounds.run(watched, ROUND_LIMIT_S)
        finally:
            with self._lock:
                self._running = False

    def _keep(self, watched: Mapping[str, Watched]) -> None:
        """Forgets what is known of GPUs that are gone or have another driver."""
        same = {key for key, one in watched.items() if self._kept.get(key) == one}
        self._clients = {key: self._clients[key] if key in same else ClientUse(self._host, key) for key in watched}
        self._uses = {key: use for key, use in list(self._uses.items()) if key in same}
        self._kept = watched

    def _search(self, watched: Mapping[str, Watched]) -> Open:
        nodes = frozenset().union(*(one.nodes for one in watched.values()))
        try:
            return open_files(self._host, nodes, SEARCH_LIMIT_S)
        except (Absent, OSError):
            return NOTHING

    def _turn(self, key: str) -> None:
        """One GPU's clients."""
        watched, clients, opened = self._watched.get(key), self._clients.get(key), self._open
        if watched is None or clients is None:
            return
        files = [file for node in watched.nodes for file in opened.files.get(node, ())]
        use = clients.read(files, watched.engines)
        complete = not (opened.denied or opened.cut or use.denied or use.left_out or use.silent)
        self._uses[key] = use, complete
