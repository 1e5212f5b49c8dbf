"""Profile lens: the names of the GPU metrics of Primus-Lens' node-exporter.

`gpu_id` is the index. `gpu_pcie_bandwidth_mbs` is the number that amd-smi shows as pcie.bandwidth, which is the
driver's pcie_bandwidth_inst as it is; where a driver tells of bytes instead, these in Mbit/s.
"""

from __future__ import annotations

from typing import Final

from nodescope.profiles import Row
from nodescope.records.lens import LensGpu

MILLI: Final = 1000
_GPU: Final = (("gpu_id", "identity.index"),)

PROFILE: Final[dict[type, tuple[Row, ...]]] = {
    LensGpu: (
        Row("gpu_utilization", "gauge", "gpu utilization", _GPU, "reading.utilization_percent"),
        Row("gpu_socket_power_watts", "gauge", "gpu socket power in watts", _GPU, "reading.power_milliwatts",
            per=MILLI),
        Row("gpu_pcie_bandwidth_mbs", "gauge", "gpu pcie bandwidth in Mb/s", _GPU, "pcie_bandwidth"),
    ),
}  # fmt: skip
