from __future__ import annotations

import os
import re
import time
from collections.abc import Callable

import msgspec
import pytest

from nodescope import collectors
from nodescope.collectors.host.device_filter import DeviceFilter
from nodescope.collectors.host.epic import EpicSampler
from nodescope.configuration import load
from nodescope.host import Absent
from nodescope.profiles import Row, epic
from nodescope.records.host import CpuUsage, DiskUsage, NodeUsage
from nodescope.sampling import NoSnapshot, SnapshotCollector
from tests.collectors.host.machine import Machine, series

LONG_S = 20.0
STAT = "cpu  0\ncpu0 {} 0 0 {} 0 0 0 0 0 0\nintr 0\n"
DISK = "   8       0 sda {} 0 {} 0 {} 0 {} 0 0 0 0\n"
DEV = "Inter-| Receive\n face |bytes\n"
MOCK = {
    "node_cpu_usage_percent", "node_memory_used_bytes", "node_memory_total_bytes", "node_disk_used_bytes",
    "node_disk_total_bytes", "node_network_receive_bytes_total", "node_network_transmit_bytes_total", "node_load1",
    "node_load5", "node_load15",
}  # fmt: skip
SHARED = {name for name in MOCK if name.startswith(("node_load", "node_network"))}


def device(name: str, received: int, sent: int) -> str:
    return f"{name}: {received}{' 0' * 7} {sent}{' 0' * 7}\n"


@pytest.fixture
def node(machine: Machine) -> Machine:
    machine.write("proc/stat", STAT.format(100, 100))
    machine.write("proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 400 kB\n")
    machine.write("proc/diskstats", DISK.format(10, 100, 20, 200))
    machine.write("proc/1/net/dev", DEV + device("lo", 7, 7) + device("eth0", 1000, 100) + device("br0", 5, 5))
    machine.write("proc/loadavg", "0.5 0.25 0.125 1/2 3\n")
    machine.write("sys/class/net/eth0/device/vendor", "")
    return machine


@pytest.fixture
def sampler(node: Machine) -> EpicSampler:
    return EpicSampler(node.host, DeviceFilter(None, re.compile("loop")), 15.0)


def node_of(sampler: EpicSampler) -> NodeUsage:
    (found,) = [record for record in sampler.sample() if isinstance(record, NodeUsage)]
    return found


def test_first_sample_has_no_rates(node: Machine, sampler: EpicSampler) -> None:
    """What is a number by itself is there at once; percent and what disks do need two samples."""
    root = os.statvfs(node.folder / "root")
    (record,) = sampler.sample()
    assert record == NodeUsage(
        0, None, 600 * 1024, 1000 * 1024, record.disk_used_bytes, float(root.f_blocks) * root.f_bsize, 1000, 100,
        0.5, 0.25, 0.125,
    )  # fmt: skip
    assert 0 <= record.disk_used_bytes <= record.disk_total_bytes


def test_second_sample(node: Machine, sampler: EpicSampler) -> None:
    """CPUs in percent, disks by second, totals of the network that go on."""
    sampler.sample()
    node.write("proc/stat", STAT.format(130, 110))
    node.write("proc/diskstats", DISK.format(11, 100, 20, 201) + DISK.format(1, 1, 1, 1).replace("sda", "loop0"))
    node.write("proc/1/net/dev", DEV + device("eth0", 1500, 100))
    usage, *rest = sampler.sample()
    assert usage.cpu_usage_percent == 75.0
    assert (usage.network_receive_bytes, usage.network_transmit_bytes) == (1500, 100)
    assert rest[0] == CpuUsage("0", 75.0)
    (disk,) = rest[1:]
    assert (disk.device, disk.read_bytes_per_second, disk.writes_per_second) == ("sda", 0, 0)
    assert disk.written_bytes_per_second == 512 * disk.reads_per_second > 0


def test_a_disk_that_vanishes(node: Machine, sampler: EpicSampler) -> None:
    """A disk that is gone has no rates, and none in the sample in which it is back."""
    sampler.sample()
    for content, disks in (("", 0), (DISK.format(9, 9, 9, 9), 0), (DISK.format(9, 9, 9, 9), 1)):
        node.write("proc/diskstats", content)
        assert sum(isinstance(record, DiskUsage) for record in sampler.sample()) == disks


def test_network_without_devices_of_its_own(node: Machine, sampler: EpicSampler) -> None:
    """Where no network device is one of the machine, as in a container, all but the loopback are summed."""
    node.remove("sys/class/net/eth0")
    assert node_of(sampler).network_receive_bytes == 1005
    node.write("proc/1/net/dev", DEV + device("lo", 7, 7))
    assert node_of(sampler).network_receive_bytes is None


def test_network_where_process_1_is_hidden(node: Machine, sampler: EpicSampler) -> None:
    """Without the devices of process 1 those that this process sees are summed."""
    node.remove("proc/1")
    node.write("proc/net/dev", DEV + device("eth0", 2, 3))
    assert node_of(sampler).network_transmit_bytes == 3


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("proc/stat", {"cpu_usage_percent"}), ("proc/meminfo", {"memory_used_bytes", "memory_total_bytes"}),
        ("proc/diskstats", set()), ("proc/1/net/dev", {"network_receive_bytes", "network_transmit_bytes"}),
        ("proc/loadavg", {"load1", "load5", "load15"}),
    ],
)  # fmt: skip
def test_a_source_that_fails_costs_itself_alone(
    node: Machine, sampler: EpicSampler, path: str, fields: set[str]
) -> None:
    """What an odd file would tell is absent, each failure is an error, and the others stay; absence is no error."""
    sampler.sample()
    node.write(path, "\xff odd\n")
    for errors in (1, 2):
        assert absent(node_of(sampler)) - {"cpu_usage_percent"} == fields - {"cpu_usage_percent"}
        assert node_of(sampler).errors == 2 * errors
        assert sampler.left_out == 1
    node.remove(path)
    assert node_of(sampler).errors == 4
    assert sampler.left_out == 0


def absent(record: NodeUsage) -> set[str]:
    return {name for name, value in msgspec.structs.asdict(record).items() if value is None}


def test_an_odd_cpu_is_counted(node: Machine, sampler: EpicSampler) -> None:
    """A line of a CPU that is not understood is left out, which is no error of the whole source."""
    node.write("proc/stat", STAT.format(1, 1).replace("intr", "cpu1 x\nintr"))
    assert node_of(sampler).errors == 0
    assert sampler.left_out == 1


def test_absent(machine: Machine) -> None:
    """A machine without any of the files has nothing to say."""
    with pytest.raises(Absent):
        EpicSampler(machine.host, DeviceFilter(None, None), 15.0).sample()


def wait_for(collector: SnapshotCollector, wanted: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    deadline = time.monotonic() + LONG_S
    while True:
        try:
            found = series(collector.collect())
        except NoSnapshot:
            found = {}
        if wanted(found):
            return found
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_mocks_names(node: Machine) -> None:
    """All names are the mock's, without labels, those that node_exporter has too among them."""
    values = load({"collector.epic.interval": "0.1s"}, {})
    collector = collectors.build("epic", node.host, values)
    assert isinstance(collector, SnapshotCollector)
    assert series(collector.collect()).keys() >= {"exporter_errors_total"}  # a scrape waits for the first sample
    node.write("proc/stat", STAT.format(130, 110))
    found = wait_for(collector, lambda found: "node_cpu_usage_percent" in found)
    collector.loop.stop()
    disks = {f'node_disk_{name}{{device="sda"}}' for name in (
        "read_bytes_per_second", "written_bytes_per_second", "read_iops", "write_iops")}  # fmt: skip
    assert found.keys() == MOCK | disks | {'node_cpu_core_usage_percent{cpu="0"}', "exporter_errors_total"}
    assert collector.left_out == 0


def test_no_name_of_another_collector(machine: Machine) -> None:
    """But for the names that it leaves to netdev and loadavg, no name is one of another collector, in any labels."""
    values = load({}, {})
    names = {
        entry.name: {metric.name for metric in collectors.build(entry.name, machine.host, values).metrics}
        for entry in collectors.TABLE
    }
    ours = names.pop("epic")
    assert ours & set().union(*names.values()) <= SHARED


@pytest.mark.parametrize(
    ("record", "row"),
    [
        *((NodeUsage, row) for row in (*epic.NODE, *epic.NETWORK, *epic.LOAD)),
        *((CpuUsage, row) for row in epic.CPU), *((DiskUsage, row) for row in epic.DISK),
    ],
)  # fmt: skip
def test_every_row_names_fields_of_its_record(record: type[msgspec.Struct], row: Row) -> None:
    """A profile can only name what the record has."""
    fields = {field.name for field in msgspec.structs.fields(record)}
    assert {row.field, *(field for _, field in row.labels)} <= fields
