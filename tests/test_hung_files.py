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
from nodescope.self_metrics import SUCCEEDS_WITHOUT
from nodescope.simulate import Simulation
from nodescope.simulate.tree import Roots
from tests.simulate.measured import DEFAULT, NOT_THERE, NOTHING_TO_SHOW

LONG_S = 20.0
NODE = BY_NAME["node"]
READERS = {
    "etc/os-release": {"os"},
    "proc/1/mountinfo": {"filesystem"},
    "proc/cpuinfo": {"cpu"},
    "proc/diskstats": {"diskstats"},
    "proc/loadavg": {"loadavg"},
    "proc/meminfo": {"meminfo"},
    "proc/net/arp": {"arp"},
    "proc/net/dev": {"netdev"},
    "proc/net/netstat": {"netstat"},
    "proc/net/snmp6": {"netstat"},
    "proc/net/sockstat": {"sockstat"},
    "proc/net/sockstat6": {"sockstat"},
    "proc/net/softnet_stat": {"softnet"},
    "proc/net/stat/nf_conntrack": {"conntrack"},
    "proc/net/udp": {"udp_queues"},
    "proc/net/udp6": {"udp_queues"},
    "proc/pressure/cpu": {"pressure"},
    "proc/pressure/irq": {"pressure"},
    "proc/schedstat": {"schedstat"},
    "proc/stat": {"cpu", "stat"},
    "proc/sys/fs/file-nr": {"filefd"},
    "proc/sys/kernel/hung_task_detect_count": {"kernel_hung"},
    "proc/sys/kernel/random/poolsize": {"entropy"},
    "proc/sys/net/netfilter/nf_conntrack_count": {"conntrack"},
    "proc/vmstat": {"vmstat"},
    "run/udev/data/b259:0": {"diskstats"},
    "sys/block/nvme0n1/queue/rotational": {"diskstats"},
    "sys/class/dmi/id/product_name": {"dmi"},
    "sys/class/hwmon/hwmon3/temp1_input": {"hwmon"},
    "sys/class/hwmon/hwmon4/temp2_label": {"hwmon"},
    "sys/class/net/eth0/ifalias": {"netclass", "netdev"},
    "sys/class/net/eth0/speed": {"netclass"},
    "sys/class/nvme/nvme0/nvme0n1/nuse": {"nvme"},
    "sys/class/nvme/nvme0/state": {"nvme"},
    "sys/class/powercap/intel-rapl:0/energy_uj": {"rapl"},
    "sys/class/powercap/intel-rapl:0/name": {"rapl"},
    "sys/class/thermal/cooling_device0/max_state": {"thermal_zone"},
    "sys/class/thermal/thermal_zone0/temp": {"thermal_zone"},
    "sys/class/watchdog/watchdog0/identity": {"watchdog"},
    "sys/class/watchdog/watchdog0/timeleft": {"watchdog"},
    "sys/devices/system/clocksource/clocksource0/available_clocksource": {"time"},
    "sys/devices/system/clocksource/clocksource0/current_clocksource": {"time"},
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": {"cpufreq"},
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": {"cpufreq"},
    "sys/devices/system/cpu/cpu0/online": {"cpu"},
    "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": {"cpu"},
    "sys/devices/system/cpu/cpu0/topology/physical_package_id": {"cpu"},
    "sys/devices/system/cpu/offline": {"cpufreq"},
    "sys/devices/system/edac/mc/mc0/ce_count": {"edac"},
    "sys/devices/system/edac/mc/mc0/csrow0/ch0_dimm_label": {"edac"},
    "sys/fs/xfs/nvme1n1/stats/stats": {"xfs"},
}
"""File of a machine -> the collectors that read it. One device stands for its siblings."""
NO_FILES = {"selinux", "textfile", "timex", "uname"}
"""Default collectors that make system calls alone, or whose files are not there and need not be."""


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
        "collector.arp.netlink": "false",
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


def marked(made: Measurement) -> set[str]:
    """The collectors that a scrape says have failed, but those of hardware that the machine does not have."""
    bad = {name for name, good in success(scrape(made)).items() if not good}
    assert bad >= NOT_THERE - SUCCEEDS_WITHOUT
    return bad - NOT_THERE


def wait_until_marked(made: Measurement, readers: set[str]) -> None:
    """Until these alone are marked: on a busy machine one that has only been slow is too, and answers the next time."""
    deadline = time.monotonic() + LONG_S
    while (seen := marked(made)) != readers:
        assert seen > readers
        assert time.monotonic() < deadline, seen - readers


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


def test_every_reader_has_a_file() -> None:
    """Each default collector that reads files of the machine has one here that hangs."""
    readers = {reader for readers in READERS.values() for reader in readers}
    assert readers == set(DEFAULT) - NOT_THERE - NOTHING_TO_SHOW - NO_FILES


@pytest.mark.parametrize("name", READERS)
def test_a_file_that_hangs_costs_its_reader_only(machine: Roots, name: str) -> None:
    """With a FIFO in place of a file every other collector answers, its reader is marked, and comes back after it."""
    path = Path(machine.rootfs, name)
    content = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    made = measurement(machine)
    for _ in range(2):
        wait_until_marked(made, READERS[name])
    path.rename(path.with_name("fifo"))
    path.write_bytes(content)
    release(path.with_name("fifo"))
    deadline = time.monotonic() + LONG_S
    while marked(made):
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
    wait_until_marked(made, {reader for name in READERS if name.startswith("proc/") for reader in READERS[name]})
    made.stop()
    deadline = time.monotonic() + LONG_S
    while threading.active_count() > threads:
        assert time.monotonic() < deadline
        # A reader that is let go may open the next one.
        for path in fifos:
            release(path)
        time.sleep(0.01)
