"""Prometheus itself reads what we serve."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import quote

import pytest

from tools import rival
from tools.serving import Server, unused_port

SCRAPED_DEADLINE_S: Final = 30.0
STOP_DEADLINE_S: Final = 15.0
TEXT_ONLY: Final = "text/plain;version=0.0.4"

CONFIG: Final = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: direct
    static_configs: [{{targets: ["127.0.0.1:{agent}"]}}]
  - job_name: own
    metrics_path: /own
    static_configs: [{{targets: ["127.0.0.1:{between}"]}}]
  - job_name: text
    metrics_path: /text
    static_configs: [{{targets: ["127.0.0.1:{between}"]}}]
"""
JOBS: Final = ("direct", "own", "text")


class Between(BaseHTTPRequestHandler):
    """Passes a scrape on: /own as Prometheus asked for it, /text with an Accept header of before OpenMetrics."""

    protocol_version = "HTTP/1.1"
    agent_port: ClassVar[int]
    answered: ClassVar[dict[str, set[tuple[str, str]]]]

    def do_GET(self) -> None:
        accept = TEXT_ONLY if self.path == "/text" else self.headers["Accept"]
        connection = http.client.HTTPConnection("127.0.0.1", self.agent_port, timeout=5)
        wanted = {"Accept": accept, "Accept-Encoding": self.headers["Accept-Encoding"]}
        connection.request("GET", "/metrics", headers=wanted)
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        kind, encoding = reply.headers["Content-Type"], reply.headers.get("Content-Encoding", "")
        self.answered.setdefault(self.path, set()).add((kind, encoding))
        self.send_response(reply.status)
        for name, value in (("Content-Type", kind), ("Content-Encoding", encoding), ("Content-Length", str(len(body)))):
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture
def between(agent_process: Callable[..., Server]) -> Iterator[tuple[int, type[Between]]]:
    """The port of a `Between` before an agent, and its class with what was answered."""
    agent = agent_process("exporter", "node")
    handler = type("OneBetween", (Between,), {"agent_port": agent.port, "answered": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1], handler
    server.shutdown()
    server.server_close()
    thread.join(10)


def query(get: Callable[..., Any], port: int, expression: str) -> dict[str, float]:
    """Job -> value of an expression, as Prometheus answers it."""
    reply = get(port, f"/api/v1/query?query={quote(expression)}")
    assert reply.status == 200, reply.body
    return {row["metric"]["job"]: float(row["value"][1]) for row in json.loads(reply.body)["data"]["result"]}


def test_prometheus_scrapes_both_formats(
    program: Callable[..., str],
    server_process: Callable[..., Server],
    http_get: Callable[..., Any],
    between: tuple[int, type[Between]],
    tmp_path: Path,
) -> None:
    """Prometheus takes our OpenMetrics and our text, compressed, as up, with the same series and no warning."""
    program("prometheus")
    between_port, seen = between
    config = tmp_path / "prometheus.yml"
    config.write_text(CONFIG.format(agent=seen.agent_port, between=between_port))
    port = unused_port()
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    prometheus = server_process([*command, f"--web.listen-address=127.0.0.1:{port}"], port)
    deadline = time.monotonic() + SCRAPED_DEADLINE_S
    up: dict[str, float] = {}
    while up.keys() != set(JOBS) and time.monotonic() < deadline:
        time.sleep(0.25)
        up = query(http_get, port, "up") if http_get(port, "/-/ready").status == 200 else {}
    assert up == dict.fromkeys(JOBS, 1.0), prometheus.log
    families = query(http_get, port, 'count by (job) (count by (job, __name__) ({__name__=~"node_.+"}))')
    assert len(set(families.values())) == 1, families
    per_cpu = query(http_get, port, "count by (job) (node_cpu_seconds_total)")
    assert per_cpu.keys() == set(JOBS)
    assert len(set(per_cpu.values())) == 1, per_cpu
    (own,), (text,) = seen.answered["/own"], seen.answered["/text"]
    assert own[0].startswith("application/openmetrics-text;")
    assert text[0].startswith("text/plain; version=0.0.4")
    assert own[1] == text[1] == "gzip"
    prometheus.stop(STOP_DEADLINE_S)
    assert [line for line in prometheus.log.splitlines() if re.search(r"level=(warn|error).*scrape", line)] == []


def problems(body: bytes, promtool: str) -> set[str]:
    """What `promtool check metrics` has to say. Fails where it cannot parse the body."""
    found = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, timeout=30, check=False)
    lines = found.stderr.decode().splitlines()
    assert found.returncode in (0, 3), lines
    return set(lines)


def test_promtool_finds_nothing_new(
    program: Callable[..., str],
    agent_process: Callable[..., Server],
    server_process: Callable[..., Server],
    http_get: Callable[..., Any],
) -> None:
    """`promtool check metrics` has nothing to say of us that it does not say of node_exporter."""
    promtool = program("promtool", "prometheus")
    program(rival.PROGRAM)
    port = unused_port()
    theirs = server_process(rival.command(rival.FLAGS, port), port)
    ours = agent_process("exporter", "node", *rival.FLAGS)
    known = problems(http_get(theirs.port, "/metrics").body, promtool)
    assert problems(http_get(ours.port, "/metrics").body, promtool) - known == set()


def test_promtool_accepts_the_agent(
    program: Callable[..., str], agent_process: Callable[..., Server], http_get: Callable[..., Any]
) -> None:
    """The agent's own names, nodescope's and the process's, are without fault."""
    promtool = program("promtool", "prometheus")
    body: bytes = http_get(agent_process("agent").port, "/metrics").body
    assert {line for line in problems(body, promtool) if not line.startswith("node_")} == set()
