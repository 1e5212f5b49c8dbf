"""Use of one GPU by engine and by process, from what its DRM clients said at two times."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

from nodescope.devices.intel.fdinfo import Client, Engine, parse
from nodescope.host import Absent, Host, Malformed
from nodescope.records.gpu import ProcessReading

DRIVERS: Final = ("i915", "xe")
LEAST_SECONDS: Final = 0.05
COMPUTE: Final = frozenset({"compute", "ccs"})
GRAPHICS: Final = frozenset({"render", "rcs", "video", "vcs", "video-enhance", "vecs"})


class Use(NamedTuple):
    """`engines`: percent since the time before, by the driver's names; None the first time, and where a client does not
    tell. `local_bytes`: of its own memory, that clients have; None where no client tells. `at`: CLOCK_MONOTONIC.
    `silent`: how many files say nothing of a client."""

    at: float
    engines: Mapping[str, float] | None
    local_bytes: int | None
    processes: tuple[ProcessReading, ...]
    denied: int
    left_out: int
    silent: int


class _Seen(NamedTuple):
    """What a client had at a time. `engine_ns`: the same in nanoseconds; of xe since it was seen first."""

    at: float
    engines: Mapping[str, Engine]
    engine_ns: Mapping[str, float]


class ClientUse:
    """Remembers each client of the GPU at `pci_address`. `reading`: the file that is being read."""

    def __init__(self, host: Host, pci_address: str) -> None:
        self.reading = ""
        self._host = host
        self._pci_address = pci_address
        self._seen: dict[int, _Seen] | None = None
        self._engines: set[str] = set()

    def read(self, files: Iterable[tuple[int, int]], engines: Collection[str]) -> Use:
        """What the clients behind `files` (PID, descriptor) had since the last time. `engines`: those that there are,
        as far as sysfs tells: they are 0 where no client has them."""
        self._engines.update(engines)
        before, seen = self._seen, dict[int, _Seen]()
        shares: dict[str, float] = {}
        owned: dict[int, list[tuple[Client, _Seen]]] = {}
        denied = left_out = silent = 0
        for pid, fd in sorted(set(files)):
            try:
                client = self._client(pid, fd)
            except Absent:
                continue
            except PermissionError:
                denied += 1
                continue
            except (Malformed, OSError):
                left_out += 1
                continue
            if client is None:
                silent += 1
                continue
            # A file may be open twice, in one process or in several: the first has it.
            if client.client_id in seen or not self._is_ours(client):
                continue
            now = _seen((before or {}).get(client.client_id), client, time.monotonic(), shares)
            seen[client.client_id] = now
            owned.setdefault(pid, []).append((client, now))
        self._seen = seen
        self._engines.update(name for one in seen.values() for name in one.engines)
        clients = [client for of_process in owned.values() for client, _ in of_process]
        return Use(
            at=time.monotonic(),
            engines=None if before is None or not all(one.engines for one in clients) else self._percent(shares),
            local_bytes=_sum(client.local_bytes for client in clients),
            processes=tuple(_process(pid, of_process) for pid, of_process in owned.items()),
            denied=denied,
            left_out=left_out,
            silent=silent,
        )

    def _client(self, pid: int, fd: int) -> Client | None:
        self.reading = path = self._host.proc(f"{pid}/fdinfo/{fd}")
        return parse(self._host.read_once(path), path)

    def _is_ours(self, client: Client) -> bool:
        return client.driver in DRIVERS and client.pci_address == self._pci_address

    def _percent(self, shares: Mapping[str, float]) -> dict[str, float]:
        # Clocks are not read in the very moment of the counters: a busy engine may come out a little above.
        return {name: min(100.0, 100.0 * shares.get(name, 0.0)) for name in sorted(self._engines)}


def _seen(before: _Seen | None, client: Client, now: float, shares: dict[str, float]) -> _Seen:
    """What is known of a client at `now`. Adds to `shares` what part of each engine class it had since `before`.

    One that was not seen before adds nothing: since when it counts is not known.
    """
    engine_ns: dict[str, float] = {}
    engines: dict[str, Engine] = {}
    for name, engine in client.engines.items():
        last = before.engines.get(name) if before is not None else None
        if before is None or last is None or (last.total is None) != (engine.total is None):
            engines[name] = engine
            engine_ns[name] = 0.0 if engine.total is not None else engine.busy
            continue
        if now - before.at < LEAST_SECONDS:
            return before
        # The kernel may tell less than before for a while: then the greater value stands.
        busy = max(engine.busy, last.busy)
        engines[name] = engine._replace(busy=busy)
        elapsed_ns = (now - before.at) * 1e9
        whole = elapsed_ns if engine.total is None or last.total is None else engine.total - last.total
        # Where the GPU's clock stood still or began anew, nothing can be said.
        share = (busy - last.busy) / whole if whole > 0 else 0.0
        shares[name] = shares.get(name, 0.0) + share / engine.capacity
        engine_ns[name] = busy if engine.total is None else before.engine_ns[name] + share * elapsed_ns
    return _Seen(now, engines, engine_ns)


def _process(pid: int, clients: list[tuple[Client, _Seen]]) -> ProcessReading:
    engine_ns: dict[str, int] = {}
    for _, seen in clients:
        for name, nanoseconds in seen.engine_ns.items():
            engine_ns[name] = engine_ns.get(name, 0) + int(nanoseconds)
    return ProcessReading(
        pid=pid,
        type=_type([client for client, _ in clients]),
        memory_used_bytes=_sum(client.local_bytes for client, _ in clients),
        gtt_used_bytes=_sum(client.system_bytes for client, _ in clients),
        engine_ns=engine_ns,
    )


def _type(clients: list[Client]) -> str:
    """By the engines that it has had; of one that had none yet, by those that the GPU has."""
    had = {name for client in clients for name, engine in client.engines.items() if engine.busy}
    there = {name for client in clients for name in client.engines}
    kinds = [kind for kind, names in (("compute", COMPUTE), ("graphics", GRAPHICS)) if names & had]
    return ",".join(kinds) or ("graphics" if GRAPHICS & there else "compute")


def _sum(sizes: Iterable[int | None]) -> int | None:
    told = [size for size in sizes if size is not None]
    return sum(told) if told else None
