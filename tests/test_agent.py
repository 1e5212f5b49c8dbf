"""The agent: what a reload keeps and puts in force, and how it ends."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from nodescope import configuration
from nodescope.agent import Agent
from tools.serving import state_directory

SETTLED_S: Final = 1.0
LONG_S: Final = 20.0
RELOADS: Final = 50
DESCRIPTOR_MARGIN: Final = 8

Get = Callable[..., Any]


class Source:
    """Settings that a test changes between two reloads."""

    def __init__(self, **given: Any) -> None:
        self.given = {"web.listen-address": ["127.0.0.1:0"], "state.directory": state_directory(), **given}

    def load(self) -> Any:
        return configuration.load(self.given, {})

    def agent(self) -> Agent:
        return Agent(self.load(), load=self.load)


def ports(agent: Agent) -> list[int]:
    return [int(address.rpartition(":")[2]) for address in agent.addresses]


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_listeners_with_the_same_free_port_keep_their_sockets(http_get: Get) -> None:
    """Two listeners on port 0 have the ports after a reload that they had before."""
    source = Source(**{"web.listen-address": ["127.0.0.1:0", "127.0.0.1:0"]})
    agent = source.agent()
    agent.start()
    try:
        before = ports(agent)
        assert agent.reload() is None
        assert ports(agent) == before
        assert [http_get(port, "/metrics").status for port in before] == [200, 200]
    finally:
        agent.stop()


def test_a_listener_is_added_and_taken_away_by_a_reload(http_get: Get, free_port: int) -> None:
    """A reload opens an address that is new, closes one that is gone, and keeps the others."""
    source = Source()
    agent = source.agent()
    agent.start()
    try:
        (first,) = ports(agent)
        source.given["web.listen-address"] = ["127.0.0.1:0", f"127.0.0.1:{free_port}"]
        assert agent.reload() is None
        assert ports(agent) == [first, free_port]
        assert http_get(free_port, "/metrics").status == 200
        source.given["web.listen-address"] = [f"127.0.0.1:{free_port}"]
        assert agent.reload() is None
        assert http_get(free_port, "/metrics").status == 200
        with pytest.raises(OSError, match="refused"):
            http_get(first)
    finally:
        agent.stop()


@pytest.mark.parametrize(
    "others", [[""], ["", "localhost", "127.0.0.1"], ["localhost", ""]], ids=["all", "all and back", "another name"]
)
def test_a_reload_moves_between_addresses_of_one_port(http_get: Get, free_port: int, others: list[str]) -> None:
    """From loopback alone to every interface and back: the new listener takes the old one's port."""
    source = Source()
    source.given["web.listen-address"] = [f"127.0.0.1:{free_port}"]
    agent = source.agent()
    agent.start()
    try:
        for host in others:
            source.given["web.listen-address"] = [f"{host}:{free_port}"]
            assert agent.reload() is None
            assert ports(agent) == [free_port]
            assert http_get(free_port, "/metrics").status == 200
    finally:
        agent.stop()


def test_a_reload_is_answered_on_the_listener_that_it_takes_away(http_get: Get, free_port: int) -> None:
    """Who asks for a reload over HTTP has the answer, though the listener it asked is gone then."""
    source = Source()
    agent = source.agent()
    agent.start()
    try:
        (first,) = ports(agent)
        source.given["web.listen-address"] = [f"127.0.0.1:{free_port}"]
        assert http_get(first, "/-/reload", method="POST").status == 200
        assert ports(agent) == [free_port]
        with pytest.raises(OSError, match="refused"):
            http_get(first, "/-/reload", method="POST")
    finally:
        agent.stop()


def test_a_port_that_another_has_is_refused_by_a_reload(http_get: Get, free_port: int) -> None:
    """A part of a port that another program has is not taken: the reload says so, and the old listener goes on."""
    source = Source()
    source.given["web.listen-address"] = [f"127.0.0.2:{free_port}"]
    agent = source.agent()
    agent.start()
    try:
        with socket.create_server(("127.0.0.1", free_port)):
            source.given["web.listen-address"] = [f":{free_port}"]
            assert f":{free_port} is in use by another program" in (agent.reload() or "")
        with socket.create_connection(("127.0.0.2", free_port), timeout=5):
            pass
        assert agent.reload() is None
        assert http_get(free_port, "/metrics").status == 200
    finally:
        agent.stop()


def test_a_new_listener_before_an_old_one_gets_its_own_socket(free_port: int) -> None:
    """Where a reload puts a new address before old ones and one more of those after, each serves at its own."""
    source = Source()
    agent = source.agent()
    agent.start()
    try:
        (first,) = ports(agent)
        source.given["web.listen-address"] = [f"127.0.0.1:{free_port}", "127.0.0.1:0", "127.0.0.1:0"]
        assert agent.reload() is None
        assert ports(agent)[:2] == [free_port, first]
        assert len(set(ports(agent))) == 3
    finally:
        agent.stop()


def samplers() -> list[str]:
    """The threads of samplers; those that they start come and go."""
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("sampler-"))


def settled_samplers() -> list[str]:
    """Once none begins any more: some do when others have sampled."""
    before: list[str] = []
    while (found := samplers()) != before:
        before = found
        time.sleep(SETTLED_S)
    return found


def test_a_refused_reload_leaves_nothing_behind(http_get: Get, tmp_path: Path) -> None:
    """A web config file whose certificate is missing is refused; no sampler of the refused settings goes on."""
    config = tmp_path / "web.yml"
    config.write_text("tls_server_config:\n  cert_file: none.pem\n  key_file: none.key\n")
    source = Source()
    agent = source.agent()
    agent.start()
    try:
        source.given["web.config.file"] = str(config)
        before = settled_samplers()
        problem = agent.reload()
        assert problem is not None
        assert "none.pem" in problem
        source.given["web.listen-address"] = ["127.0.0.1:0", "127.0.0.1:0"]
        assert "none.pem" in (agent.reload() or "")
        # Of an agent of a test before, one may still come to its end.
        wait_until(lambda: Counter(samplers()) <= Counter(before))
        assert http_get(ports(agent)[0], "/metrics").status == 200
    finally:
        agent.stop()


def test_a_scrape_under_way_survives_a_reload(http_get: Get, tmp_path: Path) -> None:
    """A scrape that waits for a read when the settings are reloaded is answered when the read has ended."""
    os.mkfifo(tmp_path / "loadavg")
    source = Source(**{"path.procfs": str(tmp_path), "collector.timeout": LONG_S, "scrape.timeout": LONG_S})
    agent = source.agent()
    agent.start()
    (port,) = ports(agent)
    bodies: list[bytes] = []
    path = "/metrics?collect[]=loadavg&collect[]=uname"
    client = threading.Thread(target=lambda: bodies.append(http_get(port, path).body))
    try:
        client.start()
        wait_until(lambda: b"requests_in_flight 2\n" in http_get(port, "/metrics?collect[]=time").body)
        assert agent.reload() is None
        # What waits in open(2) goes on, and fails, for a FIFO cannot be read at an offset.
        os.close(os.open(tmp_path / "loadavg", os.O_WRONLY))
        client.join(LONG_S)
        (body,) = bodies
        assert b'\nnodescope_collector_hung{collector="loadavg"} 0\n' in body
        assert b'\nnodescope_collector_success{collector="uname"} 1\n' in body
    finally:
        agent.stop()


def test_reloads_leave_no_descriptor_and_no_thread(http_get: Get) -> None:
    """After 50 reloads, each with a scrape, there are hardly more descriptors, and no more threads, than after two."""
    agent = Source().agent()
    agent.start()
    try:
        (port,) = ports(agent)

        def once() -> None:
            assert agent.reload() is None
            assert http_get(port, "/metrics").status == 200

        once()
        once()
        descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
        for _ in range(RELOADS):
            once()
        wait_until(lambda: threading.active_count() <= threads + 1)
        assert len(os.listdir("/proc/self/fd")) <= descriptors + DESCRIPTOR_MARGIN
    finally:
        agent.stop()


def test_a_reload_that_hangs_holds_up_neither_the_next_nor_the_end(http_get: Get) -> None:
    """While settings cannot be read, a second reload is refused, scrapes are answered, and the agent stops."""
    entered, release = threading.Event(), threading.Event()
    source = Source()

    def load() -> Any:
        entered.set()
        release.wait(3 * LONG_S)
        return source.load()

    agent = Agent(source.load(), load=load)
    agent.start()
    hung = threading.Thread(target=agent.reload, daemon=True)
    try:
        hung.start()
        assert entered.wait(LONG_S)
        assert "another reload" in (agent.reload() or "")
        assert http_get(ports(agent)[0], "/metrics").status == 200
        stopping = threading.Thread(target=agent.stop)
        stopping.start()
        stopping.join(LONG_S)
        assert not stopping.is_alive()
    finally:
        release.set()
        hung.join(LONG_S)


def test_a_reload_that_comes_too_late_starts_nothing() -> None:
    """A reload whose settings arrive after the stop opens no listener and starts no sampler."""
    entered, release = threading.Event(), threading.Event()
    source = Source()

    def load() -> Any:
        entered.set()
        release.wait(LONG_S)
        return source.load()

    agent = Agent(source.load(), load=load)
    agent.start()
    hung = threading.Thread(target=agent.reload)
    hung.start()
    assert entered.wait(LONG_S)
    agent.stop()
    release.set()
    hung.join(LONG_S)
    assert agent.addresses == []
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("sampler-")])


def test_what_only_a_start_can_change_stays() -> None:
    """A reload leaves the simulated machine's settings as they were, and puts the others in force."""
    source = Source()
    agent = source.agent()
    agent.start()
    try:
        source.given.update({"simulate": "cpu", "scrape.max-series": 7})
        assert agent.reload() is None
        assert agent.settings["simulate"] == ""
        assert agent.settings["scrape.max-series"] == 7
    finally:
        agent.stop()


def test_a_reload_tells_of_what_it_opens(caplog: pytest.LogCaptureFixture) -> None:
    """A new address is logged as at the start, and warned of where others can read it; once, not at each reload."""
    source = Source()
    agent = source.agent()
    agent.start()
    try:
        for addresses, listening, open_ones in (
            (["127.0.0.1:0", "0.0.0.0:0"], 1, 1),
            (["127.0.0.1:0", "0.0.0.0:0"], 0, 0),
            (["127.0.0.1:0"], 0, 0),
        ):
            caplog.clear()
            source.given["web.listen-address"] = addresses
            with caplog.at_level(logging.INFO, "nodescope"):
                assert agent.reload() is None
            told = [record.getMessage() for record in caplog.records]
            assert told.count("listening") == listening
            assert sum("can be reached from other machines without a password" in line for line in told) == open_ones
    finally:
        agent.stop()
