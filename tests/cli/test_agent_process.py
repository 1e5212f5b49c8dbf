"""The agent as a process: start, scrape, reload, stop, systemd, busy ports."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nodescope.settings.host import HOST
from tools.serving import Server, nodescope_command, own_environment, unused_port

Start = Callable[..., Server]
Get = Callable[..., "object"]
Run = Callable[..., subprocess.CompletedProcess[str]]
LONG_S = 20.0


def scrape(get: Callable[..., object], server: Server, path: str = "/metrics", **headers: str) -> str:
    reply = get(server.port, path, {name.replace("_", "-"): value for name, value in headers.items()})
    body: bytes = reply.body  # type: ignore[attr-defined]
    return body.decode()


def test_the_node_role_answers_with_node_exporters_names(agent_process: Start, http_get: Get) -> None:
    """Every collector that is on by default runs; those that any machine can answer succeed."""
    text = scrape(http_get, agent_process("exporter", "node"))
    success = dict(re.findall(r'node_scrape_collector_success\{collector="(\w+)"\} (\d)', text))
    assert success.keys() == {collects.name for collects in HOST if collects.on}
    anywhere = {"cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netclass", "netdev", "netstat", "sockstat"}
    assert {name for name in {*anywhere, "stat", "time", "uname", "vmstat"} if success[name] == "0"} == set()
    for family in ("node_cpu_seconds_total", "node_memory_MemTotal_bytes", "node_filesystem_size_bytes", "node_load1"):
        assert f"# TYPE {family} " in text


def test_the_agent_role_tells_of_itself(agent_process: Start, http_get: Get) -> None:
    """nodescope's own metrics are there, and leave when they are not wanted."""
    text = scrape(http_get, agent_process("agent"))
    for family in ("nodescope_collector_success", "nodescope_collector_series", "process_resident_memory_bytes"):
        assert f"# TYPE {family} " in text
    bare = scrape(http_get, agent_process("agent", "--web.disable-exporter-metrics"))
    assert "nodescope_collector_" not in bare
    assert "process_" not in bare


def test_gzip_and_openmetrics(agent_process: Start, http_get: Callable[..., object]) -> None:
    """A scraper that asks for gzip and OpenMetrics gets both."""
    server = agent_process("exporter", "node")
    accept = {"Accept-Encoding": "gzip", "Accept": "application/openmetrics-text;version=1.0.0"}
    reply = http_get(server.port, "/metrics", accept)
    assert reply.headers["content-encoding"] == "gzip"  # type: ignore[attr-defined]
    assert gzip.decompress(reply.body).endswith(b"# EOF\n")  # type: ignore[attr-defined]


def test_twenty_scrapers_at_once(agent_process: Start, http_get: Get) -> None:
    """Twenty scrapes at the same time are all answered whole."""
    server = agent_process("exporter", "node")
    texts: list[str] = []
    threads = [threading.Thread(target=lambda: texts.append(scrape(http_get, server))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
    assert len(texts) == 20
    assert all("node_load1 " in text and text.endswith("\n") for text in texts)


def test_sigterm_ends_it_while_a_read_hangs(server_process: Start, http_get: Get, tmp_path: Path) -> None:
    """With a collector stuck in a read, a scrape has the others' values and SIGTERM still ends the process."""
    (tmp_path / "proc").mkdir()
    os.mkfifo(tmp_path / "proc" / "loadavg")
    port = unused_port()
    arguments = ["exporter", "node", f"--path.procfs={tmp_path}/proc", "--collector.timeout=300ms"]
    server = server_process(nodescope_command(arguments, port), port)
    text = scrape(http_get, server)
    assert 'node_scrape_collector_success{collector="loadavg"} 0' in text
    assert "node_uname_info{" in text
    assert json.loads(scrape(http_get, server, "/health"))["failing"]["loadavg"]["state"] == "hung"
    server.stop()
    assert server.process.returncode == 0


def test_reload_puts_new_settings_in_force(agent_process: Start, http_get: Get, tmp_path: Path) -> None:
    """SIGHUP reads the file again; a file that is wrong leaves the settings in force and says why."""
    file = tmp_path / "nodescope.yaml"
    file.write_text("constant_labels: {site: one}\n")
    server = agent_process("exporter", "node", f"--config.file={file}")
    assert 'node_load1{site="one"}' in scrape(http_get, server)
    file.write_text("constant_labels: {site: two}\ncollector: {cpu: false}\n")
    server.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + LONG_S
    while 'node_load1{site="two"}' not in (text := scrape(http_get, server)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "node_cpu_seconds_total" not in text
    file.write_text("web: {max-requests: many}\n")
    reply = post(server.port, "/-/reload")
    assert reply.startswith("500 ")
    assert "web.max-requests is 'many', expected a whole number" in reply
    assert 'node_load1{site="two"}' in scrape(http_get, server)
    file.write_text("constant_labels: {site: three}\n")
    assert post(server.port, "/-/reload").startswith("200 ")
    assert 'node_load1{site="three"}' in scrape(http_get, server)


def post(port: int, path: str) -> str:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        connection.request("POST", path)
        response = connection.getresponse()
        return f"{response.status} {response.read().decode()}"
    finally:
        connection.close()


def test_several_listeners_each_with_their_own(agent_process: Start, http_get: Get, tmp_path: Path) -> None:
    """Listeners of one process have their own role, collectors and labels."""
    other = unused_port()
    file = tmp_path / "nodescope.yaml"
    file.write_text(
        f"listeners:\n- address: 127.0.0.1:{other}\n  role: node\n  collectors: [loadavg, uname]\n"
        "  constant_labels: {site: b}\n"
    )
    server = agent_process("agent", f"--config.file={file}")
    assert "node_memory_MemTotal_bytes " in scrape(http_get, server)
    reply = http_get(other, "/metrics")
    text = reply.body.decode()  # type: ignore[attr-defined]
    assert set(re.findall(r"^node_([a-z]+)", text, re.M)) == {"load", "uname", "scrape"}
    assert 'node_load1{site="b"}' in text


def test_a_busy_port_is_one_sentence(run: Run) -> None:
    """A port that is taken ends the start with a sentence that says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("agent", f"--web.listen-address=127.0.0.1:{port}")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "in use" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["agent", "--web.max-requests=many"], "flag --web.max-requests: web.max-requests is 'many', expected a whole"),
        (["agent", "--config.file=/none.yaml"], "file /none.yaml cannot be read"),
        (["exporter", "nod"], "'nod' is not a role, did you mean node?"),
        (["agnt"], "'agnt' is not a command, did you mean agent?"),
        (["agent", "--collector.vmstat.field=x"], "did you mean --collector.vmstat.fields?"),
        (
            ["exporter", "node", "--collector.netdev.device-include=a", "--collector.netdev.device-exclude=b"],
            "collector.netdev.device-include",
        ),
        (["agent", "--web.config.file=/none.yml"], "/none.yml"),
        (["agent", "--web.listen-address=x"], 'flag --web.listen-address: web.listen-address: "x" is not an address'),
        (["agent", "--path.procfs=/none"], "path.procfs is '/none', expected a directory"),
        (["agent", "--web.telemetry-path=/health"], "not another route's"),
    ],
)
def test_what_is_asked_wrongly_is_one_sentence(run: Run, arguments: list[str], sentence: str) -> None:
    """Exit code 2, and one sentence on standard error."""
    done = run(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_systemd_is_told(tmp_path: Path) -> None:
    """READY, then the watchdog, then STOPPING arrive on the notify socket."""
    address = str(tmp_path / "notify")
    environment = {**own_environment(), "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "200000"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(LONG_S)
        process = subprocess.Popen(
            nodescope_command(["agent"], unused_port()), env=environment, stderr=subprocess.DEVNULL
        )
        try:
            heard = [manager.recv(100) for _ in range(3)]
            process.terminate()
            while b"STOPPING=1" not in heard:
                heard.append(manager.recv(100))
        finally:
            process.terminate()
            process.wait(LONG_S)
    assert heard[:3] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]


def test_a_socket_of_systemd_is_served() -> None:
    """A socket that is passed as descriptor 3 is served, and no other is opened."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        command = f"exec {sys.executable} -m nodescope agent --web.systemd-socket"
        shell = f"export LISTEN_FDS=1 LISTEN_PID=$$; exec 3<&{server.fileno()}; {command}"
        process = subprocess.Popen(
            ["bash", "-c", shell], pass_fds=[server.fileno()], env=own_environment(), stderr=subprocess.DEVNULL
        )
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=LONG_S) as client:
            client.settimeout(LONG_S)
            client.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
    finally:
        process.terminate()
        assert process.wait(LONG_S) == 0


def test_a_simulated_machine_is_measured(agent_process: Start, http_get: Get, tmp_path: Path) -> None:
    """--simulate cpu serves the simulated machine, and the truth file has what is true."""
    truth = tmp_path / "truth.jsonl"
    server = agent_process("agent", "--simulate=cpu", "--simulate.seed=7", f"--simulate.truth-file={truth}")
    text = scrape(http_get, server)
    assert 'nodescope_collector_success{collector="netdev"} 1' in text
    first = json.loads(truth.read_text().splitlines()[0])
    assert {"virtual_seconds", "metric", "labels", "value"} <= first.keys()
    assert first["metric"] in text


def test_a_root_in_which_nothing_is_mounted_is_warned_of(tmp_path: Path) -> None:
    """The empty folder that a container has where its /host/proc was forgotten is named, with what to do."""
    command = nodescope_command(["agent", f"--path.procfs={tmp_path}"], unused_port())
    process = subprocess.Popen(command, env=own_environment(), stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said = next(line for line in process.stderr if "level=warn" in line)
    finally:
        process.kill()
        process.communicate(timeout=LONG_S)
    assert f"{tmp_path} has no stat: nothing is mounted there; mount it, or correct --path.procfs" in said


def test_metrics_of_a_root_in_which_nothing_is_mounted(tmp_path: Path) -> None:
    """One scrape says so on standard error."""
    command = [sys.executable, "-m", "nodescope", "metrics", f"--path.procfs={tmp_path}", "--collector=loadavg"]
    done = subprocess.run(command, env=own_environment(), capture_output=True, text=True, timeout=LONG_S, check=False)
    assert f"{tmp_path} has no stat: nothing is mounted there" in done.stderr
