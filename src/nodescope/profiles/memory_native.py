"""Profile native of memory modules. Errors by row and channel are node_exporter's families (node_edac_*)."""

from __future__ import annotations

from typing import Final

from nodescope.profiles import Row
from nodescope.records.memory import MemoryModule

_MODULE: Final = (("controller", "controller"), ("module", "module"))

PROFILE: Final[dict[type, tuple[Row, ...]]] = {
    MemoryModule: (
        Row(
            "nodescope_memory_module_info",
            "gauge",
            "A memory module, always 1; module unknown: errors that the controller could not place.",
            (*_MODULE, ("label", "label"), ("location", "location"), ("type", "kind")),
            "=1",
        ),
        Row("nodescope_memory_module_size_bytes", "gauge", "Size of the memory module.", _MODULE, "size_bytes"),
        *(
            Row(
                f"nodescope_memory_module_{kind}_errors_total",
                "counter",
                f"Errors of the memory module that were {told}, since the node was booted.",
                (*_MODULE, ("label", "label")),
                f"{kind}_errors",
            )
            for kind, told in (("correctable", "corrected"), ("uncorrectable", "not corrected"))
        ),
    ),
}
