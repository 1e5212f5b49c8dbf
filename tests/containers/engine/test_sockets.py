"""engine_sockets in a host's tree."""

from __future__ import annotations

import shutil
import socket
import tempfile
from pathlib import Path

from nodescope.containers.engine.sockets import engine_sockets
from nodescope.host import Host


def test_each_socket_is_found_once() -> None:
    """Sockets of the system and of users are found; links to the same one, and what is no socket, are not."""
    root = Path(tempfile.mkdtemp(prefix="nse", dir="/tmp"))
    (root / "run/user/1000/podman").mkdir(parents=True)
    (root / "run/podman").mkdir()
    (root / "run/podman/podman.sock").write_text("no socket")
    (root / "var").mkdir()
    (root / "var/run").symlink_to("../run")
    expected = [root / "run/docker.sock", root / "run/user/1000/podman/podman.sock"]
    for path in expected:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    found = engine_sockets(Host(rootfs=str(root))).paths
    assert [path for path in found if path.startswith(str(root))] == [str(path) for path in expected]
    shutil.rmtree(root)


def test_a_host_without_engines(tmp_path: Path) -> None:
    """Where there is none, none is found."""
    found = engine_sockets(Host(rootfs=str(tmp_path))).paths
    assert [path for path in found if path.startswith(str(tmp_path))] == []
