"""NVML's field values: which are read, into what, and which number each has in which driver.

Numbers are those of nvml.h, `NVML_FI_*`. Most have never changed; those that are `moved` mean other things in some
drivers. A field is not asked for in a driver older than the first whose header has it: there its number may mean
nothing, or another thing. Nor is it between the last driver known with one number and the first known with another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from nodescope.devices.nvidia.child.library import Driver

ALL_LINKS: Final = 0xFFFFFFFF
"""As scope: the sum over all NVLinks."""

ALWAYS: Final[Driver] = ()
NEVER_AGAIN: Final[Driver] = (1 << 30, 0)

LINK_COUNT: Final = 91
LINK_TX_KIBIBYTES: Final = 138
LINK_RX_KIBIBYTES: Final = 139
LINK_REPLAY_ERRORS: Final = 161
LINK_RECOVERY_ERRORS: Final = 162
LINK_CRC_ERRORS: Final = 163
LINK_SPEED: Final = 164
MEMORY_TEMPERATURE: Final = 82
POWER_LIMITS: Final = (187, 188, 189, 190)
"""Least, greatest, default and in force."""

NONE_AT_ZERO: Final = frozenset({MEMORY_TEMPERATURE, *POWER_LIMITS})
"""Fields of which 0 says that there is no such thing: no sensor at the memory, no limit."""

_RANGES_OF_SMOOTHING: Final = (((570, 86), (570, 9999), 0), ((575, 51), (580, 65), 5), ((580, 82), NEVER_AGAIN, 0))
_RANGES_OF_REASONS: Final = (((575, 51), (580, 65), -18), ((580, 82), NEVER_AGAIN, 0))


class Field(NamedTuple):
    """`number`: today's. `name`: in `driver_fields`, "" if it is not put there. `reading`: field of `GpuReading`.

    `first`: the first driver that has it. `moved`: first and last driver of a range, and what is added there.
    """

    number: int
    name: str = ""
    reading: str = ""
    scope: int = 0
    first: Driver = ALWAYS
    slow: bool = False
    moved: tuple[tuple[Driver, Driver, int], ...] = ()

    def number_in(self, driver: Driver) -> int | None:
        """Its number in a driver; None where the driver has it not, or is not known well enough."""
        version = driver[:2]
        if not self.moved:
            return self.number if version >= self.first else None
        for first, last, offset in self.moved:
            if first <= version <= last:
                return self.number + offset
        return None


def _named(first: int, *names: str, driver: Driver = ALWAYS, slow: bool = False, scope: int = 0) -> Iterator[Field]:
    """Fields with consecutive numbers; "" skips one."""
    for offset, name in enumerate(names):
        if name:
            yield Field(first + offset, name, first=driver, slow=slow, scope=scope)


def _per_link(first: int, name: str, links: range) -> Iterator[Field]:
    """Errors of the single links, as drivers before Hopper number them."""
    for offset, link in enumerate(links):
        yield Field(first + offset, f"nvlink_{name}_error_count_l{link}", slow=True)


def _smoothing(first: int, *names: str) -> Iterator[Field]:
    for offset, name in enumerate(names):
        yield Field(first + offset, f"pwr_smoothing_{name}", slow=True, moved=_RANGES_OF_SMOOTHING)


FIELDS: Final[tuple[Field, ...]] = (
    Field(MEMORY_TEMPERATURE, reading="memory_temperature_celsius"),
    Field(83, reading="energy_millijoules"),
    Field(185, reading="power_average_milliwatts"),
    Field(186, reading="power_instant_milliwatts"),
    Field(187, reading="power_limit_min_milliwatts", first=(535, 77), slow=True),
    Field(188, reading="power_limit_max_milliwatts", first=(535, 77), slow=True),
    Field(189, reading="power_limit_default_milliwatts", first=(535, 77), slow=True),
    Field(190, reading="power_limit_enforced_milliwatts", first=(535, 77), slow=True),
    Field(193, "temperature_shutdown_tlimit", slow=True),
    Field(194, "temperature_slowdown_tlimit", slow=True),
    Field(74, "clocks_event_reason_sw_power_cap", "power_violation_ns"),
    Field(75, reading="thermal_violation_ns"),
    Field(76, "clocks_event_reason_sync_boost", "sync_boost_violation_ns"),
    Field(77, reading="board_limit_violation_ns"),
    Field(78, reading="low_utilization_violation_ns"),
    Field(79, reading="reliability_violation_ns"),
    Field(80, "perf_policy_total_app_clocks", "total_app_clocks_violation_ns"),
    Field(81, "perf_policy_total_base_clocks", "total_base_clocks_violation_ns"),
    Field(269, "clocks_event_reason_sw_therm_slowdown", moved=_RANGES_OF_REASONS),
    Field(270, "clocks_event_reason_hw_therm_slowdown", moved=_RANGES_OF_REASONS),
    Field(271, "clocks_event_reason_hw_power_brake_slowdown", moved=_RANGES_OF_REASONS),
    Field(94, reading="pcie_replays"),
    Field(197, reading="pcie_tx_bytes", first=(555, 43)),
    Field(198, reading="pcie_rx_bytes", first=(555, 43)),
    Field(173, "pcie_count_correctable_errors", slow=True),
    Field(1, "ecc_current", slow=True),
    Field(2, "ecc_pending", slow=True),
    Field(3, reading="ecc_corrected_volatile_errors"),
    Field(4, reading="ecc_uncorrected_volatile_errors"),
    Field(5, reading="ecc_corrected_aggregate_errors"),
    Field(6, reading="ecc_uncorrected_aggregate_errors"),
    Field(29, reading="retired_pages_corrected", slow=True),
    Field(30, reading="retired_pages_uncorrected", slow=True),
    Field(31, reading="retired_pages_pending", slow=True),
    Field(142, reading="remapped_rows_corrected"),
    Field(143, reading="remapped_rows_uncorrected"),
    Field(144, reading="remapped_rows_pending"),
    Field(145, reading="remapped_rows_failure"),
    Field(226, "reset_status", first=(550, 89), slow=True),
    Field(227, "drain_and_reset_status", first=(550, 89), slow=True),
    Field(230, reading="recovery_action", first=(570, 86)),
    Field(307, "pending_bank_remapping", first=(615, 71), slow=True),
    Field(LINK_TX_KIBIBYTES, "nvlink_throughput_data_tx", scope=ALL_LINKS),
    Field(LINK_RX_KIBIBYTES, "nvlink_throughput_data_rx", scope=ALL_LINKS),
    Field(38, "nvlink_crc_flit_error_count_total"),
    Field(45, "nvlink_crc_data_error_count_total"),
    Field(52, "nvlink_replay_error_count_total"),
    Field(59, "nvlink_recovery_error_count_total"),
    Field(160, "nvlink_ecc_data_error_count_total"),
    *_per_link(32, "crc_flit", range(6)),
    *_per_link(96, "crc_flit", range(6, 12)),
    *_per_link(39, "crc_data", range(6)),
    *_per_link(102, "crc_data", range(6, 12)),
    *_per_link(46, "replay", range(6)),
    *_per_link(108, "replay", range(6, 12)),
    *_per_link(53, "recovery", range(6)),
    *_per_link(114, "recovery", range(6, 12)),
    *_named(
        201,
        "nvlink_count_xmit_packets",
        "nvlink_count_xmit_bytes",
        "nvlink_count_rcv_packets",
        "nvlink_count_rcv_bytes",
        "",  # deprecated
        "nvlink_count_malformed_packet_errors",
        "nvlink_count_buffer_overrun_errors",
        "nvlink_count_rcv_errors",
        "nvlink_count_rcv_remote_errors",
        "nvlink_count_rcv_general_errors",
        "nvlink_count_local_link_integrity_errors",
        "nvlink_count_xmit_discards",
        "nvlink_count_link_recovery_successful_events",
        "nvlink_count_link_recovery_failed_events",
        "nvlink_count_link_recovery_events",
        driver=(560, 30),
        scope=ALL_LINKS,
    ),
    *_named(
        219,
        "nvlink_count_effective_errors",
        "nvlink_count_effective_ber",
        "nvlink_count_symbol_errors",
        "nvlink_count_symbol_ber",
        driver=(560, 30),
        scope=ALL_LINKS,
    ),
    *_named(
        235,
        *(f"nvlink_count_fec_history_{bin}" for bin in range(16)),
        driver=(570, 86),
        scope=ALL_LINKS,
        slow=True,
    ),
    *_named(170, "c2c_link_count", "c2c_link_get_status", "c2c_link_get_max_bw", driver=(535, 77)),
    *_named(
        231,
        "c2c_link_error_intr",
        "c2c_link_error_replay",
        "c2c_link_error_replay_b2b",
        "c2c_link_power_state",
        driver=(575, 51),
    ),
    *_smoothing(
        251,
        "enabled",
        "priv_lvl",
        "imm_ramp_down_enabled",
        "applied_tmp_ceil",
        "applied_tmp_floor",
        "max_percent_tmp_floor_setting",
        "min_percent_tmp_floor_setting",
        "hw_circuitry_percent_lifetime_remaining",
        "max_num_preset_profiles",
        "profile_percent_tmp_floor",
        "profile_ramp_up_rate",
        "profile_ramp_down_rate",
        "profile_ramp_down_hyst_val",
        "active_preset_profile",
        "admin_override_percent_tmp_floor",
        "admin_override_ramp_up_rate",
        "admin_override_ramp_down_rate",
        "admin_override_ramp_down_hyst_val",
    ),
)
