"""Collector rdma, from snapshots and from whole trees."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from nodescope.collectors.parts import Parts
from nodescope.collectors.rdma.counter_families import MAX_FAMILIES
from nodescope.collectors.rdma.rdma import RdmaCollector
from nodescope.collectors.rdma.source import loop as source_loop
from nodescope.exposition.text import TextEncoder
from nodescope.host import Absent, Host
from nodescope.profiles.rdma_native import KNOWN
from nodescope.records.rdma import RdmaCounter, RdmaDevice, RdmaPort, RdmaSource
from nodescope.settings import Origin, Settings
from nodescope.settings.rdma import RDMA, RDMA_OPTIONS
from nodescope.simulate.rdma_board import RdmaOptions
from nodescope.simulate.rdma_tree import write_rdma
from tests.collectors.gpu.gpu_snapshot import loop_of
from tests.collectors.host.machine import series

DEADLINE_S = 20.0
SOURCE = RdmaSource(kind="sysfs", devices=1)


def counter(name: str, value: int = 1, port: int | None = 1, group: str = "counters") -> RdmaCounter:
    return RdmaCounter(device="mlx5_0", port=port, group=group, counter=name, value=value)


def shown(*records: Any) -> tuple[dict[str, float], int]:
    """What the collector makes of `records`, and how much it left out."""
    with loop_of(*records) as loop:
        collector = RdmaCollector(loop)
        families = collector.collect()
        assert collector.collect() is families
        encoder = TextEncoder()
        encoder.encode(families).decode()
        assert (encoder.duplicates, encoder.mislabelled) == ([], [])
        return series(families), collector.left_out


def settings(**changes: Any) -> Settings:
    values = {option.key: option.default for option in RDMA_OPTIONS} | changes
    return Settings(values, dict.fromkeys(values, Origin("test")), ())


def test_a_device_and_its_port() -> None:
    """Identities are labels of a one, states and rate are numbers in base units."""
    device = RdmaDevice(name="mlx5_0", index=0, firmware_version="28.39", pci_address="0000:18:00.0", numa_node=1)
    port = RdmaPort(
        device="mlx5_0", port=1, link_layer="InfiniBand", state="ACTIVE", state_value=4, physical_state_value=5,
        rate_bits_per_second=400_000_000_000, lid=17, port_guid="a088:c203:005a:f21e",
    )  # fmt: skip
    found, left_out = shown(SOURCE, device, port)
    assert found == {
        'nodescope_rdma_source_info{source="sysfs"}': 1,
        "nodescope_rdma_devices": 1,
        "nodescope_rdma_unresponsive_devices": 0,
        'nodescope_rdma_device_info{device="mlx5_0",index="0",node_type="",node_description="",firmware_version="28.39",'
        'hardware_version="",hca_type="",board_id="",node_guid="",sys_image_guid="",driver="",'
        'pci_address="0000:18:00.0",numa_node="1",uverbs=""}': 1,
        'nodescope_rdma_port_info{device="mlx5_0",port="1",link_layer="InfiniBand",netdev="",gid="",'
        'port_guid="a088:c203:005a:f21e",lid="17",sm_lid=""}': 1,
        'nodescope_rdma_port_state{device="mlx5_0",port="1"}': 4,
        'nodescope_rdma_port_physical_state{device="mlx5_0",port="1"}': 5,
        'nodescope_rdma_port_rate_bytes_per_second{device="mlx5_0",port="1"}': 5e10,
    }
    assert left_out == 0


@pytest.mark.parametrize(
    ("name", "value", "family"),
    [
        ("port_xmit_data", 400, "nodescope_rdma_port_xmit_data_bytes_total"),
        ("VL15_dropped", 100, "nodescope_rdma_vl15_dropped_total"),
        ("rx_prio3_pause", 100, "nodescope_rdma_rx_prio3_pause_total"),
        ("cnpHandled", 100, "nodescope_rdma_cnphandled_total"),
        ("active_qps", 100, "nodescope_rdma_active_qps"),
        ("my_total", 100, "nodescope_rdma_my_total"),
    ],
)
def test_a_counter(name: str, value: int, family: str) -> None:
    """Each file has its family: words of four bytes are bytes, what rises and falls is a gauge."""
    found, left_out = shown(SOURCE, counter(name, 100))
    assert found[f'{family}{{device="mlx5_0",port="1"}}'] == value
    assert left_out == 0


def test_a_counter_of_the_device() -> None:
    """Its label port is empty."""
    found, _ = shown(SOURCE, counter("alloc_mr_err", 2, port=None, group="hw_counters"))
    assert found['nodescope_rdma_alloc_mr_err_total{device="mlx5_0",port=""}'] == 2


def test_counters_that_have_no_family() -> None:
    """A name that none can have, a second one of the same name, and one too many are counted."""
    broken = RdmaSource(kind="sysfs", devices=1, left_out=3)
    found, left_out = shown(
        broken, counter("a b"), counter("x" * 97), counter("x", 1), counter("x", 2, group="hw_counters")
    )
    assert found['nodescope_rdma_x_total{device="mlx5_0",port="1"}'] == 1
    assert left_out == 6
    many = [counter(f"counter_{number}") for number in range(MAX_FAMILIES + 5)]
    found, left_out = shown(SOURCE, *many)
    assert left_out == 5
    assert sum("counter_" in name for name in found) == MAX_FAMILIES


def test_its_metrics() -> None:
    """No name stands twice, and those that count are counters."""
    names = [metric.name for metric in RdmaCollector.metrics]
    assert len(names) == len(set(names))
    assert all(known.metric.name.endswith("_total") == (known.metric.type == "counter") for known in KNOWN.values())


@pytest.mark.parametrize("style", ["mlx5", "bnxt_re", "ionic"])
def test_a_whole_machine(tmp_path: Path, style: str) -> None:
    """Through the settings: every device and port of a machine is shown, and nothing left out."""
    write_rdma(tmp_path, 4, 2, RdmaOptions(style=style))
    host = Host(str(tmp_path / "proc"), str(tmp_path / "sys"), str(tmp_path))
    loop = source_loop(Parts(host, settings()))
    try:
        assert loop.first(time.monotonic() + DEADLINE_S)
        collector = RdmaCollector(loop)
        found = series(collector.collect())
    finally:
        loop.stop()
    assert collector.left_out == 0
    assert found["nodescope_rdma_devices"] == 4
    assert sum(name.startswith("nodescope_rdma_port_state{") for name in found) == 8
    assert {name.partition("{")[0] for name in found} >= {"nodescope_rdma_device_info", "nodescope_rdma_port_info"}


def test_a_machine_without_rdma(tmp_path: Path) -> None:
    """Absent, whatever sources are asked."""
    for kind in ("auto", "sysfs", "programs"):
        (tmp_path / kind / "sys").mkdir(parents=True)
        host = Host(str(tmp_path / kind / "proc"), str(tmp_path / kind / "sys"), str(tmp_path / kind))
        nothing = {"collector.rdma.rdma": "rdma-that-is-not-there", "collector.rdma.ibv-devinfo": "none-that-is-there"}
        loop = source_loop(Parts(host, settings(**nothing, **{"collector.rdma.source": kind})))
        try:
            assert loop.first(time.monotonic() + DEADLINE_S)
            with pytest.raises(Absent):
                RdmaCollector(loop).collect()
        finally:
            loop.stop()


def test_its_settings() -> None:
    """Each option is of a collector, and has a default that it allows."""
    assert {option.key.split(".")[1] for option in RDMA_OPTIONS} <= {collects.name for collects in RDMA}
    for option in RDMA_OPTIONS:
        assert not option.choices or option.default in option.choices
        assert option.minimum is None or option.default >= option.minimum
