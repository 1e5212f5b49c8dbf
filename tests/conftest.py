"""Fixtures of every tier, and which tiers run.

Tiers: `static` (tests/test_house.py), `live` (tests/live), `heavy` (tests/heavy), `unit` (all others).
NODESCOPE_TIERS, a list with commas, chooses; without it all run. A live or heavy test whose tools are missing is
skipped with a reason.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import hypothesis
import pytest

import nodescope
from tools.serving import Server, nodescope_command, unused_port

ROOT: Final = Path(__file__).resolve().parent.parent
TIERS: Final = ("static", "unit", "live", "heavy")
REQUEST_TIMEOUT_S: Final = 15.0
IMPOSSIBLE_STACK_BYTES: Final = 2**45

NoThreads = Callable[[], contextlib.AbstractContextManager[None]]

# Slow shared machines: an example has no deadline of its own (each test has), and CI draws the same ones each time.
hypothesis.settings.register_profile(
    "nodescope",
    deadline=None,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("nodescope")


def chosen_tiers() -> list[str]:
    tiers = os.environ.get("NODESCOPE_TIERS", "").replace(",", " ").split() or list(TIERS)
    unknown = sorted(set(tiers) - set(TIERS))
    if unknown:
        raise pytest.UsageError(f"NODESCOPE_TIERS: unknown {', '.join(unknown)}; expected some of {', '.join(TIERS)}")
    return tiers


def tier_of(path: Path) -> str:
    parts = path.relative_to(ROOT / "tests").parts
    if parts[0] in ("live", "heavy"):
        return parts[0]
    return "static" if parts == ("test_house.py",) else "unit"


def pytest_report_header() -> list[str]:
    chosen = chosen_tiers()
    left_out = ", ".join(tier for tier in TIERS if tier not in chosen)
    return [
        f"nodescope: {Path(nodescope.__file__).parent}",
        f"tiers: {', '.join(chosen)}" + (f" (NODESCOPE_TIERS leaves out {left_out})" if left_out else ""),
    ]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = chosen_tiers()
    left_out = []
    for item in items[:]:
        tier = tier_of(item.path)
        if tier in ("live", "heavy"):
            item.add_marker(tier)
        if tier not in chosen:
            items.remove(item)
            left_out.append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture
def no_threads() -> NoThreads:
    """no_threads(): a context in which no thread can be started."""

    @contextlib.contextmanager
    def without() -> Iterator[None]:
        before = threading.stack_size(IMPOSSIBLE_STACK_BYTES)
        try:
            yield
        finally:
            threading.stack_size(before)

    return without


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared captures and conformance data; the test is skipped where there is none."""
    path = Path(os.environ.get("NODESCOPE_SHARED") or ROOT.parent / "shared")
    if not path.is_dir():
        pytest.skip(f"no shared test data at {path}: set NODESCOPE_SHARED to its folder")
    return path


@pytest.fixture(scope="session")
def fixture_tree(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `collector/fixtures` is node_exporter's fixture machine. Shared: read it, never write it."""
    archive = shared / "conformance/node_exporter/fixtures.tar.gz"
    if not archive.is_file():
        pytest.skip(f"no fixture tree at {archive}")
    folder = tmp_path_factory.mktemp("fixture_tree")
    subprocess.run(["tar", "-xzf", str(archive), "-C", str(folder)], check=True, timeout=60)
    (folder / "collector").mkdir()
    (folder / "collector/fixtures").symlink_to("../fixtures")
    return folder


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Path of a program on this machine; the test is skipped where it is missing."""

    def find(name: str, package: str = "") -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is not installed (Debian package {package or name})")
        return path

    return find


@pytest.fixture
def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listened on a moment ago."""
    return unused_port()


class Reply(NamedTuple):
    """An HTTP answer: status, headers (names in lower case), body as sent (compressed where it was)."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@pytest.fixture(scope="session")
def http_get() -> Callable[..., Reply]:
    """get(port, path="/", headers=None, method="GET"): on 127.0.0.1, without proxies, redirects or decompression."""

    def get(port: int, path: str = "/", headers: Mapping[str, str] | None = None, method: str = "GET") -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_TIMEOUT_S)
        with contextlib.closing(connection):
            connection.request(method, path, headers=dict(headers or {}))
            response = connection.getresponse()
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    return get


@pytest.fixture
def server_process(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """start(command, port, folder=tmp_path, environment={}): any server as a real process, killed after the test."""
    started: list[Server] = []

    def start(
        command: Sequence[str], port: int, folder: Path = tmp_path, environment: Mapping[str, str] | None = None
    ) -> Server:
        started.append(Server(command, port, tmp_path / f"process-{port}.log", folder, environment))
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.fixture
def agent_process(server_process: Callable[..., Server]) -> Iterator[Callable[..., Server]]:
    """start("exporter", "node", "--collector.cpu", ..., folder=tmp_path, environment={}): nodescope on a free port.

    After the test each must end within 2 s of SIGTERM.
    """
    started: list[Server] = []

    def start(*arguments: str, **where: Any) -> Server:
        port = unused_port()
        started.append(server_process(nodescope_command(arguments, port), port, **where))
        return started[-1]

    yield start
    for server in started:
        server.stop()
