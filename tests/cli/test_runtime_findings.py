"""nodescope.cli.runtime_findings: what doctor says of container runtimes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from nodescope.cli.runtime_findings import is_being_asked, runtime_findings
from nodescope.records.container import NOT_ASKED, RuntimeStatus
from tests.containers.engine.fake_engine import FakeEngine

Run = Callable[..., "CompletedProcess[str]"]


def status(state: str, reason: str = "") -> RuntimeStatus:
    return RuntimeStatus(runtime="docker", socket="/run/docker.sock", state=state, reason=reason, containers=2)


@pytest.mark.parametrize(
    ("state", "by_name", "level"),
    [
        ("ok", True, "ok"),
        ("denied", False, "missing"),
        ("denied", True, "problem"),
        ("absent", False, "missing"),
        ("absent", True, "problem"),
        ("failed", False, "problem"),
    ],
)
def test_levels(state: str, by_name: bool, level: str) -> None:
    """A socket that was named, or that answers wrongly, is a problem; one that was only found is missing; each once."""
    (found,) = runtime_findings([status(state), status(state)], by_name)
    assert found.level == level
    assert found.text.startswith("docker at /run/docker.sock: ")


def test_the_reason_is_told() -> None:
    """Why it does not answer is told, and its socket not twice."""
    (found,) = runtime_findings([status("denied", "/run/docker.sock: permission refused: run as root")], False)
    assert found.text == "docker at /run/docker.sock: permission refused: run as root"


def test_is_being_asked() -> None:
    """A runtime that was just found is waited for."""
    assert is_being_asked([status("ok"), status("absent", NOT_ASKED)])
    assert not is_being_asked([status("ok"), status("absent", "nothing listens there")])


def test_doctor_names_runtimes(run: Run, tmp_path: Path) -> None:
    """doctor counts the containers of a runtime that answers, and ends with 1 where one that was named does not."""
    with FakeEngine(tmp_path / "docker.sock") as engine:
        engine.start(engine.create(1, "web"))
        well = run(
            "doctor",
            "--role=container",
            "--web.listen-address=127.0.0.1:0",
            f"--collector.container.sockets={engine.path}",
        )
    gone = run(
        "doctor",
        "--role=container",
        "--web.listen-address=127.0.0.1:0",
        f"--collector.container.sockets={tmp_path}/none.sock",
    )
    assert f"docker at {tmp_path}/docker.sock: 1 container\n" in well.stdout
    assert f"docker at {tmp_path}/none.sock: nothing listens on" in gone.stdout
    assert gone.returncode == 1
