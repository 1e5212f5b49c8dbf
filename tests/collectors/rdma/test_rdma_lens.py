"""Collector rdma_lens: the Lens node exporter's names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nodescope.collectors.rdma.rdma_lens import RdmaLensCollector
from nodescope.devices.rdma.programs import ProgramRdma
from nodescope.metric import Family
from nodescope.records.rdma import RdmaCounter, RdmaSource
from tests.collectors.gpu.gpu_snapshot import loop_of
from tests.collectors.host.machine import series
from tests.devices.rdma.fake_programs import FakePrograms


def shown(*records: Any) -> tuple[list[Family], int]:
    with loop_of(*records) as loop:
        collector = RdmaLensCollector(loop)
        return collector.collect(), collector.left_out


def counter(name: str, value: int, port: int | None = 1, group: str = "hw_counters") -> RdmaCounter:
    return RdmaCounter(device="mlx5_0", port=port, group=group, counter=name, value=value)


def test_what_rdma_shows_of_a_port() -> None:
    """A gauge for each counter in hw_counters of a port, as it is; neither counters nor those of the device."""
    families, left_out = shown(
        RdmaSource(kind="sysfs", devices=1),
        counter("rx_write_requests", 5),
        counter("port_xmit_data", 6, group="counters"),
        counter("alloc_mr_err", 7, port=None),
        counter("cnpHandled", 8),
        counter("no name", 9),
    )
    assert series(families) == {
        'rdma_stat_rx_write_requests{device="mlx5_0",port="1"}': 5,
        'rdma_stat_cnpHandled{device="mlx5_0",port="1"}': 8,
    }
    assert left_out == 1
    assert [(metric.type, metric.help) for metric, _ in families] == [
        ("gauge", "RDMA stat rx_write_requests"),
        ("gauge", "RDMA stat cnpHandled"),
    ]


def test_a_port_that_rdma_did_not_tell() -> None:
    """The label says that the port is unknown."""
    families, _ = shown(RdmaSource(kind="rdma", devices=1), counter("a", 1, port=None))
    assert series(families) == {'rdma_stat_a{device="mlx5_0",port="unknown"}': 1}


def test_from_the_program(tmp_path: Path) -> None:
    """What rdma prints is shown, number for number."""
    fake = FakePrograms(tmp_path / "bin")
    fake.whole()
    families, _ = shown(*ProgramRdma(60.0, fake.rdma, fake.ibv_devinfo, limit_s=10.0).sample())
    assert series(families) == {
        'rdma_stat_rx_write_requests{device="mlx5_0",port="1"}': 10,
        'rdma_stat_rx_write_requests{device="mlx5_1",port="1"}': 11,
        'rdma_stat_out_of_buffer{device="mlx5_0",port="1"}': 7,
        'rdma_stat_out_of_buffer{device="mlx5_1",port="1"}': 0,
    }


def test_its_metrics() -> None:
    """Those of mlx5 are documented, all of them gauges."""
    assert "rdma_stat_rx_write_requests" in {metric.name for metric in RdmaLensCollector.metrics}
    assert {metric.type for metric in RdmaLensCollector.metrics} == {"gauge"}
