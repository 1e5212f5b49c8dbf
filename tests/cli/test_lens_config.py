"""The config file of Primus-Lens' node-exporter."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.cli.lens_config import USUAL_SOCKETS, read
from nodescope.configuration import load
from nodescope.containers.containerd.client import SOCKETS
from nodescope.containers.engine.sockets import MOUNTED
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


@pytest.mark.parametrize("number", ["0", "-3", "0s", "-30s", "0.0", "'0'"])
def test_no_interval(number: str, tmp_path: Path) -> None:
    """A number that is no interval is Lens' own default of two seconds."""
    given, _ = read(written(tmp_path, f"netflow: {{scan_port_listen_interval_seconds: {number}}}"), "x")
    assert given["collector.listening_ports.interval"] == 2


def test_the_usual_places() -> None:
    """They are those where containerd is looked for."""
    places = {folder + place.removeprefix("/run") for folder in ("/run", *MOUNTED) for place in SOCKETS}
    assert {place for place in USUAL_SOCKETS if not place.startswith("/var/run/")} == places


@pytest.mark.parametrize("group", ["nodeExporter", "node_exporter"])
@pytest.mark.parametrize(
    ("socket", "sockets"),
    [
        ("/hostrun/containerd/containerd.sock", None),
        ("/run/k3s/containerd/containerd.sock", None),
        ("/hostrun/k0s/containerd.sock", ("/hostrun/k0s/containerd.sock",)),
        ("''", None),
    ],
)
def test_the_socket_of_containerd(group: str, socket: str, sockets: tuple[str, ...] | None, tmp_path: Path) -> None:
    """One that would not be looked for is followed; one that is found anyway keeps the other runtimes found."""
    given, _ = read(written(tmp_path, f"{group}: {{containerd_socket_path: {socket}}}"), "x")
    assert given.get("collector.container.sockets") == sockets
    assert load({}, {}, given)["collector.container.sockets"] == (sockets or ())


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
        ("nodeExporter: {containerd_socket_path: 7}", "containerd_socket_path is 7, expected the path of a socket"),
        ("node_exporter: {containerd_socket_path: a.sock}", "is a.sock, expected the path of a socket"),
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


def test_mappings_merged_into_each_other_are_bounded(tmp_path: Path) -> None:
    """Ten lines that make more names than there is memory are refused at once."""
    file = tmp_path / "config.yaml"
    lines = [f"l{n}: &l{n} {{<<: [{', '.join([f'*l{n - 1}'] * 8)}]}}" for n in range(1, 10)]
    file.write_text("\n".join(["l0: &l0 {x: 1}", *lines]))
    with pytest.raises(SettingsError, match="is not YAML: a mapping has more than 1000 names"):
        read(str(file), "environment CONFIG_PATH")


def test_no_file(tmp_path: Path) -> None:
    """A file that was named and is not there stops the start."""
    with pytest.raises(SettingsError, match=r"environment CONFIG_PATH: .* cannot be read: No such file"):
        read(str(tmp_path / "none.yaml"), "environment CONFIG_PATH")


def test_a_port_in_another_base(tmp_path: Path) -> None:
    """It is listened on as the number that it is, and one beyond all bounds is refused in a sentence."""
    assert read(written(tmp_path, "httpPort: 0x231d"), "")[0] == {"web.listen-address": (":8989",)}
    with pytest.raises(SettingsError, match="httpPort is 0xffff"):
        read(written(tmp_path, f"httpPort: 0x{'f' * 5000}"), "")
