"""What GPM says of a simulated GPU: which of its units are busy while it is. Source: NVML, nvmlGpmMetricsGet."""

from __future__ import annotations

from typing import Final

from nodescope.simulate.gpu_activity import MIB, Activity
from nodescope.simulate.gpu_timeline import Moment

_THOUSANDTHS: Final = 1000.0

# In thousandths of how busy the GPU is: while it trains, and else.
_UNITS: Final[dict[str, tuple[int, int]]] = {
    "graphics_util": (1000, 1000),
    "sm_util": (930, 780),
    "sm_occupancy": (340, 220),
    "integer_util": (120, 90),
    "any_tensor_util": (560, 230),
    "dfma_tensor_util": (0, 0),
    "hmma_tensor_util": (540, 80),
    "dmma_tensor_util": (0, 0),
    "imma_tensor_util": (0, 150),
    "dram_bw_util": (480, 620),
    "fp64_util": (0, 0),
    "fp32_util": (160, 130),
    "fp16_util": (90, 60),
    "nvdec_0_util": (0, 0),
    "nvjpg_0_util": (0, 0),
    "nvofa_0_util": (0, 0),
}


def units(busy_percent: float, trains: bool) -> dict[str, float]:
    """Percent of each unit; also what an instance says, which knows nothing of links."""
    column = 0 if trains else 1
    return {name: busy_percent * parts[column] / _THOUSANDTHS for name, parts in _UNITS.items()}


def links(activity: Activity, moment: Moment, links_up: int) -> dict[str, float]:
    """MiB/s over PCIe and all NVLinks."""
    nvlink = moment.of(activity.nvlink) * links_up / MIB
    return {
        "pcie_tx_per_sec": moment.of(activity.tx) / MIB,
        "pcie_rx_per_sec": moment.of(activity.rx) / MIB,
        "nvlink_total_tx_per_sec": nvlink,
        "nvlink_total_rx_per_sec": nvlink,
    }
