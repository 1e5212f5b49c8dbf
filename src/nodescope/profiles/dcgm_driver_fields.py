"""DCGM's fields of NVLink, C2C, PCIe and power smoothing: values that NVML keeps by number.

*Source*: dcgm_fields.h and NVML_FI_* in nvml.h. `card.driver_fields` has them by NVML's names in lower case; `links`
has what is read of single NVLinks, by `attribute_link`. `DCGM_FI_DEV_NVLINK_BANDWIDTH_*` are MB/s, though
dcgm-exporter calls them counters.
"""

from __future__ import annotations

from typing import Final

from nodescope.metric import MetricType
from nodescope.profiles import Row

LINKS: Final = 18
FEC_BINS: Final = 16
LINK_ERRORS: Final = (
    ("CRC_FLIT", "crc_flit_errors", "flow-control CRC errors"),
    ("CRC_DATA", "crc_data_errors", "data CRC errors"),
    ("REPLAY", "replay_errors", "retries"),
    ("RECOVERY", "recovery_errors", "recovery errors"),
)
"""DCGM's word, field of `LinkReading`, in words."""

_WAYS: Final = (("TX", "sent"), ("RX", "received"))
_COUNTERS: Final = (
    ("DCGM_FI_DEV_PCIE_COUNT_CORRECTABLE_ERRORS", "pcie_count_correctable_errors", "PCIe errors that were corrected."),
    ("DCGM_FI_DEV_NVLINK_ERROR_DL_CRC", "nvlink_error_dl_crc", "NVLink CRC errors of the data link."),
    ("DCGM_FI_DEV_NVLINK_ERROR_DL_RECOVERY", "nvlink_error_dl_recovery", "NVLink recoveries of the data link."),
    ("DCGM_FI_DEV_NVLINK_ERROR_DL_REPLAY", "nvlink_error_dl_replay", "NVLink replays of the data link."),
    ("DCGM_FI_DEV_NVLINK_ECC_DATA_ERROR_COUNT_TOTAL", "nvlink_ecc_data_error_count_total", "NVLink ECC data errors."),
    ("DCGM_FI_DEV_NVLINK_COUNT_TX_PACKETS", "nvlink_count_xmit_packets", "Packets sent over NVLink."),
    ("DCGM_FI_DEV_NVLINK_COUNT_TX_BYTES", "nvlink_count_xmit_bytes", "Bytes sent over NVLink."),
    ("DCGM_FI_DEV_NVLINK_COUNT_RX_PACKETS", "nvlink_count_rcv_packets", "Packets received over NVLink."),
    ("DCGM_FI_DEV_NVLINK_COUNT_RX_BYTES", "nvlink_count_rcv_bytes", "Bytes received over NVLink."),
    ("DCGM_FI_DEV_NVLINK_COUNT_RX_MALFORMED_PACKET_ERRORS", "nvlink_count_malformed_packet_errors",
     "Malformed packets received over NVLink."),
    ("DCGM_FI_DEV_NVLINK_COUNT_RX_BUFFER_OVERRUN_ERRORS", "nvlink_count_buffer_overrun_errors",
     "NVLink packets that found no buffer."),
    ("DCGM_FI_DEV_NVLINK_COUNT_RX_ERRORS", "nvlink_count_rcv_errors", "Errors in receiving over NVLink."),
    ("DCGM_FI_DEV_NVLINK_COUNT_RX_REMOTE_ERRORS", "nvlink_count_rcv_remote_errors",
     "NVLink packets that the other end marked as broken."),
    ("DCGM_FI_DEV_NVLINK_COUNT_RX_GENERAL_ERRORS", "nvlink_count_rcv_general_errors",
     "Other errors in receiving over NVLink."),
    ("DCGM_FI_DEV_NVLINK_COUNT_LOCAL_LINK_INTEGRITY_ERRORS", "nvlink_count_local_link_integrity_errors",
     "NVLink errors over the threshold of this end."),
    ("DCGM_FI_DEV_NVLINK_COUNT_TX_DISCARDS", "nvlink_count_xmit_discards", "NVLink packets dropped instead of sent."),
    ("DCGM_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_SUCCESSFUL_EVENTS", "nvlink_count_link_recovery_successful_events",
     "NVLink recoveries that succeeded."),
    ("DCGM_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_FAILED_EVENTS", "nvlink_count_link_recovery_failed_events",
     "NVLink recoveries that failed."),
    ("DCGM_FI_DEV_NVLINK_COUNT_LINK_RECOVERY_EVENTS", "nvlink_count_link_recovery_events", "NVLink recoveries."),
    ("DCGM_FI_DEV_NVLINK_COUNT_RX_SYMBOL_ERRORS", "nvlink_count_symbol_errors", "NVLink symbol errors."),
    ("DCGM_FI_DEV_NVLINK_COUNT_EFFECTIVE_ERRORS", "nvlink_count_effective_errors",
     "NVLink errors that are left after correction."),
    ("DCGM_FI_DEV_C2C_LINK_ERROR_INTR", "c2c_link_error_intr", "C2C errors that raised an interrupt."),
    ("DCGM_FI_DEV_C2C_LINK_ERROR_REPLAY", "c2c_link_error_replay", "C2C replays."),
    ("DCGM_FI_DEV_C2C_LINK_ERROR_REPLAY_B2B", "c2c_link_error_replay_b2b", "C2C replays one after the other."),
    ("DCGM_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN_NS", "clocks_event_reason_sw_therm_slowdown",
     "Time in which software lowered clocks for heat (in ns)."),
    ("DCGM_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN_NS", "clocks_event_reason_hw_therm_slowdown",
     "Time in which hardware lowered clocks for heat (in ns)."),
    ("DCGM_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN_NS", "clocks_event_reason_hw_power_brake_slowdown",
     "Time in which hardware lowered clocks by the power brake (in ns)."),
)  # fmt: skip
_GAUGES: Final = (
    ("DCGM_FI_DEV_C2C_LINK_COUNT", "c2c_link_count", "C2C links."),
    ("DCGM_FI_DEV_C2C_LINK_STATUS", "c2c_link_get_status", "Whether the C2C links are up."),
    ("DCGM_FI_DEV_C2C_MAX_BANDWIDTH", "c2c_link_get_max_bw", "Highest bandwidth of the C2C links (in MB/s)."),
    ("DCGM_FI_DEV_C2C_LINK_POWER_STATE", "c2c_link_power_state", "Power state of the C2C links."),
    ("DCGM_FI_DEV_NVLINK_COUNT_SYMBOL_BER", "nvlink_count_symbol_ber", "NVLink bit error rate, as NVML encodes it."),
    ("DCGM_FI_DEV_NVLINK_COUNT_EFFECTIVE_BER", "nvlink_count_effective_ber",
     "NVLink bit error rate after correction, as NVML encodes it."),
)  # fmt: skip
_POWER_SMOOTHING: Final = (
    ("ENABLED", "Whether power smoothing is on."),
    ("PRIV_LVL", "Power smoothing: privilege level."),
    ("IMM_RAMP_DOWN_ENABLED", "Power smoothing: whether power may fall at once."),
    ("APPLIED_TMP_CEIL", "Power smoothing: total module power at most."),
    ("APPLIED_TMP_FLOOR", "Power smoothing: total module power at least."),
    ("MAX_PERCENT_TMP_FLOOR_SETTING", "Power smoothing: highest floor that can be set (in %)."),
    ("MIN_PERCENT_TMP_FLOOR_SETTING", "Power smoothing: lowest floor that can be set (in %)."),
    ("HW_CIRCUITRY_PERCENT_LIFETIME_REMAINING", "Power smoothing: life left to its circuits (in %)."),
    ("MAX_NUM_PRESET_PROFILES", "Power smoothing: preset profiles."),
    ("PROFILE_PERCENT_TMP_FLOOR", "Power smoothing: floor of the profile (in %)."),
    ("PROFILE_RAMP_UP_RATE", "Power smoothing: ramp-up rate of the profile."),
    ("PROFILE_RAMP_DOWN_RATE", "Power smoothing: ramp-down rate of the profile."),
    ("PROFILE_RAMP_DOWN_HYST_VAL", "Power smoothing: ramp-down hysteresis of the profile."),
    ("ACTIVE_PRESET_PROFILE", "Power smoothing: the preset profile in use."),
    ("ADMIN_OVERRIDE_PERCENT_TMP_FLOOR", "Power smoothing: floor that the administrator set (in %)."),
    ("ADMIN_OVERRIDE_RAMP_UP_RATE", "Power smoothing: ramp-up rate that the administrator set."),
    ("ADMIN_OVERRIDE_RAMP_DOWN_RATE", "Power smoothing: ramp-down rate that the administrator set."),
    ("ADMIN_OVERRIDE_RAMP_DOWN_HYST_VAL", "Power smoothing: ramp-down hysteresis that the administrator set."),
)


def _driver_field(name: str, kind: MetricType, what: str, field: str) -> Row:
    return Row(name, kind, what, (), f"card.driver_fields[{field}]")


DRIVER: Final[tuple[Row, ...]] = (
    Row("DCGM_FI_DEV_NVLINK_COUNT_SYMBOL_BER_FLOAT", "gauge", "NVLink bit error rate.", (), "nvlink_symbol_ber"),
    Row(
        "DCGM_FI_DEV_NVLINK_COUNT_EFFECTIVE_BER_FLOAT",
        "gauge",
        "NVLink bit error rate after correction.",
        (),
        "nvlink_effective_ber",
    ),
    *(_driver_field(name, "counter", what, field) for name, field, what in _COUNTERS),
    *(_driver_field(name, "gauge", what, field) for name, field, what in _GAUGES),
    *(
        _driver_field(f"DCGM_FI_DEV_PWR_SMOOTHING_{word}", "gauge", what, f"pwr_smoothing_{word.lower()}")
        for word, what in _POWER_SMOOTHING
    ),
    *(
        _driver_field(
            f"DCGM_FI_DEV_NVLINK_COUNT_FEC_HISTORY_{number}",
            "counter",
            f"NVLink blocks in which FEC corrected {number} errors.",
            f"nvlink_count_fec_history_{number}",
        )
        for number in range(FEC_BINS)
    ),
    Row(
        "DCGM_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP_NS",
        "counter",
        "Time in which software lowered clocks for the power limit (in ns).",
        (),
        "card.power_violation_ns",
    ),
    Row(
        "DCGM_FI_DEV_CLOCKS_EVENT_REASON_SYNC_BOOST_NS",
        "counter",
        "Time in which clocks followed those of another GPU (in ns).",
        (),
        "card.sync_boost_violation_ns",
    ),
)

NVLINK: Final[tuple[Row, ...]] = (
    Row(
        "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
        "counter",
        "Total number of NVLink bandwidth counters for all lanes.",
        (),
        "card.nvlink_megabytes_per_second",
        whole=True,
    ),
    *(
        Row(
            f"DCGM_FI_DEV_NVLINK_BANDWIDTH_L{link}",
            "counter",
            "The number of bytes of active NVLink rx or tx data including both header and payload.",
            (),
            f"links[throughput_megabytes_per_second_{link}]",
            whole=True,
        )
        for link in range(LINKS)
    ),
    *(
        Row(
            f"DCGM_FI_DEV_NVLINK_{way}_BANDWIDTH_TOTAL",
            "counter",
            f"Data {what} over all NVLinks (in MB/s).",
            (),
            f"card.nvlink_{way.lower()}_megabytes_per_second",
            whole=True,
        )
        for way, what in _WAYS
    ),
    *(
        Row(
            f"DCGM_FI_DEV_NVLINK_{way}_BANDWIDTH_L{link}",
            "counter",
            f"Data {what} over NVLink {link} (in MB/s).",
            (),
            f"links[{way.lower()}_megabytes_per_second_{link}]",
            whole=True,
        )
        for way, what in _WAYS
        for link in range(LINKS)
    ),
    *(
        _driver_field(
            f"DCGM_FI_DEV_NVLINK_{word}_ERROR_COUNT_TOTAL",
            "counter",
            f"Total number of NVLink {what}.",
            f"nvlink_{word.lower()}_error_count_total",
        )
        for word, _, what in LINK_ERRORS
    ),
    *(
        Row(
            f"DCGM_FI_DEV_NVLINK_{word}_ERROR_COUNT_L{link}",
            "counter",
            f"Number of {what} of NVLink {link}.",
            (),
            f"links[{field}_{link}]",
        )
        for word, field, what in LINK_ERRORS
        for link in range(LINKS)
    ),
)

NVLINK_CANONICAL: Final[dict[str, str]] = {
    **{f"DCGM_FI_DEV_NVLINK_THROUGHPUT_L{link}": f"DCGM_FI_DEV_NVLINK_BANDWIDTH_L{link}" for link in range(LINKS)},
    **{
        f"DCGM_FI_DEV_NVLINK_{way}_THROUGHPUT_{which}": f"DCGM_FI_DEV_NVLINK_{way}_BANDWIDTH_{which}"
        for way, _ in _WAYS
        for which in ("TOTAL", *(f"L{link}" for link in range(LINKS)))
    },
    **{
        f"DCGM_FI_DEV_NVLINK_{word}_ERROR_L{link}_TOTAL": f"DCGM_FI_DEV_NVLINK_{word}_ERROR_COUNT_L{link}"
        for word, _, _ in LINK_ERRORS
        for link in range(LINKS)
    },
}
"""Names since DCGM 4.6 -> names here, of those that are numbered."""
