"""Layouts of the binary file gpu_metrics of AMD's driver, and of xcp_metrics, which is that of one partition.

*Source*: drivers/gpu/drm/amd/include/kgd_pp_interface.h of Linux, struct gpu_metrics_v1_0 to v3_0 and struct
amdgpu_partition_metrics_v1_0. Names are the kernel's; units: `gpu_metrics.py`.

A layout is written as its fields in order, "name:TYPE" or "name:TYPEcount" for an array, with `struct`'s letters for
unsigned numbers of 1, 2, 4 and 8 bytes (B, H, I, Q), without the header of four bytes. Offsets follow: a C compiler
aligns each field to its own size, and the whole to that of its greatest.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final, NamedTuple

from nodescope.devices.amd.gpu_metrics_layouts_apu import APU

HEADER: Final = struct.Struct("<HBB")
"""Size of the whole in bytes, format revision, content revision."""

SIZES: Final = {"B": 1, "H": 2, "I": 4, "Q": 8}
MAX_PARTITIONS: Final = 8

_TEMPERATURES: Final = (
    "temperature_edge:H temperature_hotspot:H temperature_mem:H temperature_vrgfx:H temperature_vrsoc:H"
    " temperature_vrmem:H "
)
_ACTIVITIES: Final = "average_gfx_activity:H average_umc_activity:H average_mm_activity:H average_socket_power:H "
_CLOCKS: Final = (
    "average_gfxclk_frequency:H average_socclk_frequency:H average_uclk_frequency:H average_vclk0_frequency:H"
    " average_dclk0_frequency:H average_vclk1_frequency:H average_dclk1_frequency:H current_gfxclk:H current_socclk:H"
    " current_uclk:H current_vclk0:H current_dclk0:H current_vclk1:H current_dclk1:H throttle_status:I"
    " current_fan_speed:H "
)
_V1_1: Final = (
    f"{_TEMPERATURES}{_ACTIVITIES}energy_accumulator:Q system_clock_counter:Q {_CLOCKS}pcie_link_width:H"
    " pcie_link_speed:H padding:H gfx_activity_acc:I mem_activity_acc:I temperature_hbm:H4"
)
_V1_2: Final = f"{_V1_1} firmware_timestamp:Q"

_SOCKET: Final = (
    "temperature_hotspot:H temperature_mem:H temperature_vrsoc:H curr_socket_power:H average_gfx_activity:H"
    " average_umc_activity:H "
)
_ENERGY: Final = "energy_accumulator:Q system_clock_counter:Q "
_RESIDENCIES: Final = (
    "accumulation_counter:I prochot_residency_acc:I ppt_residency_acc:I socket_thm_residency_acc:I"
    " vr_thm_residency_acc:I hbm_thm_residency_acc:I "
)
_LINKS: Final = (
    "gfxclk_lock_status:I pcie_link_width:H pcie_link_speed:H xgmi_link_width:H xgmi_link_speed:H gfx_activity_acc:I"
    " mem_activity_acc:I pcie_bandwidth_acc:Q pcie_bandwidth_inst:Q pcie_l0_to_recov_count_acc:Q"
    " pcie_replay_count_acc:Q pcie_replay_rover_count_acc:Q "
)
_NAKS: Final = "pcie_nak_sent_count_acc:I pcie_nak_rcvd_count_acc:I "
_XGMI: Final = "xgmi_read_data_acc:Q8 xgmi_write_data_acc:Q8 "
_XGMI_STATUS: Final = "xgmi_link_status:H8 padding:H "
_EACH_CLOCK: Final = "current_gfxclk:H8 current_socclk:H4 current_vclk0:H4 current_dclk0:H4 current_uclk:H "
_CURRENT: Final = f"firmware_timestamp:Q {_EACH_CLOCK}"
_V1_7: Final = (
    f"{_SOCKET}mem_max_bandwidth:Q {_ENERGY}{_RESIDENCIES}{_LINKS}{_NAKS}{_XGMI}{_XGMI_STATUS}{_CURRENT}num_partition:H"
)
_BUSY_32: Final = "gfx_busy_inst:I8 jpeg_busy:H32 vcn_busy:H4 gfx_busy_acc:Q8"
_BUSY_40: Final = (
    "gfx_busy_inst:I8 jpeg_busy:H40 vcn_busy:H4 gfx_busy_acc:Q8 gfx_below_host_limit_ppt_acc:Q8"
    " gfx_below_host_limit_thm_acc:Q8 gfx_low_utilization_acc:Q8 gfx_below_host_limit_total_acc:Q8"
)
_BEHIND: Final = "pcie_lc_perf_other_end_recovery:I"


class Table(NamedTuple):
    """A layout as it is written: its fields, those of each of eight partitions, and those behind the partitions."""

    size: int
    fields: str
    partition: str = ""
    behind: str = ""


class Field(NamedTuple):
    """A field. `offset`: from the beginning of the file, or of its partition. `instances`: 1, more of an array."""

    name: str
    letter: str
    instances: int
    offset: int


class Layout(NamedTuple):
    """A table with offsets. `partition`: the fields of one partition, each `stride` bytes behind that before it."""

    size: int
    fields: tuple[Field, ...]
    partition: tuple[Field, ...] = ()
    first: int = 0
    stride: int = 0


TABLES: Final[dict[tuple[int, int], tuple[Table, ...]]] = {
    (1, 0): (
        Table(
            80,
            f"system_clock_counter:Q {_TEMPERATURES}{_ACTIVITIES}energy_accumulator:I {_CLOCKS}pcie_link_width:B"
            " pcie_link_speed:B",
        ),
    ),
    (1, 1): (Table(96, _V1_1),),
    (1, 2): (Table(104, _V1_2),),
    (1, 3): (Table(120, f"{_V1_2} voltage_soc:H voltage_gfx:H voltage_mem:H padding1:H indep_throttle_status:Q"),),
    (1, 4): (Table(288, f"{_SOCKET}vcn_activity:H4 {_ENERGY}throttle_status:I {_LINKS}{_XGMI}{_CURRENT}padding:H"),),
    (1, 5): (
        Table(
            360,
            f"{_SOCKET}vcn_activity:H4 jpeg_activity:H32 {_ENERGY}throttle_status:I {_LINKS}{_NAKS}{_XGMI}{_CURRENT}"
            "padding:H",
        ),
    ),
    # Two layouts go by this revision: the first, of early drivers, has no partitions.
    (1, 6): (
        Table(
            384,
            f"{_SOCKET}vcn_activity:H4 jpeg_activity:H32 {_ENERGY}{_RESIDENCIES}throttle_status:I {_LINKS}{_NAKS}"
            f"{_XGMI}{_CURRENT}padding:H",
        ),
        Table(
            1664,
            f"{_SOCKET}{_ENERGY}{_RESIDENCIES}{_LINKS}{_NAKS}{_XGMI}{_CURRENT}num_partition:H",
            _BUSY_32,
            _BEHIND,
        ),
    ),
    (1, 7): (Table(2208, _V1_7, f"{_BUSY_32} gfx_below_host_limit_acc:Q8", _BEHIND),),
    (1, 8): (Table(3872, _V1_7, _BUSY_40, _BEHIND),),
    **{revision: tuple(Table(*one) for one in found) for revision, found in APU.items()},
}
"""(format, content) -> its layouts by size, the smallest first. Content 9 of format 1 describes itself."""

PARTITION_TABLES: Final[dict[tuple[int, int], tuple[Table, ...]]] = {
    (1, 0): (Table(488, f"{_EACH_CLOCK}padding:H {_BUSY_40}"),),
}
"""The same of xcp_metrics. Content 1 of format 1 describes itself."""


@lru_cache(maxsize=32)
def layout(table: Table) -> Layout:
    """Where each field of a table is. Offsets of a partition's fields count from its own beginning."""
    fields, end, align = _placed(table.fields, HEADER.size)
    if not table.partition:
        return Layout(_aligned(end, align), fields)
    partition, stride, partition_align = _placed(table.partition, 0)
    first = _aligned(end, partition_align)
    stride = _aligned(stride, partition_align)
    behind, end, behind_align = _placed(table.behind, first + MAX_PARTITIONS * stride)
    size = _aligned(end, max(align, partition_align, behind_align))
    return Layout(size, (*fields, *behind), partition, first, stride)


def table_of(tables: dict[tuple[int, int], tuple[Table, ...]], revision: tuple[int, int], size: int) -> Table | None:
    """The table of that revision and `size`, or its greatest one where the file is longer; else None.

    A file between two layouts is of neither: by the smaller one's its fields would be others.
    """
    found = tables.get(revision, ())
    exact = next((table for table in found if table.size == size), None)
    return exact or next((table for table in found[-1:] if table.size < size), None)


def _placed(fields: str, offset: int) -> tuple[tuple[Field, ...], int, int]:
    """The fields from `offset` on, where they end, and what the whole is aligned to."""
    placed = []
    align = 1
    for field in fields.split():
        name, _, kind = field.partition(":")
        letter, count = kind[0], int(kind[1:] or 1)
        size = SIZES[letter]
        offset = _aligned(offset, size)
        align = max(align, size)
        placed.append(Field(name, letter, count, offset))
        offset += size * count
    return tuple(placed), offset, align


def _aligned(offset: int, size: int) -> int:
    return -(-offset // size) * size
