"""The config file of Primus-Lens' node-exporter, so far as it concerns what nodescope serves in its place.

*Source*: CORE/config of Primus-SaFE: a YAML file at CONFIG_PATH with `httpPort` and groups of further settings. What
has nothing to act on is accepted, and told of once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from nodescope.configuration import loader
from nodescope.settings import BY_KEY, SettingsError
from nodescope.settings.value import read_value

MAX_BYTES: Final = 1024 * 1024
MAX_KEYS: Final = 100
MAX_SHOWN: Final = 80
MAX_PORT: Final = 65_535
PORT: Final = ("httpPort", "http_port")
EXPORTER: Final = ("nodeExporter", "node_exporter")
INTERVALS: Final = ("scan_port_listen_interval_seconds", "scan_port_listen_interval")
INTERVAL_KEY: Final = "collector.listening_ports.interval"
DEFAULT_SCAN: Final = 2.0
"""Seconds."""
SOCKET: Final = "containerd_socket_path"
SOCKETS_KEY: Final = "collector.container.sockets"
USUAL_SOCKETS: Final = frozenset(
    f"{folder}/{place}"
    for folder in ("/run", "/var/run", "/hostrun", "/host/run")
    for place in ("containerd/containerd.sock", "k3s/containerd/containerd.sock")
)
"""Where containerd is looked for anyway, beside the other runtimes."""

_NO_INTERVAL: Final = re.compile(r"-.*|0+(\.0+)?[a-z]*")

GROUPS: Final = frozenset({"multiCluster", "controller", "nodeExporter", "node_exporter", "jobs", "netflow"})
"""Groups of settings that are Lens'."""
WITH_EFFECT: Final = {"netflow": INTERVALS[0], **dict.fromkeys(EXPORTER, f"{SOCKET} and netflow's {INTERVALS[0]}")}
"""What of a group does something here."""


def read(path: str, origin: str) -> tuple[dict[str, Any], list[str]]:
    """What the file sets here, by key, and a warning for each key without effect. Raises `SettingsError`."""
    import yaml

    try:
        with open(path, "rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{origin}: {path[:MAX_SHOWN]} cannot be read: {error.strerror}") from error
    if len(text) > MAX_BYTES:
        raise SettingsError(f"{origin}: {path} is larger than {MAX_BYTES} bytes")
    try:
        document = yaml.load(text, loader())  # noqa: S506 a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError(f"{origin}: {path} is not YAML: {' '.join(str(error).split())}") from error
    if document is None:
        return {}, []
    if not isinstance(document, dict):
        raise SettingsError(f"{origin}: {path}: expected settings as NAME: VALUE, got a {type(document).__name__}")
    given = {**dict(_listen(document, path)), **dict(_containerd(document, path)), **dict(_ports(document, path))}
    return given, list(_without_effect(document, path))


def _containerd(document: Mapping[Any, Any], path: str) -> Iterator[tuple[str, Any]]:
    """containerd's socket where it would not be looked for; whoever names it may name others' in our own setting."""
    for name in EXPORTER:
        group = document.get(name)
        socket = group.get(SOCKET) if isinstance(group, dict) else None
        if socket is None or socket == "":
            continue
        if not isinstance(socket, str) or not socket.startswith("/"):
            raise SettingsError(f"file {path}: {SOCKET} is {str(socket)[:MAX_SHOWN]}, expected the path of a socket")
        if socket not in USUAL_SOCKETS:
            yield SOCKETS_KEY, (socket,)


def _listen(document: Mapping[Any, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name in PORT:
        port = document.get(name)
        if port is not None:
            if isinstance(port, bool) or not isinstance(port, int) or not 0 < port <= MAX_PORT:
                shown = str(port)[:MAX_SHOWN]
                raise SettingsError(f"file {path}: {name} is {shown}, expected a port from 1 to {MAX_PORT}")
            yield "web.listen-address", (f":{int(port)}",)


def _ports(document: Mapping[Any, Any], path: str) -> Iterator[tuple[str, Any]]:
    """The look for listening ports, in the spelling of the code and in that of the document."""
    groups = [document, *(document[name] for name in EXPORTER if isinstance(document.get(name), dict))]
    for netflow in (group["netflow"] for group in groups if isinstance(group.get("netflow"), dict)):
        for name in INTERVALS:
            given = netflow.get(name)
            if given is None:
                continue
            # To Lens, a number that is none is its own default.
            if given <= 0 if isinstance(given, (int, float)) else _NO_INTERVAL.fullmatch(str(given).strip()):
                given = DEFAULT_SCAN
            if isinstance(given, bool) or not isinstance(given, (int, float, str)):
                raise SettingsError(f"file {path}: netflow.{name} is {str(given)[:MAX_SHOWN]}, expected seconds or 30s")
            yield INTERVAL_KEY, read_value(BY_KEY[INTERVAL_KEY], given, f"file {path}: netflow.{name}")
            yield "collector.listening_ports.enabled", True


def _without_effect(document: Mapping[Any, Any], path: str) -> Iterator[str]:
    for name in list(document)[:MAX_KEYS]:
        shown = str(name)[:MAX_SHOWN]
        if name in GROUPS:
            others = f", but for {WITH_EFFECT[name]}" if name in WITH_EFFECT else ""
            yield f"file {path}: {shown} has no effect here{others}"
        elif name not in PORT:
            yield f"file {path}: {shown} is not a setting of Primus-Lens' node-exporter"
