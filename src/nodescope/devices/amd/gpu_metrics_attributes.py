"""The self-describing form of gpu_metrics (format 1, content 9) and of xcp_metrics (format 1, content 1).

*Source*: drivers/gpu/drm/amd/include/kgd_pp_interface.h of Linux, enum amdgpu_metrics_attr_id, amdgpu_metrics_attr_type
and AMDGPU_METRICS_ENC_ATTR. Behind the header of four bytes stand the number of attributes, in four bytes, and the
attributes, packed: eight bytes of encoding, then its values. Ids are never used anew; unknown ones are passed over.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final

from nodescope.kernel.file import Malformed

Value = int | tuple[int | None, ...]

COUNT: Final = struct.Struct("<I")
ENCODING: Final = struct.Struct("<Q")
FIRST: Final = 8
"""Where the first attribute is."""
MAX_ATTRIBUTES: Final = 1024

TYPES: Final = "BbHhIiQq"
TYPE_SHIFT: Final = 20
ID_SHIFT: Final = 10
_TYPE_MASK: Final = 0xF
_ID_MASK: Final = 0x3FF
_INSTANCES_MASK: Final = 0x3FF

_NAMES_TEXT: Final = (
    "temperature_hotspot temperature_mem temperature_vrsoc curr_socket_power average_gfx_activity average_umc_activity"
    " mem_max_bandwidth energy_accumulator system_clock_counter accumulation_counter prochot_residency_acc"
    " ppt_residency_acc socket_thm_residency_acc vr_thm_residency_acc hbm_thm_residency_acc gfxclk_lock_status"
    " pcie_link_width pcie_link_speed xgmi_link_width xgmi_link_speed gfx_activity_acc mem_activity_acc"
    " pcie_bandwidth_acc pcie_bandwidth_inst pcie_l0_to_recov_count_acc pcie_replay_count_acc"
    " pcie_replay_rover_count_acc pcie_nak_sent_count_acc pcie_nak_rcvd_count_acc xgmi_read_data_acc"
    " xgmi_write_data_acc xgmi_link_status firmware_timestamp current_gfxclk current_socclk current_vclk0"
    " current_dclk0 current_uclk num_partition pcie_lc_perf_other_end_recovery gfx_busy_inst jpeg_busy vcn_busy"
    " gfx_busy_acc gfx_below_host_limit_ppt_acc gfx_below_host_limit_thm_acc gfx_low_utilization_acc"
    " gfx_below_host_limit_total_acc"
)
NAMES: Final = tuple(_NAMES_TEXT.split())
"""By id; the kernel's names in lower case."""

_ARRAYS_TEXT: Final = (
    "xgmi_read_data_acc xgmi_write_data_acc xgmi_link_status current_gfxclk current_socclk current_vclk0 current_dclk0"
    " gfx_busy_inst jpeg_busy vcn_busy gfx_busy_acc gfx_below_host_limit_ppt_acc gfx_below_host_limit_thm_acc"
    " gfx_low_utilization_acc gfx_below_host_limit_total_acc"
)
ARRAYS: Final = frozenset(_ARRAYS_TEXT.split())
"""Those with a value for each instance, be it one."""


def attributes(raw: bytes, source: str) -> dict[str, Value]:
    """The known attributes of a file whose header says that it describes itself; absent ones are left out.

    Raises `Malformed` where it ends within an attribute, has a type that there is not, or too many attributes.
    """
    if len(raw) < FIRST:
        raise Malformed(source, raw, f"at least {FIRST} bytes")
    (count,) = COUNT.unpack_from(raw, FIRST - COUNT.size)
    if count > MAX_ATTRIBUTES:
        raise Malformed(source, raw, f"at most {MAX_ATTRIBUTES} attributes")
    found: dict[str, Value] = {}
    offset = FIRST
    for _ in range(count):
        offset = _attribute(raw, offset, source, found)
    return found


def _attribute(raw: bytes, offset: int, source: str, found: dict[str, Value]) -> int:
    """Notes the attribute at `offset`, and says where the next one is."""
    if offset + ENCODING.size > len(raw):
        raise Malformed(source, raw[offset:], f"an attribute at byte {offset}")
    (encoding,) = ENCODING.unpack_from(raw, offset)
    kind = encoding >> TYPE_SHIFT & _TYPE_MASK
    if kind >= len(TYPES):
        raise Malformed(source, raw[offset:], f"an attribute of type 0 to {len(TYPES) - 1} at byte {offset}")
    values = _values(TYPES[kind], encoding & _INSTANCES_MASK)
    offset += ENCODING.size
    end = offset + values.size
    if end > len(raw):
        raise Malformed(source, raw[offset:], f"{values.size} bytes of values at byte {offset}")
    number = encoding >> ID_SHIFT & _ID_MASK
    if number < len(NAMES):
        ones = -1 if TYPES[kind].islower() else 2 ** (8 * struct.calcsize(TYPES[kind])) - 1
        known = present(values.unpack_from(raw, offset), ones)
        if known is not None:
            _note(NAMES[number], known, found)
    return end


def _note(name: str, known: tuple[int | None, ...], found: dict[str, Value]) -> None:
    if name in ARRAYS:
        found[name] = known
    elif known[0] is not None:
        found[name] = known[0]


def present(values: tuple[int, ...], ones: int) -> tuple[int | None, ...] | None:
    """`values` with None for each that is all ones; None where all of them are, or there is none."""
    if ones not in values:
        return values or None
    if values.count(ones) == len(values):
        return None
    return tuple([None if value == ones else value for value in values])


@lru_cache(maxsize=64)
def _values(letter: str, count: int) -> struct.Struct:
    return struct.Struct(f"<{count}{letter}")
