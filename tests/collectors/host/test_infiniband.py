from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given

from nodescope.collectors.host.infiniband import (
    parse_counter,
    parse_lane_words,
    parse_lifespan,
    parse_rate,
    parse_state,
)
from nodescope.collectors.host.infiniband_counters import COUNTERS, counter_of
from nodescope.host import Absent
from nodescope.settings import SettingsError
from tests.collectors.host.machine import Machine, mangled, series

CLASS = "sys/class/infiniband"
COUNTER_FILES = {"port_rcv_data": "1000", "port_xmit_data": "0x10", "symbol_error": "010", "VL15_dropped": "0"}
HW_COUNTER_FILES = {"lifespan": "1999", "out_of_buffer": "7", "np_cnp_sent": "18446744073709551615"}


def write_device(machine: Machine, name: str, *ports: str, hw_counters: bool = True) -> None:
    """A device of mlx5 with its ports, all of them alike."""
    for attribute, value in (("board_id", "MT_0000000838"), ("fw_ver", "28.39.1002"), ("hca_type", "MT4129")):
        machine.write(f"{CLASS}/{name}/{attribute}", f"{value}\n")
    for port in ports:
        folder = f"{CLASS}/{name}/ports/{port}"
        machine.write(f"{folder}/state", "4: ACTIVE\n")
        machine.write(f"{folder}/phys_state", "5: LinkUp\n")
        machine.write(f"{folder}/rate", "400 Gb/sec (4X NDR)\n")
        machine.write(f"{folder}/link_layer", "InfiniBand\n")
        for file, value in COUNTER_FILES.items():
            machine.write(f"{folder}/counters/{file}", f"{value}\n")
        for file, value in HW_COUNTER_FILES.items() if hw_counters else ():
            machine.write(f"{folder}/hw_counters/{file}", f"{value}\n")


def of(found: dict[str, float], device: str, port: str = "1") -> dict[str, float]:
    """Metric without node_infiniband_ -> number, of one port."""
    pattern = re.compile(f'node_infiniband_(.*){{device="{device}",port="{port}"}}')
    return {match[1]: value for name, value in found.items() if (match := pattern.fullmatch(name))}


PORT = {
    "state_id": 4, "physical_state_id": 5, "rate_bytes_per_second": 5e10, "port_data_received_bytes_total": 4000,
    "port_data_transmitted_bytes_total": 64, "symbol_error_total": 8, "vl15_dropped_total": 0, "lifespan_seconds": 1,
    "out_of_buffer_drops_total": 7, "np_cnp_packets_sent_total": 2**64 - 1,
}  # fmt: skip


def test_a_device_with_two_ports(machine: Machine) -> None:
    """Each port has its states, its rate in bytes, and its counters; data are counted in words of four bytes."""
    write_device(machine, "mlx5_0", "1", "2")
    collector = machine.build("infiniband")
    found = series(collector.collect())
    assert of(found, "mlx5_0", "1") == of(found, "mlx5_0", "2") == PORT
    info = (
        'node_infiniband_info{device="mlx5_0",board_id="MT_0000000838",firmware_version="28.39.1002",hca_type="MT4129"}'
    )
    assert found[info] == 1
    assert len(found) == 2 * len(PORT) + 1
    assert collector.left_out == 0


def test_counters_before_linux_4_5(machine: Machine) -> None:
    """Folder counters_ext has the wide counters under names of their own."""
    write_device(machine, "mlx4_0", "1", hw_counters=False)
    for file, value in (("port_rcv_data_64", 2**63), ("port_xmit_data_64", 5), ("port_unicast_rcv_packets", 6)):
        machine.write(f"{CLASS}/mlx4_0/ports/1/counters_ext/{file}", str(value))
    found = of(series(machine.build("infiniband").collect()), "mlx4_0")
    assert found["legacy_data_received_bytes_total"] == 0
    assert found["legacy_data_transmitted_bytes_total"] == 20
    assert found["legacy_unicast_packets_received_total"] == 6


def test_counters_that_only_some_drivers_have(machine: Machine) -> None:
    """Those that are known to be counters, and those of priority flow control, have names that none else has."""
    write_device(machine, "rocep0", "1")
    for file in (
        "rx_cnp_pkts",
        "req_transport_retries_exceeded",
        "rx_pfc_ena_frames_pri3",
        "active_qps",
        "link_downed",
    ):
        machine.write(f"{CLASS}/rocep0/ports/1/hw_counters/{file}", "9\n")
    found = of(series(machine.build("infiniband").collect()), "rocep0")
    assert {name for name in found if name.startswith("hw_")} == {
        "hw_rx_cnp_pkts_total", "hw_req_transport_retries_exceeded_total", "hw_rx_pfc_ena_frames_pri3_total",
    }  # fmt: skip
    assert "link_downed_total" not in found


@pytest.mark.parametrize("file", ["unknown", "rx_pfc_" + "x" * 64, "rx_pfc_A", "rx_prio9_pause", "rx_prio1_pause\n"])
def test_files_of_which_nothing_is_known(file: str) -> None:
    """Not every file in hw_counters is a counter, and none in counters is that is not in the kernel's document."""
    assert counter_of("hw_counters", file) is None
    assert counter_of("counters", "rx_cnp_pkts") is None


def test_names_do_not_clash() -> None:
    """No two files have the same metric."""
    names = [metric.name for files in COUNTERS.values() for metric in files.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("missing", ["state", "phys_state", "rate", "link_layer", "counters", "hw_counters"])
def test_a_missing_file_costs_its_own_series(machine: Machine, missing: str) -> None:
    """Without one of its files the port keeps all others, and so do other devices."""
    for name in ("mlx5_0", "mlx5_1"):
        write_device(machine, name, "1")
    machine.remove(f"{CLASS}/mlx5_0/ports/1/{missing}")
    collector = machine.build("infiniband")
    found = series(collector.collect())
    assert of(found, "mlx5_1") == PORT
    assert of(found, "mlx5_0").items() < PORT.items() or missing == "link_layer"
    assert len(of(found, "mlx5_0")) >= 3
    assert collector.left_out == 0


def test_a_missing_attribute_is_an_empty_label(machine: Machine) -> None:
    """Firmware, board and type are labels; a device that has none of them has no such series."""
    write_device(machine, "i40iw0", "1")
    machine.remove(f"{CLASS}/i40iw0/fw_ver")
    machine.write(f"{CLASS}/bare/ports/1/state", "1: DOWN\n")
    found = series(machine.build("infiniband").collect())
    assert (
        'node_infiniband_info{device="i40iw0",board_id="MT_0000000838",firmware_version="",hca_type="MT4129"}' in found
    )
    assert of(found, "bare") == {"state_id": 1}
    assert not any('info{device="bare"' in name for name in found)


@pytest.mark.parametrize(
    ("file", "content", "left_out"),
    [
        ("counters/symbol_error", "N/A (no PMA)\n", 0), ("counters/symbol_error", "", 1),
        ("counters/symbol_error", "-1\n", 1), ("counters/symbol_error", "1_000\n", 1),
        ("counters/symbol_error", "18446744073709551616\n", 1), ("hw_counters/lifespan", "ten\n", 1),
        ("counters/port_rcv_data", "5 6\n", 1), ("state", "ACTIVE\n", 1), ("state", "4: ACTIVE: 5\n", 1),
        ("phys_state", "4294967296: LinkUp\n", 1), ("rate", "fast\n", 1), ("rate", "nan Gb/sec\n", 1),
        ("rate", "-1 Gb/sec\n", 1), ("rate", "1e39 Gb/sec\n", 1),
    ],
)  # fmt: skip
def test_a_malformed_file_costs_its_own_series(machine: Machine, file: str, content: str, left_out: int) -> None:
    """What is no number has no series and is counted, but for what a port without counters says."""
    write_device(machine, "mlx5_0", "1")
    machine.write(f"{CLASS}/mlx5_0/ports/1/{file}", content)
    collector = machine.build("infiniband")
    for _ in range(2):
        found = of(series(collector.collect()), "mlx5_0")
        assert len(found) == len(PORT) - 1
        assert found.items() < PORT.items()
        assert collector.left_out == left_out


def test_a_file_that_the_driver_refuses(machine: Machine) -> None:
    """EINVAL is a counter that the device does not have; a folder in a counter's place is broken."""
    refusing = Path("/sys/class/net/lo/duplex")
    if not refusing.exists():
        pytest.skip("no loopback device in sysfs")
    write_device(machine, "mlx5_0", "1")
    counters = machine.folder / CLASS / "mlx5_0/ports/1/counters"
    (counters / "link_downed").symlink_to(refusing)
    (counters / "port_rcv_errors").mkdir()
    (machine.folder / CLASS / "mlx5_0/fw_ver").unlink()
    (machine.folder / CLASS / "mlx5_0/fw_ver").mkdir()
    collector = machine.build("infiniband")
    assert of(series(collector.collect()), "mlx5_0") == PORT
    assert collector.left_out == 2


def test_ports_that_are_no_numbers(machine: Machine) -> None:
    """A port's label is its number; a second directory of the same number, or of none, is left out."""
    write_device(machine, "mlx5_0", "1", "01", "10", "2", "one", "+3", "4294967296")
    collector = machine.build("infiniband")
    found = series(collector.collect())
    assert {name.split('port="')[1] for name in found if "port=" in name} == {'1"}', '2"}', '10"}'}
    assert collector.left_out == 4


def test_filters(machine: Machine) -> None:
    """Include and exclude search in the name; both together are refused."""
    for name in ("mlx5_0", "mlx5_1", "mlx5_10"):
        write_device(machine, name, "1")
    found = series(machine.build("infiniband", {"device-exclude": "_1$"}).collect())
    assert of(found, "mlx5_10")
    assert not any('"mlx5_1"' in name for name in found)
    found = series(machine.build("infiniband", {"device-include": "_1$"}).collect())
    assert {name.split('"')[1] for name in found} == {"mlx5_1"}
    with pytest.raises(SettingsError, match="cannot be used together"):
        machine.build("infiniband", {"device-include": "a", "device-exclude": "b"})


def test_changes_between_two_scrapes(machine: Machine) -> None:
    """Counters and states are new at each scrape, and so is the rate when the link has changed; devices come and go."""
    write_device(machine, "mlx5_0", "1")
    write_device(machine, "mlx5_1", "1")
    collector = machine.build("infiniband")
    first = collector.collect()
    assert {id(family) for family in collector.collect()} >= {
        id(family) for family in first if not family.metric.name.endswith("_info")
    }
    folder = f"{CLASS}/mlx5_0/ports/1"
    machine.write(f"{folder}/state", "1: DOWN\n")
    machine.write(f"{folder}/rate", "10 Gb/sec (4X)\n")
    machine.write(f"{folder}/counters/port_rcv_data", "1001\n")
    machine.write(f"{folder}/hw_counters/duplicate_request", "3\n")
    machine.remove(f"{folder}/counters/symbol_error")
    machine.remove(f"{CLASS}/mlx5_1")
    write_device(machine, "mlx5_2", "1")
    found = series(collector.collect())
    changed = {"state_id": 1, "rate_bytes_per_second": 1.25e9, "port_data_received_bytes_total": 4004}
    expected = {**PORT, **changed, "duplicate_requests_packets_total": 3}
    del expected["symbol_error_total"]
    assert of(found, "mlx5_0") == expected
    assert of(found, "mlx5_1") == {}
    assert of(found, "mlx5_2") == PORT


def test_a_class_of_links(machine: Machine) -> None:
    """Devices are links to where they are plugged in; one that leads nowhere, or a file, is no device."""
    write_device(machine, "mlx5_0", "1")
    (machine.folder / "sys/devices/pci0000:00/infiniband").mkdir(parents=True)
    target = machine.folder / "sys/devices/pci0000:00/infiniband/mlx5_0"
    (machine.folder / CLASS / "mlx5_0").rename(target)
    (machine.folder / CLASS / "mlx5_0").symlink_to(target)
    (machine.folder / CLASS / "gone").symlink_to(machine.folder / "nowhere")
    machine.write(f"{CLASS}/abi_version", "1\n")
    found = series(machine.build("infiniband").collect())
    assert {name.split('"')[1] for name in found} == {"mlx5_0"}


def test_names_that_are_not_utf_8(machine: Machine) -> None:
    """They are shown with a replacement character."""
    write_device(machine, "ib\udcff\udcfe0", "1")
    assert of(series(machine.build("infiniband").collect()), "ib\ufffd0") == PORT


def test_absent(machine: Machine) -> None:
    """Without the class there is nothing; an empty one has no series."""
    with pytest.raises(Absent):
        machine.build("infiniband").collect()
    (machine.folder / CLASS).mkdir(parents=True)
    assert machine.build("infiniband").collect() == []


@pytest.mark.parametrize(
    ("raw", "rate"),
    [(b"2.5 Gb/sec (1X SDR)", 312_500_000), (b"100 Gb/sec (4X EDR)\n", 12_500_000_000), (b"0.1 Gb/sec", 12_500_000),
     (b"100", None), (b" 100 Gb/sec", None), (b"", None), (b"1e30 Gb/sec", None)],
)  # fmt: skip
def test_rates(raw: bytes, rate: int | None) -> None:
    """Gigabits in single precision, a blank, and what is behind it."""
    assert parse_rate(raw) == rate


@given(mangled(b"400 Gb/sec (4X NDR)\n") | mangled(b"4: ACTIVE\n") | mangled(b"18446744073709551615\n"))
def test_any_bytes(data: bytes) -> None:
    """Whatever a file holds, it is a number of 64 bits or none."""
    for parse in (parse_counter, parse_lane_words, parse_lifespan, parse_rate, parse_state):
        value = parse(data)
        assert value is None or 0 <= value < 2**64
