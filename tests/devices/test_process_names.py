"""Names and users of processes that a driver knows by number."""

from __future__ import annotations

import os
import pwd
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.process_names import (
    MAX_KEPT,
    MAX_NAME_CHARACTERS,
    TRUST_S,
    Named,
    parse_passwd,
    parse_stat,
    parse_uid,
)
from nodescope.host import Host, Malformed
from nodescope.records.gpu import ProcessReading


class Machine:
    """A tree with /proc and /etc/passwd."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "proc").mkdir()
        (folder / "etc").mkdir()
        self.host = Host(procfs=str(folder / "proc"), rootfs=str(folder))

    def process(self, pid: int, name: bytes = b"train", uid: int = 1000, start: int = 5) -> None:
        folder = self.folder / f"proc/{pid}"
        folder.mkdir(exist_ok=True)
        numbers = b" ".join([b"0"] * 18)
        (folder / "stat").write_bytes(b"%d (%s) S %s %d 0 0\n" % (pid, name, numbers, start))
        (folder / "status").write_bytes(b"Name:\t%s\nUid:\t%d\t0\t0\t0\nGid:\t0\n" % (name, uid))

    def end(self, pid: int) -> None:
        for file in ("stat", "status"):
            (self.folder / f"proc/{pid}/{file}").unlink()
        (self.folder / f"proc/{pid}").rmdir()

    def passwd(self, content: bytes) -> None:
        (self.folder / "etc/passwd").write_bytes(content)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def names(named: Named, *pids: int) -> list[tuple[str | None, str | None]]:
    readings = tuple(ProcessReading(pid=pid, type="compute", memory_used_bytes=pid) for pid in pids)
    filled = named.named(readings)
    assert [(one.pid, one.memory_used_bytes) for one in filled] == [(pid, pid) for pid in pids]
    return [(one.name, one.user) for one in filled]


def test_this_process_on_this_machine() -> None:
    """A real process has the name that the kernel shows and the user that runs it."""
    comm = Path("/proc/self/comm").read_text().strip()
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    assert names(Named(Host()), os.getpid()) == [(comm, user)]


def test_names_users_and_numbers(machine: Machine) -> None:
    """A user without a name is shown by number, and a process that is gone has neither name nor user."""
    machine.passwd(b"root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/:/bin/sh\n")
    machine.process(1, b"init", 0)
    machine.process(2)
    machine.process(3, b"odd) (name", 77)
    assert names(Named(machine.host), 1, 2, 3, 4, 0, -1) == [
        ("init", "root"),
        ("train", "ada"),
        ("odd) (name", "77"),
        (None, None),
        (None, None),
        (None, None),
    ]


def test_without_passwd_there_are_numbers(machine: Machine) -> None:
    """Where no user has a name the numbers are shown."""
    machine.process(2)
    assert names(Named(machine.host), 2) == [("train", "1000")]


def test_a_number_used_again_is_another_process(machine: Machine) -> None:
    """Once a look is due, a process that started at another time is looked up anew, and one that ended is forgotten."""
    machine.process(2)
    named = Named(machine.host)
    assert names(named, 2) == [("train", "1000")]
    machine.process(2, b"other", 5, start=6)
    time.sleep(TRUST_S)
    assert names(named, 2) == [("other", "5")]
    machine.end(2)
    assert names(named, 2) == [("other", "5")]
    time.sleep(TRUST_S)
    assert names(named, 2) == [(None, None)]


def test_a_known_process_is_not_read_again(machine: Machine) -> None:
    """Within the time for which it is trusted nothing of it is read."""
    machine.process(2)
    named = Named(machine.host)
    names(named, 2)
    machine.end(2)
    assert names(named, 2, 2, 2) == [("train", "1000")] * 3


def test_a_process_takes_another_name(machine: Machine) -> None:
    """The same process with a new name is shown under that."""
    machine.process(2)
    named = Named(machine.host)
    names(named, 2)
    machine.process(2, b"renamed")
    time.sleep(TRUST_S)
    assert names(named, 2) == [("renamed", "1000")]


def test_one_that_cannot_be_read_costs_only_itself(machine: Machine) -> None:
    """Files that are malformed leave name or user out, of that process alone."""
    machine.process(1)
    machine.process(2)
    machine.process(3)
    (machine.folder / "proc/1/stat").write_bytes(b"nonsense")
    (machine.folder / "proc/2/status").write_bytes(b"nonsense")
    assert names(Named(machine.host), 1, 2, 3) == [(None, None), ("train", None), ("train", "1000")]


def test_what_is_kept_is_bounded(machine: Machine) -> None:
    """More processes than are kept are all named."""
    named = Named(machine.host)
    for pid in range(1, MAX_KEPT + 3):
        machine.process(pid)
    assert set(names(named, *range(1, MAX_KEPT + 3))) == {("train", "1000")}
    assert len(named._kept) <= MAX_KEPT


@given(st.binary(max_size=200))
def test_any_stat(data: bytes) -> None:
    """Any bytes are a name that can be printed and a start, or malformed."""
    try:
        stat = parse_stat(data, "stat")
    except Malformed:
        return
    assert stat.name.isprintable()
    assert len(stat.name) <= MAX_NAME_CHARACTERS
    assert stat.start_ticks >= 0


@given(st.binary(max_size=64))
def test_any_command_name(name: bytes) -> None:
    """Whatever a command is called, its start is found behind it."""
    assert parse_stat(b"7 (" + name + b") R" + b" 1" * 18 + b" 99 0", "stat").start_ticks == 99


@given(st.binary(max_size=200) | st.binary(max_size=50).map(lambda data: b"Uid:\t" + data))
def test_any_status(data: bytes) -> None:
    """Any bytes are a number or malformed."""
    try:
        assert parse_uid(data, "status") >= 0
    except Malformed:
        return


def test_a_name_cannot_be_a_user() -> None:
    """A command whose name holds signs that end lines says nothing of the user."""
    assert parse_uid(b"Name:\tx\rUid:\t0\nUid:\t1000\t1000\n", "status") == 1000


@given(st.binary(max_size=300))
def test_any_passwd(data: bytes) -> None:
    """Any bytes are users with names that can be printed."""
    for uid, name in parse_passwd(data).items():
        assert uid >= 0
        assert name.isprintable()


def test_the_first_name_of_a_number_counts() -> None:
    """Of two names of one number the first is its name; lines that are none are passed over."""
    data = b"# x\n+::::::\na:x:1:1\nb:x:1:1\nc:x:-1:1\n:x:2:2\nd:x:3\ne\xff:x:4:4"
    assert parse_passwd(data) == {1: "a", 4: "e\ufffd"}
