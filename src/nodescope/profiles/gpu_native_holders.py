"""Profile native of GPUs: what each holder has of them.

*Source*: as `gpu_native`. Of each quantity the rows of a GPU, or of a partition, sum to what its own family says on the
same page; `holder` is one row's, and is its container's id, "pod:NAMESPACE/NAME", "job:ID", "user:NAME",
"unattributed" or, of energy, "departed".
"""

from __future__ import annotations

from typing import Final

from nodescope.profiles import Row
from nodescope.profiles.gpu_native_reading import Labels

_PART: Final[Labels] = (
    ("hw_id", "part.device"),
    *(
        (name, f"part.{name}")
        for name in ("holder", "attribution", "container", "pod_name", "pod_namespace", "user", "slurm_job")
    ),
)
_OWN: Final = "nodescope_gpu_attributed"
HOLDERS: Final = (
    Row(
        f"{_OWN}_memory_bytes",
        "gauge",
        "Memory of a GPU, or of a partition, that a holder uses.",
        _PART,
        "memory_bytes",
    ),
    Row(
        f"{_OWN}_utilization_ratio",
        "gauge",
        "A holder's part of the utilisation of a GPU, or of a partition.",
        _PART,
        "utilization_ratio",
    ),
    Row(f"{_OWN}_power_watts", "gauge", "A holder's part of the power that a GPU draws.", _PART, "power_watts"),
    Row(
        f"{_OWN}_energy_joules_total",
        "counter",
        "A holder's part of the energy that a GPU has used since the agent started.",
        _PART,
        "energy_joules",
    ),
)
