from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.host.net_device import bytes_per_second, number
from nodescope.host import Absent, Host
from nodescope.kernel.rtnetlink import RouteSocket
from tests.collectors.host.machine import Machine, mangled, series

NET = "sys/class/net"
ATTRIBUTES = {
    "addr_assign_type": "3", "address": "01:01:01:01:01:01", "broadcast": "ff:ff:ff:ff:ff:ff", "carrier": "1",
    "carrier_changes": "2", "carrier_down_count": "1", "carrier_up_count": "1", "dev_id": "0x20", "dormant": "0",
    "duplex": "full", "flags": "0x1303", "ifalias": "", "ifindex": "2", "iflink": "2", "link_mode": "1",
    "mtu": "1500", "name_assign_type": "2", "netdev_group": "0", "operstate": "up", "speed": "1000",
    "tx_queue_len": "1000", "type": "1",
}  # fmt: skip
ETH0 = {
    "up": 1, "address_assign_type": 3, "carrier": 1, "carrier_changes_total": 2, "carrier_up_changes_total": 1,
    "carrier_down_changes_total": 1, "device_id": 32, "dormant": 0, "flags": 0x1303, "iface_id": 2, "iface_link": 2,
    "iface_link_mode": 1, "mtu_bytes": 1500, "name_assign_type": 2, "net_dev_group": 0, "speed_bytes": 125000000,
    "transmit_queue_length": 1000, "protocol_type": 1,
}  # fmt: skip
INFO = (
    'node_network_info{device="eth0",address="01:01:01:01:01:01",broadcast="ff:ff:ff:ff:ff:ff",duplex="full",'
    'operstate="up",adminstate="up",ifalias=""}'
)
DOWN = ("carrier", "dormant", "speed", "duplex")


def write_device(machine: Machine, name: str, **changes: str | None) -> None:
    for attribute, value in (ATTRIBUTES | changes).items():
        if value is not None:
            machine.write(f"{NET}/{name}/{attribute}", f"{value}\n")


def of(found: dict[str, float], device: str) -> dict[str, float]:
    """Metric without node_network_ -> number, of one device, without its information."""
    pattern = re.compile(f'node_network_(.*){{device="{device}"}}')
    return {match[1]: value for name, value in found.items() if (match := pattern.fullmatch(name))}


def test_a_device(machine: Machine) -> None:
    """Numbers with their base in front, speed in bytes, names as labels; what lies beside the devices is none."""
    write_device(machine, "eth0")
    machine.write(f"{NET}/bonding_masters", "bond0\n")
    collector = machine.build("netclass")
    found = series(collector.collect())
    assert of(found, "eth0") == ETH0
    assert found[INFO] == 1
    assert len(found) == len(ETH0) + 1
    assert collector.left_out == 0


def test_a_device_that_is_down(machine: Machine) -> None:
    """What the kernel refuses then has no series, or is an empty label."""
    write_device(machine, "eth0", operstate="down", flags="0x1002", **dict.fromkeys(DOWN))
    found = series(machine.build("netclass").collect())
    expected = {name: value for name, value in ETH0.items() if name not in ("carrier", "dormant", "speed_bytes")}
    assert of(found, "eth0") == {**expected, "up": 0, "flags": 0x1002}
    down = INFO.replace('duplex="full"', 'duplex=""').replace('operstate="up"', 'operstate="down"')
    assert down.replace('adminstate="up"', 'adminstate="down"') in found


def test_refusals(machine: Machine) -> None:
    """EINVAL is absence; a folder in an attribute's place costs that attribute, and is counted."""
    refusing = Path("/sys/class/net/lo/duplex")
    if not refusing.exists():
        pytest.skip("no loopback device in sysfs")
    write_device(machine, "eth0", carrier=None, mtu=None)
    write_device(machine, "eth1")
    (machine.folder / NET / "eth0/carrier").symlink_to(refusing)
    (machine.folder / NET / "eth0/mtu").mkdir()
    collector = machine.build("netclass")
    for _ in range(2):
        found = series(collector.collect())
        assert ETH0.keys() - of(found, "eth0").keys() == {"carrier", "mtu_bytes"}
        assert of(found, "eth1") == ETH0
        assert collector.left_out == 1
    machine.remove(f"{NET}/eth0/mtu")
    machine.write(f"{NET}/eth0/mtu", "9000")
    assert of(series(collector.collect()), "eth0")["mtu_bytes"] == 9000
    assert collector.left_out == 0


@pytest.mark.parametrize("content", ["", "many", "0x", "08", "1_0", "9223372036854775808", "0x1 0x2"])
def test_what_is_no_number_is_0(machine: Machine, content: str) -> None:
    """An attribute that can be read and is no number is 0, as everyone has it."""
    write_device(machine, "eth0", mtu=content, speed=content, flags=content)
    found = series(machine.build("netclass").collect())
    assert of(found, "eth0") == {**ETH0, "mtu_bytes": 0, "speed_bytes": 0, "flags": 0}
    assert INFO.replace('adminstate="up"', 'adminstate="down"') in found


def test_no_flags(machine: Machine) -> None:
    """Without flags it is unknown whether a device is to be up."""
    write_device(machine, "eth0", flags=None)
    assert INFO.replace('adminstate="up"', 'adminstate="unknown"') in series(machine.build("netclass").collect())


def test_speed_that_is_not_known(machine: Machine) -> None:
    """-1 is a negative speed, or by setting none."""
    write_device(machine, "eth0", speed="-1")
    assert of(series(machine.build("netclass").collect()), "eth0")["speed_bytes"] == -125000
    found = series(machine.build("netclass", {"ignore-invalid-speed": True}).collect())
    assert "speed_bytes" not in of(found, "eth0")
    write_device(machine, "eth0", speed="0")
    found = series(machine.build("netclass", {"ignore-invalid-speed": True}).collect())
    assert of(found, "eth0")["speed_bytes"] == 0


@pytest.mark.parametrize(
    ("megabits", "expected"),
    [(10, 1_250_000), (400_000, 50_000_000_000), (-1, -125_000), (2**63 - 1, -125_000), (-(2**63), 0)],
)
def test_speeds(megabits: int, expected: int) -> None:
    """A product of 64 bits, divided by eight."""
    assert bytes_per_second(megabits) == expected


def test_ignored_devices(machine: Machine) -> None:
    """The expression searches in the name."""
    for name in ("eth0", "veth1", "lo"):
        write_device(machine, name)
    found = series(machine.build("netclass", {"ignored-devices": "^(lo|veth.*)$"}).collect())
    assert {name.split('"')[1] for name in found} == {"eth0"}


def test_changes_between_two_scrapes(machine: Machine) -> None:
    """Attributes are new at each scrape, all of them; devices come and go; the same again is the same families."""
    for name in ("eth0", "veth1"):
        write_device(machine, name)
    collector = machine.build("netclass")
    first = collector.collect()
    assert collector.collect() is first
    write_device(machine, "eth0", carrier_changes="3", speed="100", type="772", operstate="down", ifalias="uplink")
    machine.remove(f"{NET}/veth1")
    write_device(machine, "veth2", mtu="9000")
    found = series(collector.collect())
    changed = {"carrier_changes_total": 3, "speed_bytes": 12500000, "protocol_type": 772, "up": 0}
    assert of(found, "eth0") == {**ETH0, **changed}
    assert INFO.replace('"up",admin', '"down",admin').replace('ifalias=""', 'ifalias="uplink"') in found
    assert of(found, "veth1") == {}
    assert of(found, "veth2") == {**ETH0, "mtu_bytes": 9000}


def test_entries_that_are_no_devices(machine: Machine) -> None:
    """A link that leads nowhere and a file are none; an empty folder is a device of which nothing is known."""
    write_device(machine, "eth0")
    (machine.folder / NET / "gone").symlink_to(machine.folder / "nowhere")
    (machine.folder / NET / "empty").mkdir()
    machine.write(f"{NET}/file", "")
    found = series(machine.build("netclass").collect())
    assert {name.split('"')[1] for name in found} == {"eth0", "empty"}
    assert of(found, "empty") == {"up": 0}
    unknown = ",".join(f'{name}=""' for name in ("address", "broadcast", "duplex", "operstate"))
    assert f'node_network_info{{device="empty",{unknown},adminstate="unknown",ifalias=""}}' in found


def test_text(machine: Machine) -> None:
    """Bytes that are not UTF-8 are replaced, in names too, of which the first of two alike stays; long ones are cut."""
    write_device(machine, "eth0", ifalias="x" * 200)
    machine.write(f"{NET}/eth0/duplex", b"a\xff\xfeb\n")
    for name in ("e\udcff0", "e\udcfe0"):
        write_device(machine, name)
    collector = machine.build("netclass")
    found = series(collector.collect())
    info = INFO.replace('ifalias=""', f'ifalias="{"x" * 128}"').replace('duplex="full"', 'duplex="a\ufffdb"')
    assert info in found
    assert of(found, "e\ufffd0") == ETH0
    assert collector.left_out == 1


def test_absent(machine: Machine) -> None:
    """Without the class there is nothing; an empty one has no series."""
    with pytest.raises(Absent):
        machine.build("netclass").collect()
    (machine.folder / NET).mkdir(parents=True)
    assert machine.build("netclass").collect() == []


@pytest.fixture
def live(machine: Machine) -> Machine:
    """A machine whose sysfs is this one's; the test is skipped where netlink or sysfs is not to be had."""
    try:
        RouteSocket().links()
    except OSError as error:
        pytest.skip(f"no rtnetlink here: {error}")
    if not Path("/sys/class/net/lo/ifindex").exists():
        pytest.skip("no network devices in sysfs")
    machine.host = Host()
    return machine


def test_this_machine(live: Machine) -> None:
    """Asked by netlink which devices have changed, or read file by file, the series are the same."""
    collector, plain = live.build("netclass"), live.build("netclass")
    plain._watch.doubt()  # type: ignore[attr-defined]
    for _ in range(3):
        found = series(collector.collect())
        assert found == series(plain.collect())
        assert of(found, "lo")["iface_id"] == 1


def test_this_machine_over_netlink(live: Machine) -> None:
    """What both sources have is the same, but for flags, which the kernel counts otherwise there."""
    plain, netlink = (series(live.build("netclass", {"netlink": value}).collect()) for value in (False, True))
    assert any(name.startswith('node_network_info{device="lo"') and "adminstate" not in name for name in netlink)
    both = of(plain, "lo").keys() & of(netlink, "lo").keys() - {"flags"}
    assert {"up", "mtu_bytes", "iface_id", "protocol_type", "address_assign_type"} <= both
    assert {name: of(plain, "lo")[name] for name in both} == {name: of(netlink, "lo")[name] for name in both}


def test_counters_over_netlink(live: Machine) -> None:
    """By setting the counters of each device, under the names of netdev; ignored devices have none of it."""
    families = list(live.build("netclass", {"netlink": True, "with-stats": True}).collect())
    found = series(families)
    assert of(found, "lo")["receive_bytes_total"] == of(found, "lo")["transmit_bytes_total"]
    assert {family.metric.type for family in families if "bytes_total" in family.metric.name} == {"gauge"}
    assert len({family.metric.name for family in families}) == len(families)
    found = series(live.build("netclass", {"netlink": True, "ignored-devices": "^lo$"}).collect())
    assert not of(found, "lo")


@given(mangled(b"-0x7fff\n") | st.integers(-(2**65), 2**65).map(lambda value: str(value).encode()))
def test_any_bytes(data: bytes) -> None:
    """Whatever a file holds, it is a number of 64 bits, and so is the speed that it may be."""
    assert -(2**63) <= number(data.strip()) < 2**63
    assert -(2**63) <= bytes_per_second(number(data.strip())) < 2**63


def test_more_devices_than_the_limit_are_counted(machine: Machine) -> None:
    """Of many devices the first are shown, by name, and the rest is counted; those ignored do not count."""
    for name in ("eth0", "eth1", "lo", "veth0", "veth1"):
        machine.write(f"sys/class/net/{name}/mtu", "1500\n")
    collector = machine.build("netclass", {"ignored-devices": "^lo$", "max-devices": 2})
    shown = [key for key in series(collector.collect()) if key.startswith("node_network_mtu_bytes")]
    assert shown == ['node_network_mtu_bytes{device="eth0"}', 'node_network_mtu_bytes{device="eth1"}']
    assert collector.left_out == 2
