"""Debian's own unit of prometheus-node-exporter starts nodescope instead, unchanged."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tools.serving import unused_port

UNITS: Final = (Path("/lib/systemd/system"), Path("/usr/lib/systemd/system"))
UNIT: Final = "prometheus-node-exporter.service"


@pytest.fixture
def unit() -> dict[str, str]:
    """The settings of the unit's [Service] section."""
    for folder in UNITS:
        if (folder / UNIT).is_file():
            return dict(re.findall(r"^(\w+)=(.*)$", (folder / UNIT).read_text(), re.MULTILINE))
    pytest.skip(f"{UNIT} is not installed (Debian package prometheus-node-exporter)")


@pytest.fixture
def start(unit: dict[str, str], tmp_path: Path, server_process: Callable[..., Any]) -> Callable[[str], Any]:
    """start(ARGS): the unit's ExecStart with this environment, and nodescope where the program was."""
    program, *words = shlex.split(unit["ExecStart"])
    installed = tmp_path / Path(program).name
    installed.write_text(f"#!{sys.executable}\nfrom nodescope.__main__ import main\n\nmain()\n")
    installed.chmod(0o755)

    def started(arguments: str) -> Any:
        port = unused_port()
        given = [*arguments.split(), f"--web.listen-address=127.0.0.1:{port}"]
        # systemd puts a variable that stands alone in as several words.
        command = [str(installed), *(part for word in words for part in (given if word == "$ARGS" else [word]))]
        return server_process(command, port)

    return started


def test_the_unit_starts_nodescope(start: Callable[[str], Any], http_get: Callable[..., Any]) -> None:
    """With Debian's ExecStart and no arguments the collectors that Debian switches on are on, systemd's too."""
    text = http_get(start("").port, "/metrics").body.decode()
    running = set(re.findall(r'node_scrape_collector_success\{collector="(\w+)"\}', text))
    assert {"cpu", "systemd", "textfile"} <= running
    assert "processes" not in running


def test_every_flag_of_the_package_is_taken(
    start: Callable[[str], Any], program: Callable[[str], str], http_get: Callable[..., Any]
) -> None:
    """Each flag that Debian's binary knows, with its own default, starts nodescope as well."""
    told = subprocess.run(
        [program("prometheus-node-exporter"), "--help"], capture_output=True, text=True, timeout=10, check=False
    )
    shown = r"^ +(--(?:collector|path|web|log|runtime)\.[\w.-]+)(?:=(\S+))?"
    flags = re.findall(shown, told.stdout + told.stderr, re.MULTILINE)
    assert len(flags) > 100
    given = [
        f"{flag}={shlex.split(value)[0]}" if value else flag
        for flag, value in flags
        # Those without a default show their own name; some exclude each other; two ask for what is not there.
        if not value.isupper() and not re.search(r"-exclude|listen-address|config\.file|systemd-socket", flag)
    ]
    text = http_get(start(" ".join(given)).port, "/metrics").body.decode()
    assert 'node_scrape_collector_success{collector="loadavg"} 1' in text


def test_the_defaults_of_the_name_can_be_changed_by_flags(
    start: Callable[[str], Any], http_get: Callable[..., Any]
) -> None:
    """What the name switches on a flag switches off, and so does disable-defaults."""
    for arguments in ("--no-collector.systemd", "--collector.disable-defaults --collector.loadavg"):
        text = http_get(start(arguments).port, "/metrics").body.decode()
        assert 'collector="loadavg"} 1' in text
        assert "systemd" not in text
