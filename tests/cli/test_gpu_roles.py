"""Roles that stand in for exporters of GPUs: their ports, environment names and errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.configuration import load
from nodescope.roles import BY_NAME
from nodescope.settings import Settings
from tests.cli.conftest import Run

TWO_DIALECTS = "listeners: [{address: '127.0.0.1:9100', collectors: [gpu_worker, gpu_epic]}]"


def settings_of(role_name: str, environment: dict[str, str]) -> Settings:
    """The settings of a role, as its command reads them."""
    role = BY_NAME[role_name]
    interval = {"collector.gpu.interval": role.interval} if role.interval else {}
    defaults = {"web.listen-address": (f"127.0.0.1:{role.port}",), **interval, **dict(role.defaults)}
    return load({}, environment, defaults, role.environment)


@pytest.mark.parametrize(
    ("role", "port", "interval", "collectors"),
    [
        ("rocm", 5000, 1, ("gpu_rocm",)),
        ("conductor", 9400, 30, ("gpu_conductor",)),
        ("lens", 8989, 5, ("gpu_lens", "rdma_lens", "kubelet_lens")),
    ],
)
def test_what_a_role_serves(role: str, port: int, interval: float, collectors: tuple[str, ...]) -> None:
    """Each has the port and the interval of the exporter that it stands in for, and its collectors are on."""
    settings = settings_of(role, {})
    assert settings["web.listen-address"] == (f"127.0.0.1:{port}",)
    assert settings["collector.gpu.interval"] == interval
    on = tuple(name for name in BY_NAME[role].collectors if settings.collects(name))
    assert on == collectors


def test_the_conductors_environment() -> None:
    """Its names are honoured, with seconds as a number or with a unit; the page is its families alone."""
    environment = {
        "EXPORTER_PORT": "9401", "COLLECTION_INTERVAL": "60", "METRICS_PATH": "/gpu", "LOG_LEVEL": "DEBUG",
    }  # fmt: skip
    settings = settings_of("conductor", environment)
    assert settings["web.listen-address"] == (":9401",)
    assert settings["collector.gpu.interval"] == 60
    assert settings["web.telemetry-path"] == "/gpu"
    assert settings["log.level"] == "debug"
    assert settings["web.disable-exporter-metrics"]
    assert settings_of("conductor", {"COLLECTION_INTERVAL": "2m"})["collector.gpu.interval"] == 120


def test_rdma_and_containers_of_lens() -> None:
    """Counters of RDMA ports each 5 seconds, devices each 60; containers are followed for /pods and events."""
    settings = settings_of("lens", {})
    assert settings["collector.container.follow"]
    assert (settings["collector.rdma.interval"], settings["collector.rdma.discovery-interval"]) == (5, 60)


@pytest.mark.parametrize("word", ["device-metrics-exporter", "gpu-exporter", "primus-lens-node-exporter"])
def test_other_words(word: str, run: Run) -> None:
    """The name of the program that a role stands in for is the role's too."""
    done = run("exporter", word, "--port", "x")
    assert done.returncode == 2
    assert "--port is 'x'" in done.stderr


@pytest.mark.parametrize("command", [["config", "check"], ["agent"]])
def test_two_dialects_that_share_a_family(command: list[str], run: Run, tmp_path: Path) -> None:
    """They end the check, and the start, with exit code 2 and one sentence."""
    file = tmp_path / "nodescope.yaml"
    file.write_text(TWO_DIALECTS)
    done = run(*command, f"--config.file={file}")
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert "collectors gpu_worker and gpu_epic would both show nvidia_gpu_" in line
    assert str(file) in line


def test_a_config_file_of_lens_that_is_wrong(run: Run, tmp_path: Path) -> None:
    """It stops the start of that role alone, with the file and what was expected."""
    file = tmp_path / "config.yaml"
    file.write_text("httpPort: none of them")
    done = run("exporter", "lens", environment={"CONFIG_PATH": str(file)})
    assert done.returncode == 2
    assert "httpPort is none of them, expected a port from 1 to 65535" in done.stderr
