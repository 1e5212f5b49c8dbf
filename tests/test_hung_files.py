"""A FIFO that never answers in place of any file that a collector reads."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodescope import configuration
from nodescope.measurement import Measurement
from nodescope.roles import BY_NAME
from nodescope.simulate import Simulation
from nodescope.simulate.tree import Roots

LONG_S = 20.0
NODE = BY_NAME["node"]
READERS = {
    "etc/os-release": {"os"},
    "proc/1/mountinfo": {"filesystem"},
    "proc/cpuinfo": {"cpu"},
    "proc/diskstats": {"diskstats"},
    "proc/loadavg": {"loadavg"},
    "proc/meminfo": {"meminfo"},
    "proc/net/dev": {"netdev"},
    "proc/pressure/cpu": {"pressure"},
    "proc/pressure/irq": {"pressure"},
    "proc/stat": {"cpu", "stat"},
    "proc/vmstat": {"vmstat"},
    "run/udev/data/b259:0": {"diskstats"},
    "sys/block/nvme0n1/queue/rotational": {"diskstats"},
    "sys/class/net/eth0/ifalias": {"netdev"},
    "sys/devices/system/clocksource/clocksource0/available_clocksource": {"time"},
    "sys/devices/system/clocksource/clocksource0/current_clocksource": {"time"},
    "sys/devices/system/cpu/cpu0/online": {"cpu"},
    "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": {"cpu"},
    "sys/devices/system/cpu/cpu0/topology/physical_package_id": {"cpu"},
}
"""File of a machine -> the collectors that read it. One device stands for its siblings."""


@pytest.fixture
def machine() -> Iterator[Roots]:
    simulation = Simulation("cpu", 1, 0)
    yield simulation.prepare()
    simulation.stop()


def measurement(roots: Roots) -> Measurement:
    flags = {
        "path.procfs": roots.procfs,
        "path.sysfs": roots.sysfs,
        "path.rootfs": roots.rootfs,
        "path.udev.data": roots.udev_data,
        "collector.netdev.netlink": "false",
        "collector.netdev.label-ifalias": "true",
        "collector.cpu.info": "true",
        "collector.timeout": "0.3s",
    }
    made = Measurement(configuration.load(flags, {}), {"node": NODE.collectors})
    made.start()
    return made


def success(text: str) -> dict[str, bool]:
    return {
        name: value == "1" for name, value in re.findall(r'node_scrape_collector_success{collector="(\w+)"} (\d)', text)
    }


def scrape(made: Measurement) -> str:
    body, _ = made.scrape(NODE, "node", {}).render(timeout_s=LONG_S)
    return body.decode()


def release(fifo: Path) -> None:
    """Lets the readers of a FIFO go, until nobody waits for it."""
    deadline = time.monotonic() + LONG_S
    while time.monotonic() < deadline:
        try:
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            # ENXIO: nobody has it open.
            return
        time.sleep(0.01)


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_hangs_costs_its_reader_only(machine: Roots, name: str) -> None:
    """With a FIFO in place of a file every other collector answers, its reader is marked, and comes back after it."""
    path = Path(machine.rootfs, name)
    content = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    made = measurement(machine)
    for _ in range(2):
        assert {reader for reader, good in success(scrape(made)).items() if not good} == READERS[name]
    path.rename(path.with_name("fifo"))
    path.write_bytes(content)
    release(path.with_name("fifo"))
    deadline = time.monotonic() + LONG_S
    while not all(success(scrape(made)).values()):
        assert time.monotonic() < deadline
    made.stop()


def test_all_files_of_proc_may_hang_at_once(machine: Roots) -> None:
    """With every file of /proc hanging, what does not read it still answers, and no thread is left afterwards."""
    threads = threading.active_count()
    fifos = [Path(machine.rootfs, name) for name in READERS if name.startswith("proc/")]
    for path in fifos:
        path.unlink()
        os.mkfifo(path)
    made = measurement(machine)
    good = {name for name, is_good in success(scrape(made)).items() if is_good}
    assert good == {"os", "time", "uname"}
    for path in fifos:
        release(path)
    made.stop()
    deadline = time.monotonic() + LONG_S
    while threading.active_count() > threads:
        assert time.monotonic() < deadline
        time.sleep(0.01)
