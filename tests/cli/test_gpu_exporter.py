"""`nodescope exporter gpu` in its dialects, and under dcgm-exporter's name, as processes on simulated GPUs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from nodescope.cli import EXIT_USAGE, exporter
from tools.serving import Server, nodescope_command, own_environment, unused_port

Start = Callable[..., Server]
Get = Callable[..., Any]
GPUS: Final = 8
SEEN_S: Final = 20.0


def families(body: str) -> dict[str, int]:
    """How many series each family has."""
    found: dict[str, int] = {}
    for name in re.findall(r"^(\w+)(?:\{| )", body, re.MULTILINE):
        found[name] = found.get(name, 0) + 1
    return found


def scraped(get: Get, server: Server, family: str) -> dict[str, int]:
    """The families of the first scrape that has `family`."""
    deadline = time.monotonic() + SEEN_S
    while family not in (found := families(get(server.port, "/metrics").body.decode())):
        assert time.monotonic() < deadline, server.log
        time.sleep(0.1)
    return found


@pytest.mark.parametrize(
    ("profile", "family"),
    [
        ("dcgm", "DCGM_FI_DEV_GPU_TEMP"),
        ("native", "hw_gpu_info"),
        ("worker", "gpu_temperature_celsius"),
        ("epic", "nvidia_gpu_temperature_celsius"),
    ],
)
def test_each_dialect(agent_process: Start, http_get: Get, profile: str, family: str) -> None:
    """Each dialect has one series of a temperature, or of an identity, for each GPU, and no metric of the host."""
    server = agent_process("exporter", "gpu", f"--profile={profile}", "--simulate=h200x8")
    found = scraped(http_get, server, family)
    assert found[family] == GPUS
    assert not [name for name in found if name.startswith("node_")]
    assert json.loads(http_get(server.port, "/health").body)["status"] == "ok"


def test_a_profile_that_is_not_there() -> None:
    """An unknown dialect is told with the ones there are and the nearest."""
    command = nodescope_command(["exporter", "gpu", "--profile=natve"], unused_port())
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SEEN_S, check=False, env=own_environment())
    assert ended.returncode == 2
    assert "'natve', expected one of dcgm, native, worker, epic, did you mean native?" in ended.stderr


def test_dcgm_exporters_command_line(server_process: Start, http_get: Get, tmp_path: Path) -> None:
    """Under dcgm-exporter's name its flags and its environment work, and its CSV file chooses the fields."""
    fields = tmp_path / "counters.csv"
    fields.write_text("# one\nDCGM_FI_DEV_GPU_TEMP, gauge, GPU temperature (in C).\n")
    program = tmp_path / "dcgm-exporter"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nfrom nodescope.cli import run\nsys.exit(run(sys.argv[1:], 'dcgm-exporter'))\n"
    )
    program.chmod(0o755)
    port = unused_port()
    environment = {
        "DCGM_EXPORTER_LISTEN": f"127.0.0.1:{port}",
        "DCGM_EXPORTER_INTERVAL": "1000",
        "NODESCOPE_SIMULATE": "h200x8",
    }
    server = server_process([str(program), "-f", str(fields)], port, environment=environment)
    found = scraped(http_get, server, "DCGM_FI_DEV_GPU_TEMP")
    assert {name: count for name, count in found.items() if name.startswith("DCGM")} == {"DCGM_FI_DEV_GPU_TEMP": GPUS}


def test_the_agent_is_no_role_of_exporter(capsys: pytest.CaptureFixture[str]) -> None:
    """What is refused is not what is advised."""
    assert exporter.main(["agent"]) == EXIT_USAGE
    assert "did you mean agent" not in capsys.readouterr().err


def test_a_port_and_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    """--port and --web.listen-address together are refused: one of them would be passed over."""
    with pytest.raises(SystemExit):
        exporter.main(["gpu", "--port=9400", "--web.listen-address=:9401"])
    assert "--port and --web.listen-address are both given, expected one of them" in capsys.readouterr().err
