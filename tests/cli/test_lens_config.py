"""The config file of Primus-Lens' node-exporter."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.cli.lens_config import read
from nodescope.configuration import load
from nodescope.settings import SettingsError

CODE = """
multiCluster: {enabled: false}
controller: {namespace: primus-lens, metricsPort: 19191}
httpPort: 8989
nodeExporter:
  containerd_socket_path: /hostrun/containerd/containerd.sock
  telemetry_processor_url: http://telemetry-processor:8989
netflow: {scan_port_listen_interval_seconds: 10}
jobs: {grpc_port: 8991}
"""
DOCUMENT = """
node_exporter:
  containerd_socket_path: /hostrun/containerd/containerd.sock
  grpc_server: telemetry-processor:50051
  netflow:
    scan_port_listen_interval: 30s
"""


def written(path: Path, text: str) -> str:
    file = path / "config.yaml"
    file.write_text(text)
    return str(file)


def test_as_the_code_spells_it(tmp_path: Path) -> None:
    """The port is listened on and listening ports are looked for; all else is accepted and told of once each."""
    given, warnings = read(written(tmp_path, CODE), "environment CONFIG_PATH")
    assert given == {
        "web.listen-address": (":8989",),
        "collector.listening_ports.interval": 10,
        "collector.listening_ports.enabled": True,
    }
    assert [warning.split()[2] for warning in warnings] == [
        "multiCluster", "controller", "nodeExporter", "netflow", "jobs",
    ]  # fmt: skip


def test_as_the_document_spells_it(tmp_path: Path) -> None:
    """Its one group is accepted, with the interval inside; the values are such as settings take."""
    given, warnings = read(written(tmp_path, DOCUMENT), "environment CONFIG_PATH")
    settings = load({}, {}, given)
    assert settings["collector.listening_ports.interval"] == 30
    assert settings["collector.listening_ports.enabled"]
    assert len(warnings) == 1


@pytest.mark.parametrize("number", ["0", "-3"])
def test_no_interval(number: str, tmp_path: Path) -> None:
    """A number that is no interval is Lens' own default of two seconds."""
    given, _ = read(written(tmp_path, f"netflow: {{scan_port_listen_interval_seconds: {number}}}"), "x")
    assert given["collector.listening_ports.interval"] == 2


def test_nothing_in_it(tmp_path: Path) -> None:
    """An empty file says nothing; what is not Lens' is told of."""
    assert read(written(tmp_path, ""), "x") == ({}, [])
    given, warnings = read(written(tmp_path, "htpPort: 1"), "x")
    assert given == {}
    assert "htpPort is not a setting of Primus-Lens' node-exporter" in warnings[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("httpPort: many", "httpPort is many, expected a port from 1 to 65535"),
        ("httpPort: 0", "expected a port"),
        ("httpPort: true", "expected a port"),
        ("netflow: {scan_port_listen_interval: [1]}", "expected seconds or 30s"),
        ("netflow: {scan_port_listen_interval: true}", "expected seconds or 30s"),
        ("netflow: {scan_port_listen_interval: soon}", r"^file /.*: netflow\.scan_port_listen_interval: .* 'soon'"),
        ("a: [", "is not YAML"),
        ("- a", "got a list"),
        ("x: " + "y" * (1024 * 1024), "larger than"),
        ("\x00", "is not YAML"),
    ],
)
def test_what_cannot_be_used(text: str, words: str, tmp_path: Path) -> None:
    """One sentence says what is wrong."""
    with pytest.raises(SettingsError, match=words):
        read(written(tmp_path, text), "environment CONFIG_PATH")


def test_no_file(tmp_path: Path) -> None:
    """A file that was named and is not there stops the start."""
    with pytest.raises(SettingsError, match=r"environment CONFIG_PATH: .* cannot be read: No such file"):
        read(str(tmp_path / "none.yaml"), "environment CONFIG_PATH")
