"""The roles that tell of containers, as processes beside real runtimes, and what their pages say."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from nodescope import configuration
from nodescope.agent import Agent
from nodescope.events.event import Event
from tests.live.engine_daemon import until
from tests.live.samples import Labels, read
from tools.serving import Server, nodescope_command, unused_port

ROLES: Final = {
    "agent": ("agent",),
    "cadvisor": ("exporter", "container"),
    "docker_stats": ("exporter", "docker-stats"),
    "lens": ("exporter", "lens"),
}
OF_CONTAINERS: Final = ("agent", "cadvisor", "docker_stats")
SAMPLER: Final = {"agent": "container", "cadvisor": "container_cadvisor", "docker_stats": "docker_stats"}
INTERVAL_S: Final = 0.5
MOST_EVENTS: Final = 4096

Get = Callable[..., Any]


class Page(NamedTuple):
    """A scrape, in which no series came twice."""

    samples: Mapping[tuple[str, Labels], float]

    def __repr__(self) -> str:
        return f"<a page of {len(self.samples)} series>"

    def of(self, family: str, /, **labels: str) -> float | None:
        """The sum of what a family's series with these labels say; None where there is no such series."""
        wanted = labels.items()
        found = [value for (each, known), value in self.samples.items() if each == family and wanted <= known]
        return sum(found) if found else None

    def labels(self, family: str, /, **labels: str) -> dict[str, str]:
        """All labels of the one series of a family with these labels."""
        (found,) = [known for each, known in self.samples if each == family and labels.items() <= known]
        return dict(found)

    def values(self, label: str, prefix: str) -> set[str]:
        """The values of a label in the families of which the names begin so."""
        return {
            value for name, known in self.samples if name.startswith(prefix) for key, value in known if key == label
        }


class Roles:
    """`servers`: by name of `ROLES`."""

    def __init__(self, servers: Mapping[str, Server], get: Get) -> None:
        self.servers = servers
        self._get = get

    def page(self, role: str) -> Page:
        """As it is now."""
        server = self.servers[role]
        assert server.process.poll() is None, server.log
        reply = self._get(server.port, "/metrics")
        assert reply.status == 200, reply.body
        return Page(read(reply.body).samples)

    def fresh(self, role: str) -> Page:
        """Of a sample that began after this call."""
        asked = time.monotonic()
        page = self.page(role)

        def is_newer() -> bool:
            nonlocal page
            sent = time.monotonic()
            page = self.page(role)
            age = page.of("nodescope_collector_age_seconds", collector=SAMPLER[role])
            return age is not None and sent - age > asked + INTERVAL_S / 2

        until(is_newer, why=lambda: self.servers[role].log)
        return page

    def get(self, role: str, path: str) -> bytes:
        """Any answer of a role, of whatever status."""
        body: bytes = self._get(self.servers[role].port, path).body
        return body


@contextlib.contextmanager
def roles(root: Path, get: Get, *flags: str, names: tuple[str, ...] = OF_CONTAINERS) -> Iterator[Roles]:
    """Those of them on the runtimes of a host's root, ended afterwards."""
    with contextlib.ExitStack() as stack:
        servers = {}
        for name in names:
            own = (f"--path.rootfs={root}", f"--state.directory={root}/state-{name}")
            port = unused_port()
            command = nodescope_command(
                (*ROLES[name], *own, f"--collector.container.interval={INTERVAL_S}s", *flags), port
            )
            servers[name] = Server(command, port, root / f"log-{name}", root)
            stack.callback(servers[name].kill)
        yield Roles(servers, get)
        for server in servers.values():
            server.stop()


@contextlib.contextmanager
def bus_of_agent(root: Path, get: Get, runtimes: int = 1) -> Iterator[Callable[[], list[Event]]]:
    """An agent within this process, for its events: what it has told of containers since it follows the runtimes."""
    given = {
        "web.listen-address": ["127.0.0.1:0"],
        "path.rootfs": str(root),
        "state.directory": str(root / "state-events"),
        "collector.disable-defaults": True,
        "collector.container.enabled": True,
        "collector.container.interval": INTERVAL_S,
    }
    agent = Agent(configuration.load(given, {}))
    agent.start()

    def following() -> float | None:
        reply = get(int(agent.addresses[0].rpartition(":")[2]), "/metrics")
        return Page(read(reply.body).samples).of("nodescope_container_runtime_info", state="ok")

    try:
        until(lambda: following() == runtimes)
        yield lambda: [event for event in agent.bus.since(0, MOST_EVENTS).events if event.kind.startswith("container.")]
    finally:
        agent.stop()
