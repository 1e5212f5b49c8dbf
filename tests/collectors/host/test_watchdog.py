from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.host import Absent
from tests.collectors.host.driver_host import DriverHost
from tests.collectors.host.machine import Machine, series

CLASS = "sys/class/watchdog"
FILES = {
    "access_cs0": "0",
    "bootstatus": "32",
    "fw_version": "2",
    "identity": "Software Watchdog",
    "nowayout": "0",
    "options": "0x8380",
    "pretimeout": "120",
    "pretimeout_governor": "noop",
    "state": "active",
    "status": "0x8000",
    "timeleft": "300",
    "timeout": "60",
}
NUMBERS = {
    'node_watchdog_access_cs0{name="watchdog0"}': 0,
    'node_watchdog_bootstatus{name="watchdog0"}': 32,
    'node_watchdog_fw_version{name="watchdog0"}': 2,
    'node_watchdog_nowayout{name="watchdog0"}': 0,
    'node_watchdog_pretimeout_seconds{name="watchdog0"}': 120,
    'node_watchdog_timeleft_seconds{name="watchdog0"}': 300,
    'node_watchdog_timeout_seconds{name="watchdog0"}': 60,
}
INFO = (
    'node_watchdog_info{name="watchdog0",options="0x8380",identity="Software Watchdog",state="active",'
    'status="0x8000",pretimeout_governor="noop"}'
)
BARE = 'node_watchdog_info{name="watchdog1",options="",identity="",state="",status="",pretimeout_governor=""}'


@pytest.fixture
def watchdogs(machine: Machine) -> Machine:
    """One with all attributes, one with none."""
    for name, content in FILES.items():
        machine.write(f"{CLASS}/watchdog0/{name}", f"{content}\n")
    (machine.folder / CLASS / "watchdog1").mkdir()
    return machine


def test_attributes(watchdogs: Machine) -> None:
    """Numbers are series, texts are labels of the info, which every watchdog has."""
    collector = watchdogs.build("watchdog")
    assert series(collector.collect()) == {**NUMBERS, INFO: 1, BARE: 1}
    assert collector.left_out == 0


@pytest.mark.parametrize("number", [errno.EIO, errno.EOPNOTSUPP, errno.EACCES])
def test_an_attribute_that_the_driver_refuses(watchdogs: Machine, number: int) -> None:
    """What the driver refuses costs the one series or label."""
    host = DriverHost(watchdogs)
    host.refuses = {"timeleft": number, "/state": number}
    collector = host.build("watchdog")
    left = {name: value for name, value in NUMBERS.items() if "timeleft" not in name}
    assert series(collector.collect()) == {**left, INFO.replace("active", ""): 1, BARE: 1}
    assert collector.left_out == 0


@pytest.mark.parametrize("content", ["", "soon", "1_0", "+5", "1.5", "08", "9223372036854775808", "1 2"])
def test_malformed(watchdogs: Machine, content: str) -> None:
    """A value that is no number is left out and counted; numbers may be hexadecimal, octal and negative."""
    watchdogs.write(f"{CLASS}/watchdog0/timeleft", content)
    watchdogs.write(f"{CLASS}/watchdog0/bootstatus", "0x20\n")
    watchdogs.write(f"{CLASS}/watchdog0/fw_version", "-010\n")
    watchdogs.write(f"{CLASS}/watchdog0/identity", b"a\xff\xfe\n")
    watchdogs.write(f"{CLASS}/notes", "not a folder")
    collector = watchdogs.build("watchdog")
    found = series(collector.collect())
    assert 'node_watchdog_timeleft_seconds{name="watchdog0"}' not in found
    assert found['node_watchdog_bootstatus{name="watchdog0"}'] == 32
    assert found['node_watchdog_fw_version{name="watchdog0"}'] == -8
    assert found[INFO.replace("Software Watchdog", "a\ufffd")] == 1
    assert len(found) == len(NUMBERS) + 1
    assert collector.left_out == 1


def test_between_two_scrapes(watchdogs: Machine) -> None:
    """The second scrape sees new values and attributes, and not the watchdog that is gone."""
    collector = watchdogs.build("watchdog")
    collector.collect()
    watchdogs.write(f"{CLASS}/watchdog0/timeleft", "299\n")
    watchdogs.write(f"{CLASS}/watchdog0/state", "inactive\n")
    watchdogs.remove(f"{CLASS}/watchdog0/pretimeout")
    watchdogs.remove(f"{CLASS}/watchdog1")
    found = series(collector.collect())
    assert found['node_watchdog_timeleft_seconds{name="watchdog0"}'] == 299
    assert found[INFO.replace("active", "inactive")] == 1
    assert len(found) == len(NUMBERS)


def test_what_it_is_is_remembered(watchdogs: Machine) -> None:
    """While the kernel's directories are remembered, identity and options are not read again."""
    host = DriverHost(watchdogs, remembers=True)
    collector = host.build("watchdog")
    first = series(collector.collect())
    host.opened.clear()
    assert series(collector.collect()) == first
    assert {path.rpartition("/")[2] for path in host.opened} == FILES.keys() - {"identity", "options"}


def test_absent(machine: Machine) -> None:
    """Without the class there is nothing; without a watchdog there is no family."""
    with pytest.raises(Absent):
        machine.build("watchdog").collect()
    (machine.folder / CLASS).mkdir(parents=True)
    assert list(machine.build("watchdog").collect()) == []


@given(st.dictionaries(st.sampled_from(sorted(FILES)), st.binary(max_size=200)))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    """Whatever the files hold, there is one info."""
    machine = Machine(tmp_path_factory.mktemp("machine"))
    (machine.folder / CLASS / "watchdog0").mkdir(parents=True)
    for name, content in files.items():
        machine.write(f"{CLASS}/watchdog0/{name}", content)
    found = series(machine.build("watchdog").collect())
    assert sum(name.startswith("node_watchdog_info") for name in found) == 1
