from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.fibrechannel import COUNTERS, identifier, parse_counter
from nodescope.host import Absent
from tests.collectors.host.machine import Machine, mangled, series

CLASS = "sys/class/fc_host"
ATTRIBUTES = {
    "speed": "16 Gbit", "port_state": "Online", "port_type": "Point-To-Point (direct nport connection)",
    "port_id": "0x000002", "port_name": "0x1000e0071bce95f2", "fabric_name": "0x0", "dev_loss_tmo": "30",
    "symbolic_name": "Emulex SN1100E2P", "supported_classes": "Class 3", "supported_speeds": "4 Gbit, 8 Gbit",
}  # fmt: skip
INFO = (
    'node_fibrechannel_info{fc_host="host0",speed="16 Gbit",port_state="Online",'
    'port_type="Point-To-Point (direct nport connection)",port_id="000002",port_name="1000e0071bce95f2",'
    'fabric_name="0",symbolic_name="Emulex SN1100E2P",supported_classes="Class 3",supported_speeds="4 Gbit, 8 Gbit",'
    'dev_loss_tmo="30"}'
)
FRAMES = 'node_fibrechannel_rx_frames_total{fc_host="host0"}'


def write_host(machine: Machine, name: str, **changes: str) -> None:
    for attribute, value in (ATTRIBUTES | changes).items():
        machine.write(f"{CLASS}/{name}/{attribute}", f"{value}\n")
    for position, file in enumerate(COUNTERS):
        machine.write(f"{CLASS}/{name}/statistics/{file}", f"{position + 1:#x}\n")
    machine.write(f"{CLASS}/{name}/statistics/reset_statistics", "")


def test_a_port(machine: Machine) -> None:
    """Names and state are labels, identifiers without 0x; statistics are hexadecimal."""
    write_host(machine, "host0")
    collector = machine.build("fibrechannel")
    expected = {f'{metric.name}{{fc_host="host0"}}': number for number, metric in enumerate(COUNTERS.values(), 1)}
    assert series(collector.collect()) == {INFO: 1, **expected}
    assert collector.left_out == 0


def test_what_an_adapter_does_not_have(machine: Machine) -> None:
    """-1 and a missing file are no counter, a missing attribute is an empty label."""
    write_host(machine, "host0")
    machine.write(f"{CLASS}/host0/statistics/rx_frames", "0xffffffffffffffff\n")
    for path in ("statistics/tx_frames", "fabric_name", "speed"):
        machine.remove(f"{CLASS}/host0/{path}")
    collector = machine.build("fibrechannel")
    found = series(collector.collect())
    assert FRAMES not in found
    assert 'node_fibrechannel_tx_frames_total{fc_host="host0"}' not in found
    assert INFO.replace('speed="16 Gbit"', 'speed=""').replace('fabric_name="0"', 'fabric_name=""') in found
    assert len(found) == len(COUNTERS) - 1
    assert collector.left_out == 0


@pytest.mark.parametrize("state", ["Unknown", None])
def test_a_port_that_is_off(machine: Machine, state: str | None) -> None:
    """Its counters are 0, whatever its statistics say."""
    write_host(machine, "host0", port_state=state or "")
    if state is None:
        machine.remove(f"{CLASS}/host0/port_state")
    found = series(machine.build("fibrechannel").collect())
    assert {value for name, value in found.items() if "_total" in name} == {0}
    assert len(found) == 1 + len(COUNTERS)


def test_no_statistics(machine: Machine) -> None:
    """A port that is on and has no statistics has no counters."""
    write_host(machine, "host0")
    machine.remove(f"{CLASS}/host0/statistics")
    assert series(machine.build("fibrechannel").collect()) == {INFO: 1}


@pytest.mark.parametrize("content", ["", "0x", "-1", "0x1_0", "many", "0x10000000000000000"])
def test_one_broken_counter(machine: Machine, content: str) -> None:
    """What is no number costs its own series and is counted; other counters and ports stay."""
    write_host(machine, "host0")
    write_host(machine, "host1")
    machine.write(f"{CLASS}/host0/statistics/rx_frames", content)
    collector = machine.build("fibrechannel")
    found = series(collector.collect())
    assert FRAMES not in found
    assert len(found) == 2 * (1 + len(COUNTERS)) - 1
    assert collector.left_out == 1


def test_broken_files(machine: Machine) -> None:
    """A folder in the place of a file is broken; the label is empty, and the counters are not those of a port off."""
    write_host(machine, "host0")
    for path in ("port_state", "symbolic_name", "statistics/tx_words"):
        machine.remove(f"{CLASS}/host0/{path}")
        (machine.folder / CLASS / "host0" / path).mkdir()
    collector = machine.build("fibrechannel")
    found = series(collector.collect())
    assert found[FRAMES] == 4
    assert len(found) == len(COUNTERS)
    assert collector.left_out == 3


def test_changes_between_two_scrapes(machine: Machine) -> None:
    """Counters and state are new at each scrape; ports come and go."""
    write_host(machine, "host0")
    write_host(machine, "host1")
    collector = machine.build("fibrechannel")
    assert series(collector.collect())[FRAMES] == 4
    machine.write(f"{CLASS}/host0/statistics/rx_frames", "0x100\n")
    machine.write(f"{CLASS}/host0/port_state", "Linkdown\n")
    machine.remove(f"{CLASS}/host1")
    found = series(collector.collect())
    assert found[FRAMES] == 256
    assert INFO.replace("Online", "Linkdown") in found
    assert not any("host1" in name for name in found)


def test_names(machine: Machine) -> None:
    """Long values are cut, bytes that are not UTF-8 are replaced; a link that leads nowhere is no port."""
    write_host(machine, "host0", symbolic_name="x" * 200)
    machine.write(f"{CLASS}/host0/port_type", b"a\xff\xfeb\n")
    (machine.folder / CLASS / "gone").symlink_to(machine.folder / "nowhere")
    found = series(machine.build("fibrechannel").collect())
    info = next(name for name in found if "_info" in name)
    assert f'symbolic_name="{"x" * 128}"' in info
    assert 'port_type="a\ufffdb"' in info
    assert not any("gone" in name for name in found)


def test_absent(machine: Machine) -> None:
    """Without the class there is nothing; an empty one has no series."""
    with pytest.raises(Absent):
        machine.build("fibrechannel").collect()
    (machine.folder / CLASS).mkdir(parents=True)
    assert machine.build("fibrechannel").collect() == []


@given(mangled(b"0x1f\n"))
def test_any_bytes(data: bytes) -> None:
    """Whatever a file holds, it is a number of 64 bits or none, and an identifier is never longer than it was."""
    value = parse_counter(data)
    assert value is None or 0 <= value < 2**64
    assert data.endswith(identifier(data))
