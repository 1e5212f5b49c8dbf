"""ECC errors of a GPU by the place they happened in. Source: nvml.h, `nvmlDeviceGetMemoryErrorCounter`,
`nvmlDeviceGetSramEccErrorStatus`.
"""

from __future__ import annotations

import ctypes
from itertools import product
from typing import Any, Final, NamedTuple

from nodescope.devices.nvidia.child._pynvml import pynvml
from nodescope.devices.nvidia.child.calls import Calls
from nodescope.devices.nvidia.child.query import Choice, Queries, Query, Values, struct

LOCATIONS: Final = (
    "l1_cache",
    "l2_cache",
    "dram",
    "register_file",
    "texture_memory",
    "texture_shared_memory",
    "cbu",
    "sram",
)
"""By nvmlMemoryLocation_t."""

KINDS: Final = ("corrected", "uncorrected")
LIVES: Final = ("volatile", "aggregate")


class Place(NamedTuple):
    """As `EccReading` has it."""

    location: str
    corrected: str
    life: str


SRAM_FIELDS: Final = (
    ("volatileCor", Place("sram", "corrected", "volatile")),
    ("aggregateCor", Place("sram", "corrected", "aggregate")),
    ("volatileUncParity", Place("sram_parity", "uncorrected", "volatile")),
    ("aggregateUncParity", Place("sram_parity", "uncorrected", "aggregate")),
    ("volatileUncSecDed", Place("sram_secded", "uncorrected", "volatile")),
    ("aggregateUncSecDed", Place("sram_secded", "uncorrected", "aggregate")),
    ("aggregateUncBucketL2", Place("sram_l2", "uncorrected", "aggregate")),
    ("aggregateUncBucketSm", Place("sram_sm", "uncorrected", "aggregate")),
    ("aggregateUncBucketPcie", Place("sram_pcie", "uncorrected", "aggregate")),
    ("aggregateUncBucketMcu", Place("sram_mcu", "uncorrected", "aggregate")),
    ("aggregateUncBucketOther", Place("sram_other", "uncorrected", "aggregate")),
)
THRESHOLD: Final = "sram_threshold_exceeded"

_PLACES: Final = {
    f"{location} {kind} {life}": Place(location, kind, life)
    for location, kind, life in product(LOCATIONS, KINDS, LIVES)
}
_COUNTERS: Final[tuple[Choice, ...]] = tuple(
    (
        Query(
            "nvmlDeviceGetMemoryErrorCounter",
            ((f"{location} {kind} {life}", 0, "value"),),
            (ctypes.c_ulonglong,),
            (kind_number, life_number, location_number),
        ),
    )
    for (location_number, location), (kind_number, kind), (life_number, life) in product(
        enumerate(LOCATIONS), enumerate(KINDS), enumerate(LIVES)
    )
)
_SRAM: Final[tuple[Choice, ...]] = (
    (
        struct(
            "nvmlDeviceGetSramEccErrorStatus",
            pynvml.c_nvmlEccSramErrorStatus_v1_t,
            **{attribute: attribute for attribute, _ in SRAM_FIELDS},
            **{THRESHOLD: "bThresholdExceeded"},
        ),
    ),
)


class EccErrors:
    """Of one GPU; read seldom. `threshold_exceeded`: 1 where the driver says that SRAM has too many, else 0."""

    def __init__(self, calls: Calls, handle: Any) -> None:
        self.threshold_exceeded: int | None = None
        self._counters = Queries(calls, handle, _COUNTERS)
        self._sram = Queries(calls, handle, _SRAM)

    def read(self) -> list[Values]:
        """A dict of `EccReading` for each place. Raises `GpuLost`, `CallFailed`."""
        counted: Values = {}
        self._counters.read(counted)
        errors = {_PLACES[key]: number for key, number in counted.items()}
        detailed: Values = {}
        self._sram.read(detailed)
        self.threshold_exceeded = detailed.pop(THRESHOLD, None)
        for attribute, place in SRAM_FIELDS:
            if attribute in detailed:
                errors.setdefault(place, detailed[attribute])
        return [{**place._asdict(), "errors": number} for place, number in errors.items()]
