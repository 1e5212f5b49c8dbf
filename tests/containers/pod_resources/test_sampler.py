"""The sampler of pod-resources, against a server on a real socket that comes, goes and fails."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from nodescope.containers.grpc.wire import encode_bytes
from nodescope.containers.pod_resources.sampler import MOUNTED, PodResourcesSampler, places
from nodescope.host import Absent, Host
from nodescope.records.container import RuntimeStatus
from tests.containers.grpc_fake import serving
from tests.containers.pod_resources.test_client import EXPECTED, LIST, pod

PLACE: Final = "/kubelet.sock"
NOBODY: Final = 65_534


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[PodResourcesSampler]:
    (tmp_path / "proc").mkdir()
    made = PodResourcesSampler(Host(f"{tmp_path}/proc", f"{tmp_path}/sys", str(tmp_path)), PLACE, 5.0)
    yield made
    made.close()


def listing(*_: Any) -> bytes:
    return encode_bytes(1, pod())


def test_devices_and_how_it_fares(asked: PodResourcesSampler, tmp_path: Path) -> None:
    """What the kubelet gave is told with a status like a runtime's, that counts containers."""
    with serving(tmp_path / PLACE[1:], {LIST: listing}):
        status, *devices = asked.sample()
    assert tuple(devices) == EXPECTED
    path = f"{tmp_path}{PLACE}"
    assert status == RuntimeStatus(runtime="pod-resources", socket=path, state="ok", api_version="v1", containers=1)


def test_a_node_without_a_kubelet(asked: PodResourcesSampler, caplog: pytest.LogCaptureFixture) -> None:
    """Where there has never been a socket it is absent, and nothing is said."""
    with pytest.raises(Absent, match="pod-resources"):
        asked.sample()
    assert caplog.records == []


def test_a_kubelet_that_is_restarted(
    asked: PodResourcesSampler, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was given stays while the kubelet is away; that it went and came back is said once each."""
    socket_path = tmp_path / PLACE[1:]
    with caplog.at_level(logging.INFO):
        with serving(socket_path, {LIST: listing}):
            asked.sample()
        socket_path.unlink(missing_ok=True)
        for _ in range(3):
            status, *devices = asked.sample()
            assert (status.state, tuple(devices)) == ("absent", EXPECTED)
        with serving(socket_path, {LIST: listing}):
            status, *devices = asked.sample()
        assert (status.state, status.reconnects, tuple(devices)) == ("ok", 1, EXPECTED)
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "INFO"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up being root")
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_permission_that_is_refused(
    asked: PodResourcesSampler, tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A socket that may not be opened, nor its folder, is told of once, with what to do."""
    path = tmp_path / PLACE[1:]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o600)
        tmp_path.chmod(mode)
        os.seteuid(NOBODY)
        try:
            with caplog.at_level(logging.INFO):
                found = [asked.sample() for _ in range(3)]
        finally:
            os.seteuid(0)
    assert [(status.state, devices) for status, *devices in found] == [("denied", [])] * 3
    (told,) = caplog.records
    assert "run nodescope as root" in told.getMessage()


def test_an_answer_that_is_none(asked: PodResourcesSampler, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Messages that are not as published are a failure that names the socket, told once; then the next is taken."""
    answers = [b"\xff\xff", b"\xff\xff", listing()]
    with serving(tmp_path / PLACE[1:], {LIST: lambda *_: answers.pop(0)}), caplog.at_level(logging.INFO):
        states = [asked.sample()[0].state for _ in range(3)]
    assert states == ["failed", "failed", "ok"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert PLACE in caplog.records[0].getMessage()


def test_a_kubelet_that_hangs(asked: PodResourcesSampler, tmp_path: Path) -> None:
    """One that accepts and answers nothing costs the deadline of a call, in the sampler's own thread."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / PLACE[1:]))
        listener.listen()
        (status,) = asked.sample()
    assert status.state == "failed"
    assert PLACE in status.reason


def test_a_kubelet_of_another_time(asked: PodResourcesSampler, tmp_path: Path) -> None:
    """One that does not have the API is told which it takes."""
    with serving(tmp_path / PLACE[1:], {}):
        (status,) = asked.sample()
    assert status.state == "failed"
    assert "1.20" in status.reason


def test_where_it_is_looked_for(tmp_path: Path) -> None:
    """Below the host's root alone where that is a stored tree, and on a live machine where it is mounted too."""
    place = "/var/lib/kubelet/x.sock"
    (tmp_path / "proc").mkdir()
    assert places(Host(f"{tmp_path}/proc", "/sys", str(tmp_path)), place) == (f"{tmp_path}{place}",)
    assert places(Host("/proc", "/sys", "/rootfs"), place) == (
        f"/rootfs{place}", place, f"/host{place}", "/hostvar/lib/kubelet/x.sock",
    )  # fmt: skip
    assert len(places(Host(), place)) == len(MOUNTED)
