from __future__ import annotations

import pytest
from hypothesis import given

from nodescope.collectors.host.drbd import MAX_DEVICES, parse_drbd
from nodescope.host import Absent
from tests.collectors.host.machine import Machine, mangled, series

SAMPLE = b"""version: 8.4.11 (api:1/proto:86-101)
srcversion: FC3433D849E3B88C1E7B55C
 0: cs:SyncSource ro:Primary/Secondary ds:UpToDate/Inconsistent C r-----
    ns:2048 nr:512 dw:3 dr:4 al:5 bm:6 lo:7 pe:8 ua:9 ap:10 ep:1 wo:f oos:1024
\t[=>..................] sync'ed: 10.3% (92160/102400)K
\tfinish: 0:00:09 speed: 10,240 (10,240) K/sec

 2: cs:Unconfigured
11: cs:Connected ro:Secondary/Primary ds:UpToDate/UpToDate C r-----
    ns:0 nr:0 dw:0 dr:0 al:0 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:d oos:0
"""
FIRST = {
    'node_drbd_network_sent_bytes_total{device="drbd0"}': 2097152,
    'node_drbd_network_received_bytes_total{device="drbd0"}': 512,
    'node_drbd_disk_written_bytes_total{device="drbd0"}': 3072,
    'node_drbd_disk_read_bytes_total{device="drbd0"}': 4096,
    'node_drbd_activitylog_writes_total{device="drbd0"}': 5,
    'node_drbd_bitmap_writes_total{device="drbd0"}': 6,
    'node_drbd_local_pending{device="drbd0"}': 7,
    'node_drbd_remote_pending{device="drbd0"}': 8,
    'node_drbd_remote_unacknowledged{device="drbd0"}': 9,
    'node_drbd_application_pending{device="drbd0"}': 10,
    'node_drbd_epochs{device="drbd0"}': 1,
    'node_drbd_out_of_sync_bytes{device="drbd0"}': 1048576,
    'node_drbd_node_role_is_primary{device="drbd0",node="local"}': 1,
    'node_drbd_node_role_is_primary{device="drbd0",node="remote"}': 0,
    'node_drbd_disk_state_is_up_to_date{device="drbd0",node="local"}': 1,
    'node_drbd_disk_state_is_up_to_date{device="drbd0",node="remote"}': 0,
    'node_drbd_connected{device="drbd0"}': 0,
}


def test_devices(machine: Machine) -> None:
    """Each device has its numbers, the roles and disks of both nodes, and whether they are connected."""
    machine.write("proc/drbd", SAMPLE)
    collector = machine.build("drbd")
    found = series(collector.collect())
    assert {name: value for name, value in found.items() if '"drbd0"' in name} == FIRST
    assert {name: value for name, value in found.items() if '"drbd2"' in name} == {
        'node_drbd_connected{device="drbd2"}': 0
    }
    assert found['node_drbd_connected{device="drbd11"}'] == 1
    assert len(found) == 2 * len(FIRST) + 1
    assert collector.left_out == 0


@pytest.mark.parametrize("word", [b"ns:", b"ns:-1", b"ns:1_0", b"ns:x", b"ro:Primary", b"ro:a/b/c", b"cs:", b"ap:1"])
def test_one_broken_word(machine: Machine, word: bytes) -> None:
    """A value that is not of its form, or comes twice, costs itself and is counted."""
    machine.write("proc/drbd", b" 3: ap:1 ep:2 " + word + b"\n")
    collector = machine.build("drbd")
    assert series(collector.collect()) == {
        'node_drbd_application_pending{device="drbd3"}': 1,
        'node_drbd_epochs{device="drbd3"}': 2,
    }
    assert collector.left_out == 1


def test_before_the_first_device(machine: Machine) -> None:
    """What stands before any device belongs to none; without a device there is no family."""
    machine.write("proc/drbd", b"version: 8.4.3 (api:1/proto:86-101)\nns:1 ro:Primary/Primary cs:Connected\n")
    collector = machine.build("drbd")
    assert collector.collect() == []
    assert collector.left_out == 0


def test_between_two_scrapes(machine: Machine) -> None:
    """The second scrape sees new values, and not the device that is gone."""
    machine.write("proc/drbd", b" 0: ap:1\n 1: ap:2\n")
    collector = machine.build("drbd")
    collector.collect()
    machine.write("proc/drbd", b" 1: ap:3\n")
    assert series(collector.collect()) == {'node_drbd_application_pending{device="drbd1"}': 3}


def test_too_many_devices() -> None:
    """Devices beyond the greatest number are left out and counted."""
    data = b"".join(b"%d: ep:1\n" % number for number in range(MAX_DEVICES + 2))
    found, left_out = parse_drbd(data)
    assert (len(found), left_out) == (MAX_DEVICES, 2)


def test_absent(machine: Machine) -> None:
    """Without the module there is nothing."""
    with pytest.raises(Absent):
        machine.build("drbd").collect()


@given(mangled(SAMPLE))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds, each series has a device."""
    found, _ = parse_drbd(data)
    assert all(labels[0].startswith("drbd") for _, labels in found)
