"""NVML's GPU performance monitoring (GPM) metrics that are read. Source: nvml.h, `nvmlGpmMetricId_t`.

Units: percent for `*_util` and `sm_occupancy`, MiB/s for `*_per_sec`, counts for the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from nodescope.devices.nvidia.child.library import Driver

LINKS: Final = 18
LATER: Final[Driver] = (575, 51)
"""The first driver whose header has what was added after the first set."""


class Metric(NamedTuple):
    """`name`: without NVML_GPM_METRIC_. `instance`: also of a GPU instance. `first`: the first driver that has it."""

    number: int
    name: str
    instance: bool = False
    first: Driver = ()


def _named(first: int, *names: str, instance: bool = False, driver: Driver = ()) -> Iterator[Metric]:
    """Metrics with consecutive numbers; "" skips one."""
    for offset, name in enumerate(names):
        if name:
            yield Metric(first + offset, name, instance, driver)


def _numbered(first: int, name: str, count: int) -> Iterator[Metric]:
    return _named(first, *(name.format(offset) for offset in range(count)))


def _links() -> Iterator[str]:
    for link in range(LINKS):
        yield f"nvlink_l{link}_rx_per_sec"
        yield f"nvlink_l{link}_tx_per_sec"


METRICS: Final[tuple[Metric, ...]] = (
    *_named(
        1,
        "graphics_util",
        "sm_util",
        "sm_occupancy",
        "integer_util",
        "any_tensor_util",
        "dfma_tensor_util",
        "hmma_tensor_util",
        "",
        "imma_tensor_util",
        "dram_bw_util",
        "fp64_util",
        "fp32_util",
        "fp16_util",
        instance=True,
    ),
    *_named(20, "pcie_tx_per_sec", "pcie_rx_per_sec", instance=True),
    *_numbered(30, "nvdec_{}_util", 8),
    *_numbered(40, "nvjpg_{}_util", 8),
    *_numbered(50, "nvofa_{}_util", 2),
    *_named(60, "nvlink_total_rx_per_sec", "nvlink_total_tx_per_sec"),
    *_named(62, *_links()),
    *_named(
        100,
        "c2c_total_tx_per_sec",
        "c2c_total_rx_per_sec",
        "c2c_data_tx_per_sec",
        "c2c_data_rx_per_sec",
        driver=LATER,
    ),
    *_named(160, "hostmem_cache_hit", "hostmem_cache_miss", "peermem_cache_hit", "peermem_cache_miss", driver=LATER),
    *_named(
        248,
        "sm_cycles_elapsed",
        "sm_cycles_active",
        "mma_cycles_active",
        "dmma_cycles_active",
        "hmma_cycles_active",
        "imma_cycles_active",
        "dfma_cycles_active",
        "pcie_tx",
        "pcie_rx",
        "integer_cycles_active",
        "fp64_cycles_active",
        "fp32_cycles_active",
        "fp16_cycles_active",
        driver=LATER,
    ),
)


def wanted(driver: Driver, instance: bool) -> list[Metric]:
    """Those that a driver may have, of a GPU or of a GPU instance."""
    return [metric for metric in METRICS if driver[:2] >= metric.first and (metric.instance or not instance)]
