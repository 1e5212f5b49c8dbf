"""RDMA devices in sysfs, on trees."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nodescope import collectors
from nodescope.configuration import load
from nodescope.devices.rdma.netlink import KernelDevice
from nodescope.devices.rdma.sysfs import SysfsRdma
from nodescope.host import Absent, Host, Malformed
from nodescope.records.rdma import RdmaCounter, RdmaDevice, RdmaPort, RdmaSource
from nodescope.simulate.rdma_board import RdmaOptions
from nodescope.simulate.rdma_tree import write_rdma
from tests.devices.rdma.rdma_node import DEVICE, GUID, REFUSING, RdmaNode, Silent

PATIENCE_S = 1.0
DEADLINE_S = 20.0


@pytest.fixture
def node(tmp_path: Path) -> RdmaNode:
    return RdmaNode(tmp_path)


@pytest.fixture
def read(node: RdmaNode) -> Iterator[Callable[..., SysfsRdma]]:
    """read(discovery_s=3600, ...): all devices of `node`."""
    made: list[SysfsRdma] = []

    def make(discovery_s: float = 3600.0, **more: Any) -> SysfsRdma:
        made.append(SysfsRdma(node.host, discovery_s, PATIENCE_S, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def of(kind: type, records: tuple[Any, ...]) -> list[Any]:
    return [record for record in records if type(record) is kind]


def counters(records: tuple[Any, ...], device: str = "mlx5_0") -> dict[tuple[int | None, str], int]:
    found = [counter for counter in of(RdmaCounter, records) if counter.device == device]
    return {(counter.port, f"{counter.group}/{counter.counter}"): counter.value for counter in found}


COUNTERS = {(1, "counters/port_rcv_data"): 1000, (1, "counters/symbol_error"): 0, (1, "hw_counters/out_of_buffer"): 7}


def test_a_device_and_its_port(node: RdmaNode, read: Callable[..., SysfsRdma]) -> None:
    """All that sysfs says of a device and its port is in their records; the lifespan of counters is none of them."""
    node.device("mlx5_0")
    node.uverbs(3, "mlx5_0")
    source, device, port, *counted = read().sample()
    assert source == RdmaSource(kind="sysfs", devices=1)
    assert device == RdmaDevice(
        name="mlx5_0", node_type="CA", node_description="node0 HCA-1", firmware_version="28.39.2048",
        hardware_version="0", hca_type="MT4129", board_id="MT_0000000838", node_guid=GUID, sys_image_guid=GUID,
        driver="mlx5_core", pci_address="0000:18:00.0", numa_node=1, uverbs="uverbs3", netdevs=("ibp24s0",),
    )  # fmt: skip
    assert port == RdmaPort(
        device="mlx5_0", port=1, link_layer="InfiniBand", state="ACTIVE", state_value=4, physical_state="LinkUp",
        physical_state_value=5, rate_bits_per_second=400_000_000_000, lid=17, sm_lid=1,
        gid=f"fe80:0000:0000:0000:{GUID}", port_guid=GUID, netdev="ibp24s0",
    )  # fmt: skip
    assert counters(tuple(counted)) == COUNTERS


@pytest.mark.parametrize("style", ["mlx5", "bnxt_re", "ionic"])
def test_whole_machines(tmp_path: Path, style: str) -> None:
    """Each device of a machine of twelve is there with its port, its node, its place and its counters."""
    root = tmp_path / "machine"
    write_rdma(root, 12, options=RdmaOptions(style=style, down=(3,)))
    records = SysfsRdma(Host(str(root / "proc"), str(root / "sys"), str(root)), 60.0).sample()
    devices, ports = of(RdmaDevice, records), of(RdmaPort, records)
    assert records[0] == RdmaSource(kind="sysfs", devices=12)
    assert len({device.pci_address for device in devices}) == 12
    assert {device.uverbs for device in devices} == {f"uverbs{number}" for number in range(12)}
    assert {port.device: port.state for port in ports if port.state != "ACTIVE"} == {devices_named(3, style): "DOWN"}
    assert all(port.netdev and port.port_guid and port.rate_bits_per_second for port in ports)
    assert len(of(RdmaCounter, records)) >= 12 * 20


def devices_named(number: int, style: str) -> str:
    return {"mlx5": f"mlx5_{number}", "bnxt_re": f"bnxt_re{number}", "ionic": f"ionic_{number}"}[style]


def test_counters_of_the_device_itself(node: RdmaNode, read: Callable[..., SysfsRdma]) -> None:
    """hw_counters beside the ports are of no port; folders and words among the counters are counted as left out."""
    folder = node.device("efa_0")
    node.write(folder / "hw_counters/alloc_ucontext_err", "2")
    node.write(folder / "hw_counters/lifespan", "10")
    (folder / "hw_counters/odd").mkdir()
    node.write(folder / "ports/1/counters/symbol_error", "many")
    node.write(folder / "ports/1/counters/VL15_dropped", "N/A (no PMA)")
    records = read().sample()
    found = counters(records, "efa_0")
    assert found[None, "hw_counters/alloc_ucontext_err"] == 2
    assert len(found) == 3
    assert records[0].left_out == 2


@pytest.mark.parametrize("code", [errno.EBUSY, errno.EIO, errno.ENXIO])
def test_a_counter_that_is_silent_for_a_moment(
    node: RdmaNode, read: Callable[..., SysfsRdma], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """What a driver cannot tell while its firmware is reset is there again as soon as it can."""
    node.device("mlx5_0")
    source = read()
    before = of(RdmaCounter, source.sample())
    told = Host.read

    def fails(self: Host, path: str, *more: Any, **options: Any) -> bytes:
        if "counters/" in path:
            raise OSError(code, "in reset", path)
        return told(self, path, *more, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Host, "read", fails)
        assert of(RdmaCounter, source.sample()) == []
    assert before
    assert of(RdmaCounter, source.sample()) == before


def test_a_counter_that_times_out(
    node: RdmaNode, read: Callable[..., SysfsRdma], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each one that times out is waited for once, not with each sample: that would cost the states of ports too."""
    node.device("mlx5_0")
    source = read()
    counters = len(of(RdmaCounter, source.sample()))
    asked: list[str] = []
    told = Host.read

    def times_out(self: Host, path: str, *more: Any, **options: Any) -> bytes:
        if "counters/" in path:
            asked.append(path)
            raise OSError(errno.ETIMEDOUT, "firmware", path)
        return told(self, path, *more, **options)

    monkeypatch.setattr(Host, "read", times_out)
    for _ in range(3):
        source.sample()
    assert len(asked) == counters


def test_a_counter_that_the_driver_refuses(node: RdmaNode, read: Callable[..., SysfsRdma]) -> None:
    """EINVAL costs that counter alone, and it is asked again at the next discovery."""
    if not REFUSING.exists():
        pytest.skip("no loopback device in sysfs")
    file = node.device("mlx5_0") / "ports/1/counters/symbol_error"
    file.unlink()
    file.symlink_to(REFUSING)
    sysfs = read(discovery_s=0.3)
    for _ in range(2):
        records = sysfs.sample()
        assert counters(records) == {key: value for key, value in COUNTERS.items() if "symbol_error" not in key[1]}
        assert records[0].left_out == 0
    file.unlink()
    node.write(file, "5")
    deadline = time.monotonic() + DEADLINE_S
    while (1, "counters/symbol_error") not in counters(sysfs.sample()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("missing", [*DEVICE, "ports/1/state", "ports/1/rate", "ports/1/gids/0", "ports/1/link_layer"])
def test_a_missing_attribute(node: RdmaNode, read: Callable[..., SysfsRdma], missing: str) -> None:
    """It is unknown, and costs nothing else."""
    whole = node.device("mlx5_0", "0000:18:00.0")
    (node.device("mlx5_1", "0000:19:00.0") / missing).unlink()
    assert whole.exists()
    records = read().sample()
    (_, less), (port, less_port) = of(RdmaDevice, records), of(RdmaPort, records)
    assert records[0].left_out == 0
    assert counters(records, "mlx5_1") == COUNTERS
    assert None in [getattr(less, field) for field in ("node_type", *_FIELDS)] or "ports" in missing
    assert (less_port.state, less_port.rate_bits_per_second, less_port.gid, less_port.link_layer) != (
        port.state, port.rate_bits_per_second, port.gid, port.link_layer,
    ) or "ports" not in missing  # fmt: skip


_FIELDS = ("node_description", "firmware_version", "hardware_version", "hca_type", "board_id", "node_guid",
           "sys_image_guid")  # fmt: skip


def test_a_device_that_is_software(node: RdmaNode, read: Callable[..., SysfsRdma]) -> None:
    """One without a PCI function has neither address nor driver; its interface is its parent's."""
    folder = node.sysfs / "devices/virtual/infiniband/rxe0"
    node.write(folder / "parent", "eth0")
    node.write(folder / "node_guid", "0000:0000:0000:0000")
    node.write(folder / "ports/1/state", "1: DOWN")
    node.link(node.sysfs / "class/infiniband/rxe0", "../../devices/virtual/infiniband/rxe0")
    records = read().sample()
    assert of(RdmaDevice, records) == [RdmaDevice(name="rxe0", netdevs=("eth0",))]
    assert of(RdmaPort, records) == [RdmaPort(device="rxe0", port=1, state="DOWN", state_value=1)]


def test_two_ports_with_an_interface_each(node: RdmaNode, read: Callable[..., SysfsRdma]) -> None:
    """Where a port names no interface it is that of the function which has its number, the first by name."""
    folder = node.device("mlx4_0", ports=(2, 1))
    for name, dev_port in (("ib1", 1), ("ib0.8001", 0), ("ib0", 0)):
        node.netdev(folder, name, dev_port)
    for port in (1, 2):
        (folder / f"ports/{port}/gid_attrs/ndevs/0").unlink()
    (folder / "ports/one").mkdir()
    records = read().sample()
    assert [(port.port, port.netdev) for port in of(RdmaPort, records)] == [(1, "ib0"), (2, "ib1")]
    assert of(RdmaDevice, records)[0].netdevs == ("ib0", "ib0.8001", "ib1")
    assert records[0].left_out == 1


def test_a_part_of_a_function(node: RdmaNode, read: Callable[..., SysfsRdma]) -> None:
    """A device on an auxiliary device of a function is at the function's address, in whatever domain that is."""
    folder = node.sysfs / "devices/pci10000:00/10000:00:01.0/10001:c1:00.2/mlx5_core.sf.4/infiniband/mlx5_4"
    node.write(folder / "fw_ver", "28")
    node.link(folder / "device", "../..")
    node.link(node.sysfs / "class/infiniband/mlx5_4", os.path.relpath(folder, node.sysfs / "class/infiniband"))
    (device,) = of(RdmaDevice, read().sample())
    assert device.pci_address == "10001:c1:00.2"


def test_a_change_of_state(node: RdmaNode, read: Callable[..., SysfsRdma]) -> None:
    """The link's rate and address are read again with it, long before the next discovery."""
    folder = node.device("mlx5_0")
    sysfs = read()
    sysfs.sample()
    for name, value in (("state", "1: DOWN"), ("phys_state", "3: Disabled"), ("rate", "10 Gb/sec (4X SDR)"),
                        ("lid", "0xffff"), ("counters/symbol_error", "4")):  # fmt: skip
        node.write(folder / "ports/1" / name, value)
    records = sysfs.sample()
    (port,) = of(RdmaPort, records)
    assert (port.state, port.physical_state, port.rate_bits_per_second, port.lid) == (
        "DOWN", "Disabled", 10_000_000_000, 0xFFFF,
    )  # fmt: skip
    assert counters(records)[1, "counters/symbol_error"] == 4


def test_devices_come_and_go(node: RdmaNode, read: Callable[..., SysfsRdma]) -> None:
    """A new device is there at the next reading, one that is gone is not, and none at all is absence."""
    sysfs = read()
    with pytest.raises(Absent):
        sysfs.sample()
    node.device("mlx5_0")
    assert [device.name for device in of(RdmaDevice, sysfs.sample())] == ["mlx5_0"]
    node.device("mlx5_1", "0000:19:00.0")
    (node.sysfs / "class/infiniband/mlx5_0").unlink()
    assert [device.name for device in of(RdmaDevice, sysfs.sample())] == ["mlx5_1"]
    (node.sysfs / "class/infiniband/mlx5_1").unlink()
    with pytest.raises(Absent):
        sysfs.sample()


def test_a_class_that_may_not_be_listed(node: RdmaNode, read: Callable[..., SysfsRdma]) -> None:
    """That is a failure, not absence."""
    node.link(node.sysfs / "class/infiniband", "infiniband")
    with pytest.raises(OSError, match="infiniband") as refused:
        read().sample()
    assert refused.value.errno == errno.ELOOP


@pytest.mark.parametrize("file", ["fw_ver", "ports/1/counters/symbol_error", "ports/1/state", "ports/1/gids/0"])
def test_a_file_that_never_answers(node: RdmaNode, read: Callable[..., SysfsRdma], file: str) -> None:
    """It costs its own device its ports and counters until it answers; what was known of it stays."""
    folder = node.device("mlx5_0")
    node.device("mlx5_1", "0000:19:00.0")
    sysfs = read(discovery_s=0.0)
    known = of(RdmaDevice, sysfs.sample())
    with Silent(folder / file):
        for _ in range(2):
            records = sysfs.sample()
            assert records[0] == RdmaSource(kind="sysfs", devices=2, unresponsive=1)
            assert of(RdmaDevice, records) == known
            assert [port.device for port in of(RdmaPort, records)] == ["mlx5_1"]
            assert counters(records, "mlx5_1") == COUNTERS
    deadline = time.monotonic() + DEADLINE_S
    while sysfs.sample()[0].unresponsive:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(of(RdmaPort, sysfs.sample())) == 2


def test_a_node_that_never_answers(node: RdmaNode, read: Callable[..., SysfsRdma]) -> None:
    """It costs names of nodes alone; a device that was never read is there by its name."""
    silent = node.device("mlx5_0")
    node.device("mlx5_1", "0000:19:00.0")
    node.uverbs(0, "mlx5_0")
    with Silent(node.sysfs / "class/infiniband_verbs/uverbs0/ibdev"), Silent(silent / "fw_ver"):
        records = read(kernel_devices=lambda: {"mlx5_0": KernelDevice("mlx5_0", 4, "CA", "1.2", None, None)}).sample()
        bare, whole = of(RdmaDevice, records)
        assert bare == RdmaDevice(name="mlx5_0", index=4, node_type="CA", firmware_version="1.2")
        assert (whole.uverbs, whole.firmware_version) == (None, "28.39.2048")


def test_what_the_kernel_adds(node: RdmaNode, read: Callable[..., SysfsRdma]) -> None:
    """Netlink tells the index, and what sysfs does not; where it refuses there is no index."""
    (node.device("mlx5_0") / "node_guid").unlink()
    told = {"mlx5_0": KernelDevice("mlx5_0", 7, "RNIC", "99", GUID, None)}
    (device,) = of(RdmaDevice, read(kernel_devices=lambda: told).sample())
    assert (device.index, device.node_type, device.firmware_version, device.node_guid) == (7, "CA", "28.39.2048", GUID)

    def refuse() -> dict[str, KernelDevice]:
        raise Malformed("RDMA netlink", b"", "a device")

    (device,) = of(RdmaDevice, read(kernel_devices=refuse).sample())
    assert device.index is None


def test_records_of_what_stands_still_are_the_same(node: RdmaNode, read: Callable[..., SysfsRdma]) -> None:
    """Nothing is made anew for what has not changed."""
    node.device("mlx5_0")
    sysfs = read()
    first, second = sysfs.sample(), sysfs.sample()
    assert all(one is other for one, other in zip(first[1:], second[1:], strict=True) if type(one) is not RdmaPort)


class Recording(Host):
    """A host that tells which files were read to be kept open."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root / "proc"), str(root / "sys"), str(root))
        self.paths: list[str] = []

    def read(self, path: str, at_once: bool = False, built_in: bool = False, record_bytes: int = 0) -> bytes:
        self.paths.append(path)
        return super().read(path, at_once, built_in, record_bytes)


def test_descriptors_are_shared_with_the_collector_of_host_metrics(tmp_path: Path) -> None:
    """Both read the same files by the same names, so that each is kept open once."""
    write_rdma(tmp_path, 2)
    host = Recording(tmp_path)
    collectors.build("infiniband", host, load({}, {})).collect()
    theirs, host.paths = set(host.paths), []
    SysfsRdma(host, 60.0).sample()
    assert len(host.paths) == len(set(host.paths))
    assert {path for path in theirs if "/counters/" in path or "state" in path} <= set(host.paths)
    assert theirs - set(host.paths) <= {path for path in theirs if path.endswith("/lifespan")}
