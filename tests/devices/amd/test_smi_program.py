"""How AMD's tools are run and what it means that they say nothing. Real programs, made for the test."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope.devices.amd.smi_program import (
    ABSENT,
    FAILED,
    HUNG,
    NO_DEVICES,
    NO_DRIVER,
    NO_PROGRAM,
    SmiProgram,
    Unreadable,
)
from nodescope.host import Host
from tests.devices.amd.fake_amd_smi import FakeTool, fake_nsenter

LIMIT_S = 10.0


@pytest.fixture
def host(tmp_path: Path) -> Host:
    for name in ("proc", "sys"):
        (tmp_path / name).mkdir()
    return Host(procfs=str(tmp_path / "proc"), sysfs=str(tmp_path / "sys"))


@pytest.fixture
def smi(tmp_path: Path) -> FakeTool:
    return FakeTool(tmp_path / "bin")


def kind(program: SmiProgram) -> str:
    with pytest.raises(Unreadable) as caught:
        raise program.failure(program.run(("static",)), "JSON")
    return caught.value.kind


def test_the_path(host: Host, smi: FakeTool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a path of its own the tool is found on PATH."""
    smi.answer("default", "hello")
    monkeypatch.setenv("PATH", f"{smi.path.parent}:/usr/bin:/bin")
    program = SmiProgram(host, "amd-smi", "", "", LIMIT_S)
    assert program.run(("list", "--json")).stdout == b"hello"
    assert (program.starts, smi.runs()) == (1, ["list --json"])


def test_no_program(host: Host, tmp_path: Path) -> None:
    """Where there is none, the reason names it; nothing was started."""
    program = SmiProgram(host, "amd-smi", str(tmp_path / "nowhere/amd-smi"), "", LIMIT_S)
    with pytest.raises(Unreadable, match=r"there is no .*nowhere/amd-smi: install AMD's amd-smi") as caught:
        program.run(("list",))
    assert (caught.value.kind, program.starts) == (NO_PROGRAM, 0)


def test_ours_is_not_theirs(host: Host, smi: FakeTool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool, which is a Python program itself, does not see how this one finds its modules."""
    smi.path.write_text("#!/bin/sh\nenv\n")
    monkeypatch.setenv("PYTHONPATH", "/ours")
    seen = SmiProgram(host, "amd-smi", str(smi.path), "", LIMIT_S).run(()).stdout
    assert b"PYTHON" not in seen
    assert b"LC_ALL=C" in seen


def test_hang_and_flood(host: Host, smi: FakeTool) -> None:
    """A tool that hangs is ended at its deadline, one that writes without end at its limit; the reason says which."""
    smi.answer("default", sleep_s=60)
    program = SmiProgram(host, "amd-smi", str(smi.path), "", 0.3)
    with pytest.raises(Unreadable, match=r"amd-smi metric --json has not ended within 0\.3 s") as caught:
        program.run(("metric", "--json"))
    assert caught.value.kind == HUNG
    smi.answer("default", flood='{"gpu": 0, "usage": "' + "x" * 4000)
    with pytest.raises(Unreadable, match=r"wrote more than [0-9]+ bytes") as caught:
        SmiProgram(host, "amd-smi", str(smi.path), "", LIMIT_S).run(("metric",))
    assert caught.value.kind == FAILED


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Unable to get devices, driver not initialized (amdgpu not found in modules)", NO_DRIVER),
        ("ERROR:root:Driver not initialized (amdgpu not found in modules)", NO_DRIVER),
        ("Unable to detect any GPU devices, check amdgpu version and module status (sudo modprobe amdgpu)", NO_DEVICES),
        ("WARNING: No JSON data to report", NO_DEVICES),
        ("ERROR: No DRM devices detected. Exiting", NO_DEVICES),
        ('{"error": "Invalid", "code": -3}', FAILED),
        ("Segmentation fault", FAILED),
    ],
)
def test_meanings(host: Host, smi: FakeTool, tmp_path: Path, said: str, meant: str) -> None:
    """What it says tells whether there is no GPU or it fails; with amdgpu loaded, no GPU is a failure."""
    program = SmiProgram(host, "amd-smi", str(smi.path), "", LIMIT_S)
    for stdout, stderr in ((said, ""), ("", said)):
        smi.answer("static", stdout, status=255, stderr=stderr)
        assert kind(program) == meant
    (tmp_path / "sys/module/amdgpu").mkdir(parents=True)
    assert kind(program) == FAILED


def test_the_reason(host: Host, smi: FakeTool) -> None:
    """A failure that is not known is told with the status and the first line of what was said."""
    smi.answer("static", b"\x07AMDSMI has \xff failed\nmore\n", status=3)
    program = SmiProgram(host, "amd-smi", str(smi.path), "", LIMIT_S)
    failure = program.failure(program.run(("static",)), "JSON")
    assert str(failure) == "amd-smi ended with status 3 and without JSON; it said: ?AMDSMI has \ufffd failed"


def test_the_hosts_namespace(host: Host, smi: FakeTool, tmp_path: Path) -> None:
    """In the host's namespace the tool is run through nsenter, and looked for on the host's path."""
    smi.answer("list --json", "[]")
    nsenter = str(fake_nsenter(tmp_path / "sbin"))
    program = SmiProgram(host, "amd-smi", str(smi.path), "host", LIMIT_S, nsenter)
    assert program.run(("list", "--json")).stdout == b"[]"
    assert (tmp_path / "sbin/path").read_text().startswith("/opt/rocm/bin:")
    missing = SmiProgram(host, "amd-smi", str(tmp_path / "nowhere"), "host", LIMIT_S, nsenter)
    with pytest.raises(Unreadable, match="there is no") as caught:
        missing.run(("list",))
    assert (caught.value.kind, missing.starts) == (NO_PROGRAM, 0)


def test_a_namespace_that_may_not_be_entered(host: Host, smi: FakeTool, tmp_path: Path) -> None:
    """Where nsenter is refused or missing the reason says what the container needs."""
    refusal = "nsenter: reassociate to namespace 'ns/mnt' failed: Operation not permitted\n"
    nsenter = str(fake_nsenter(tmp_path / "sbin", refusal))
    program = SmiProgram(host, "amd-smi", str(smi.path), "host", LIMIT_S, nsenter)
    with pytest.raises(Unreadable, match=r"Operation not permitted.*hostPID.*CAP_SYS_ADMIN.*privileged") as caught:
        program.run(("list",))
    assert caught.value.kind not in ABSENT
    without = SmiProgram(host, "amd-smi", "", "host", LIMIT_S, str(tmp_path / "none/nsenter"))
    with pytest.raises(Unreadable, match="util-linux"):
        without.run(("list",))
    with pytest.raises(ValueError, match='expected "" or "host"'):
        SmiProgram(host, "amd-smi", "", "pod", LIMIT_S)
