from __future__ import annotations

import errno
import re
from typing import Any

import pytest

from nodescope.collectors.host.device_filter import from_settings
from nodescope.collectors.host.ethtool import MAX_DEVICES, EthtoolCollector, chosen, family_name
from nodescope.configuration import load
from nodescope.host import Absent
from nodescope.settings import SettingsError
from tests.collectors.host.machine import Machine, series
from tests.kernel.ethtool_answers import GSTATS, Device, Drivers, link, older_link
from tests.kernel.network_namespace import in_a_network_namespace, ip

E1000 = ("e1000e", "5.11.0", "0.5-4", "0000:00:1f.6", "")
COUNTS: dict[str | bytes, int] = {
    "tx_packets": 961500, "rx_packets": 1260062, "rx_errors": 0, "port.rx_dropped": 12028, "align_errors": 0,
    "duplicate metric": 1, "duplicate_metric": 2,
}  # fmt: skip
SERIES = 24
GIGABIT = 0b101111 | 1 << 6 | 1 << 7 | 1 << 9 | 1 << 13
ETH0 = Device(link(GIGABIT, GIGABIT & ~1, 1), E1000, COUNTS)


def collector(machine: Machine, drivers: Drivers, **options: Any) -> EthtoolCollector:
    """For the devices that /sys/class/net has: those of `drivers` where it has none yet."""
    for device in drivers.devices if not machine.host.exists(machine.host.sys("class/net")) else ():
        (machine.folder / "sys/class/net" / device).mkdir(parents=True)
    settings = load({f"collector.ethtool.{name}": value for name, value in options.items()}, {})
    devices = from_settings(settings, "collector.ethtool.device-include", "collector.ethtool.device-exclude")
    return EthtoolCollector(machine.host, devices, settings["collector.ethtool.metrics-include"], drivers)


def of(found: dict[str, float], device: str) -> dict[str, float]:
    """Name without node_ and without the device -> number, of one device."""
    return {
        re.sub(f',?device="{device}",?', "", name).replace("{}", "").removeprefix("node_"): number
        for name, number in found.items()
        if f'device="{device}"' in name
    }


@pytest.mark.parametrize(
    ("statistic", "name"),
    [
        ("port.rx_errors", "port_received_errors"), ("rx_errors", "received_errors"), ("rx", "received"),
        ("Queue[0] AllocFails", "queue_0_allocfails"), ("Tx LPI entry count", "transmitted_lpi_entry_count"),
        ("port.VF_admin_queue_requests", "port_vf_admin_queue_requests"), ("[3]: tx_bytes", "3_transmitted_bytes"),
        ("     err", "err"), ("rx0_bytes", "rx0_bytes"), ("prio_tx", "prio_transmitted"), ("rx_rx", "received_rx"),
        ("a__b", "a__b"), ("a_-_b", "a_b"), ("\ufffd\u00b5", ""), ("", ""),
    ],
)  # fmt: skip
def test_names(statistic: str, name: str) -> None:
    """Names of drivers in lower case, with rx and tx in full where they are words, of letters, digits and _."""
    assert family_name(statistic) == name


def test_names_that_clash() -> None:
    """Statistics whose families would have one name are all left out; of equal names the last is the one."""
    names = ["a.b", "a-b", "A_B", "twice", "once", "twice", "", "\ufffd", "rx_bytes", "received_bytes_total"]
    assert [(position, metric.name) for position, metric in sorted(chosen(names, None))] == [
        (4, "node_ethtool_once"), (5, "node_ethtool_twice"), (8, "node_ethtool_received_bytes_total"),
    ]  # fmt: skip


def test_help() -> None:
    """A family is explained by the driver's name, but those of every driver in words."""
    assert [metric.help for _, metric in sorted(chosen(["rx_packets", "Rx.Kicks"], None))] == [
        "Network interface packets received", "Network interface Rx_Kicks",
    ]  # fmt: skip


def test_a_device(machine: Machine) -> None:
    """What the driver is, what the link can do and offers, and what is counted."""
    found = of(series(collector(machine, Drivers(eth0=ETH0)).collect()), "eth0")
    info = 'driver="e1000e",version="5.11.0",firmware_version="0.5-4",bus_info="0000:00:1f.6",expansion_rom_version=""'
    megabits = {"10baseT": 10, "100baseT": 100, "1000baseT": 1000}
    speeds = [
        (duplex, mode) for mode in megabits for duplex in ("half", "full") if (duplex, mode) != ("half", "1000baseT")
    ]
    expected: dict[str, float] = {
        f"ethtool_info{{{info}}}": 1,
        'network_supported_port_info{type="TP"}': 1, 'network_supported_port_info{type="MII"}': 1,
        "network_autonegotiate": 1, "network_autonegotiate_supported": 1, "network_autonegotiate_advertised": 1,
        "network_pause_supported": 1, "network_pause_advertised": 1, "network_asymmetricpause_supported": 0,
        "network_asymmetricpause_advertised": 0, "ethtool_transmitted_packets_total": 961500,
        "ethtool_received_packets_total": 1260062, "ethtool_received_errors_total": 0,
        "ethtool_port_received_dropped": 12028, "ethtool_align_errors": 0,
    }  # fmt: skip
    for duplex, mode in speeds:
        expected[f'network_supported_speed_bytes{{duplex="{duplex}",mode="{mode}"}}'] = megabits[mode] * 125e3
        expected[f'network_advertised_speed_bytes{{duplex="{duplex}",mode="{mode}"}}'] = megabits[mode] * 125e3
    del expected['network_advertised_speed_bytes{duplex="half",mode="10baseT"}']
    assert found == expected


@pytest.mark.parametrize(
    ("broken", "left_out", "rows"),
    [
        (Device(), 0, 0),
        (Device(driver=("wifi",), statistics=errno.EOPNOTSUPP), 0, 1),
        (Device(driver=("wifi",), statistics=errno.EPERM), 0, 1),
        (Device(driver=("wifi",), statistics=errno.EIO), 1, 1),
        (Device(driver=("wifi",), statistics={}), 0, 1),
        (Device(older_link=older_link(0)), 0, 7),
        (Device(driver=errno.EIO), 1, 0),
        (Device(errno.ETIMEDOUT, errno.EBUSY), 2, 0),
    ],
)
def test_a_broken_device(machine: Machine, broken: Device, left_out: int, rows: int) -> None:
    """What a driver does not have costs itself alone; what it fails to tell is counted; other devices stay."""
    ethtool = collector(machine, Drivers(bad=broken, eth0=ETH0))
    found = series(ethtool.collect())
    assert len(of(found, "eth0")) == SERIES
    assert ethtool.left_out == left_out
    assert len(of(found, "bad")) == rows


def test_a_device_that_is_gone(machine: Machine) -> None:
    """A device that went away is asked nothing more, and is no fault."""
    drivers = Drivers(eth0=ETH0, veth1=ETH0)
    ethtool = collector(machine, drivers)
    del drivers.devices["veth1"]
    assert not of(series(ethtool.collect()), "veth1")
    assert [device for device, _ in drivers.asked].count("veth1") == 1
    assert ethtool.left_out == 0


class Changing(Drivers):
    """A device that gets one more statistic each time that it is asked for its counters, `times` times."""

    times = 1

    def answer(self, found: Device, command: int, data: Any) -> bytes | int:
        if command == GSTATS and self.times and isinstance(found.statistics, dict):
            self.times -= 1
            found.statistics[f"more{self.times}"] = 7
        return super().answer(found, command, data)


@pytest.mark.parametrize(("times", "left_out"), [(1, 0), (5, 1)])
def test_statistics_that_are_just_changing(machine: Machine, times: int, left_out: int) -> None:
    """They are asked for once more; where they change again, this device has none and is counted."""
    drivers = Changing(eth0=Device(driver=("x",), statistics={"a": 1}), eth1=ETH0._replace(statistics={}))
    drivers.times = times
    ethtool = collector(machine, drivers)
    found = of(series(ethtool.collect()), "eth0")
    assert found.get("ethtool_more0") == (7 if times == 1 else None)
    assert ethtool.left_out == left_out


def test_filters(machine: Machine) -> None:
    """Devices by include and exclude, statistics by what the driver calls them in letters, digits and _."""
    drivers = Drivers(eth0=ETH0, wlan0=ETH0)
    assert not of(series(collector(machine, drivers, **{"device-exclude": "^wlan"}).collect()), "wlan0")
    assert not of(series(collector(machine, drivers, **{"device-include": "^wlan"}).collect()), "eth0")
    chosen_ones = series(collector(machine, drivers, **{"metrics-include": "^port_rx|^tx_packets$"}).collect())
    assert {name for name in of(chosen_ones, "eth0") if "ethtool" in name and "info" not in name} == {
        "ethtool_port_received_dropped", "ethtool_transmitted_packets_total",
    }  # fmt: skip
    with pytest.raises(SettingsError, match="cannot be used together"):
        machine.build("ethtool", {"device-include": "a", "device-exclude": "b"})


def test_devices_of_one_kind(machine: Machine) -> None:
    """Each family has all devices that count it, each with its own number."""
    other = ETH0._replace(statistics={"new one": 5, **COUNTS, "align_errors": 3})
    found = series(collector(machine, Drivers(eth0=ETH0, eth1=other)).collect())
    assert found['node_ethtool_align_errors{device="eth0"}'] == 0
    assert found['node_ethtool_align_errors{device="eth1"}'] == 3
    assert found['node_ethtool_new_one{device="eth1"}'] == 5
    assert 'node_ethtool_new_one{device="eth0"}' not in found


def test_what_changes(machine: Machine) -> None:
    """Each scrape has the numbers, names and devices of its moment; a family that stays equal stays itself."""
    drivers = Drivers(eth0=ETH0, eth1=ETH0)
    ethtool = collector(machine, drivers)
    first = {family.metric.name: family for family in ethtool.collect()}
    drivers.devices["eth0"] = ETH0._replace(statistics={**COUNTS, "align_errors": 9})
    second = {family.metric.name: family for family in ethtool.collect()}
    assert {name for name in first if first[name] is not second[name]} == {"node_ethtool_align_errors"}
    assert of(series(second.values()), "eth0")["ethtool_align_errors"] == 9
    drivers.devices["eth0"] = ETH0._replace(statistics={"other": 1}, link=link(0))
    third = of(series(ethtool.collect()), "eth0")
    assert (third.get("ethtool_other"), third.get("ethtool_align_errors")) == (1, None)
    assert not any("speed" in name for name in third)
    machine.remove("sys/class/net/eth0")
    found = series(ethtool.collect())
    assert not of(found, "eth0")
    assert len(of(found, "eth1")) == SERIES


def test_files_beside_the_devices(machine: Machine) -> None:
    """What is no folder in /sys/class/net is no device; a link to one is."""
    machine.write("sys/class/net/bonding_masters", b"bond0\n")
    (machine.folder / "sys/devices/virtual/net/eth0").mkdir(parents=True)
    (machine.folder / "sys/class/net/eth0").symlink_to("../../devices/virtual/net/eth0")
    drivers = Drivers(eth0=ETH0)
    assert collector(machine, drivers).collect()
    assert {device for device, _ in drivers.asked} == {"eth0"}


def test_too_many_devices(machine: Machine) -> None:
    """Devices beyond the limit are counted, not asked."""
    drivers = Drivers(**{f"v{number}": Device() for number in range(MAX_DEVICES + 2)})
    ethtool = collector(machine, drivers)
    assert ethtool.collect() == []
    assert ethtool.left_out == 2


def test_absent(machine: Machine) -> None:
    """Without network devices, or their folder, there is nothing."""
    with pytest.raises(Absent):
        machine.build("ethtool").collect()
    machine.write("sys/class/net/bonding_masters", b"")
    with pytest.raises(Absent):
        machine.build("ethtool").collect()


def test_over_ioctl(machine: Machine) -> None:
    """Real devices are what their drivers say; the loopback device, which has no driver, has no series."""
    for device in ("left", "lo", "gone"):
        (machine.folder / "sys/class/net" / device).mkdir(parents=True)
    ethtool = machine.build("ethtool")

    def veth() -> list[dict[str, float]]:
        ip("link add left type veth peer name right")
        found = [series(ethtool.collect()) for _ in range(2)]
        ip("link del left")
        return [*found, series(ethtool.collect())]

    first, second, third = in_a_network_namespace(veth)
    assert first == second
    assert any(name.startswith('ethtool_info{driver="veth"') for name in of(first, "left"))
    assert of(first, "left")["ethtool_peer_ifindex"] > 0
    assert of(first, "left")["network_autonegotiate"] == 0
    assert not of(first, "lo") | of(first, "gone") | of(third, "left")
    assert ethtool.left_out == 0
