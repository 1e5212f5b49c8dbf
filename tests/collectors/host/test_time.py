from __future__ import annotations

import time

from tests.collectors.host.machine import Machine, series

FOLDER = "sys/devices/system/clocksource"


def clock_sources(machine: Machine) -> list[str]:
    return [name for name in series(machine.build("time").collect()) if "clocksource" in name]


def test_now_and_zone(machine: Machine) -> None:
    """The time is now, in seconds, and the offset that of the local time zone."""
    before = time.time()
    found = series(machine.build("time").collect())
    assert before <= found["node_time_seconds"] <= time.time()
    local = time.localtime()
    assert found[f'node_time_zone_offset_seconds{{time_zone="{local.tm_zone}"}}'] == local.tm_gmtoff


def test_clock_sources(machine: Machine) -> None:
    """Every available source and the current one, with the number of the device."""
    machine.write(f"{FOLDER}/clocksource0/available_clocksource", "tsc hpet acpi_pm \n")
    machine.write(f"{FOLDER}/clocksource0/current_clocksource", "tsc\n")
    assert clock_sources(machine) == [
        'node_time_clocksource_available_info{device="0",clocksource="tsc"}',
        'node_time_clocksource_available_info{device="0",clocksource="hpet"}',
        'node_time_clocksource_available_info{device="0",clocksource="acpi_pm"}',
        'node_time_clocksource_current_info{device="0",clocksource="tsc"}',
    ]


def test_a_change_of_the_current_source_is_seen_at_once(machine: Machine) -> None:
    """The kernel may leave a clock source that is not stable: the next scrape says so."""
    machine.write(f"{FOLDER}/clocksource0/available_clocksource", "tsc hpet\n")
    machine.write(f"{FOLDER}/clocksource0/current_clocksource", "tsc\n")
    collector = machine.build("time")
    collector.collect()
    machine.write(f"{FOLDER}/clocksource0/current_clocksource", "hpet\n")
    assert 'node_time_clocksource_current_info{device="0",clocksource="hpet"}' in series(collector.collect())


def test_an_odd_device_costs_itself_alone(machine: Machine) -> None:
    """A device without one of its files is left out and counted; the others keep their number and rows."""
    machine.write(f"{FOLDER}/clocksource0/available_clocksource", "tsc\n")
    machine.write(f"{FOLDER}/clocksource1/available_clocksource", b"\xff\xfex\n")
    machine.write(f"{FOLDER}/clocksource1/current_clocksource", "\n")
    assert clock_sources(machine) == ['node_time_clocksource_available_info{device="1",clocksource="\ufffdx"}']
    collector = machine.build("time")
    for _ in range(2):
        collector.collect()
        assert collector.left_out == 1
    machine.write(f"{FOLDER}/clocksource0/current_clocksource", "tsc\n")
    collector.collect()
    assert collector.left_out == 0


def test_without_clock_sources_the_time_stays(machine: Machine) -> None:
    """No clock sources: the time and the zone alone."""
    assert len(series(machine.build("time").collect())) == 2
