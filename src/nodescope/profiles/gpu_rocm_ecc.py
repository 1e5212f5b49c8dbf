"""Profile rocm: ECC errors, by block."""

from __future__ import annotations

from typing import Final

from nodescope.profiles import Row

BLOCKS: Final = {
    "sdma": "SDMA",
    "gfx": "GFX",
    "mmhub": "MMHUB",
    "athub": "ATHUB",
    "bif": "BIF",
    "hdp": "HDP",
    "xgmi_wafl": "WAFL",
    "df": "DF",
    "smn": "SMN",
    "sem": "SEM",
    "mp0": "MP0",
    "mp1": "MP1",
    "fuse": "Fuse",
    "umc": "UMC",
    "mca": "MCA",
    "vcn": "VCN",
    "jpeg": "JPEG",
    "ih": "IH",
    "mpio": "MPIO",
}
"""Block -> its name in help texts, but for deferred errors."""

DEFERRED: Final = {"xgmi_wafl": "XGMI WAFL", "fuse": "FUSE"}
KINDS: Final = {"correct": "Correctable", "uncorrect": "Uncorrectable"}

ECC: Final[tuple[tuple[str, str], ...]] = (
    *((f"{kind}_total", f"Total {word} error count") for kind, word in KINDS.items()),
    *(
        (f"{kind}_{block}", f"{word} error count in {name} block")
        for block, name in BLOCKS.items()
        for kind, word in KINDS.items()
    ),
    ("deferred_total", "Total accumulated deferred ECC errors across all GPU blocks"),
    *(
        (f"deferred_{block}", f"Accumulated deferred ECC errors in {DEFERRED.get(block, name)} block")
        for block, name in BLOCKS.items()
    ),
)
"""Key of `RocmGpu.ecc`, which is the end of the metric's name, and its help."""


def ecc(labels: tuple[tuple[str, str], ...]) -> tuple[Row, ...]:
    """A row for each kind of error in each block."""
    return tuple(Row(f"gpu_ecc_{key}", "gauge", what, labels, f"ecc[{key}]") for key, what in ECC)
