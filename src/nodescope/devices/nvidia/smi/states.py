"""What nvidia-smi tells in several values at once, and NVML in one mask: reasons for low clocks, the fabric's health.

Source: nvml.h (nvmlClocksEventReason*, NVML_GPU_FABRIC_HEALTH_MASK_*).
"""

from __future__ import annotations

from typing import Final

from nodescope.devices.nvidia.smi.field import Field, fields, number
from nodescope.devices.nvidia.smi.log import Values
from nodescope.devices.nvidia.smi.values import Decoder
from nodescope.devices.nvidia.throttle import REASONS

_TEXTS: Final = {
    "gpu_idle": "idle",
    "applications_clocks_setting": "applications clocks setting",
    "sw_power_cap": "sw power cap",
    "hw_slowdown": "hw slowdown",
    "sync_boost": "sync boost",
    "sw_thermal_slowdown": "sw thermal slowdown",
    "hw_thermal_slowdown": "hw thermal slowdown",
    "hw_power_brake_slowdown": "hw power brake slowdown",
    "display_clock_setting": "display clock setting",
}
_XML_NAMES: Final = {"display_clock_setting": "display_clocks_setting"}
"""Where it is not that of the reason."""


def _reason(xml: str, text: str) -> Field:
    """Before driver 535 event reasons were throttle reasons; in text two of them stand below HW Slowdown."""
    return fields(
        "active",
        (
            "",
            f"clocks_event_reasons/clocks_event_reason_{xml} | clocks_throttle_reasons/clocks_throttle_reason_{xml}",
            f"clocks event reasons/{text} | clocks event reasons/hw slowdown/{text}"
            f" | clocks throttle reasons/{text} | clocks throttle reasons/hw slowdown/{text}",
        ),
    )[0]


def _health(kind: str, xml: str, text: str) -> Field:
    return fields(kind, ("", f"fabric/health/{xml}", f"fabric/health/{text}"))[0]


_REASON_FIELDS: Final = tuple(
    (bit, _reason(_XML_NAMES.get(name, name), _TEXTS[name])) for name, bit in REASONS.items() if name in _TEXTS
)
FABRIC_HEALTH: Final = (
    (0, _health("bandwidth", "bandwidth", "bandwidth")),
    (2, _health("true", "route_recovery_in_progress", "route recovery in progress")),
    (4, _health("true", "route_unhealthy", "route unhealthy")),
    (6, _health("true", "access_timeout_recovery", "access timeout recovery")),
    (8, _health("incorrect_configuration", "incorrect_configuration", "incorrect configuration")),
    (12, _health("true", "partition_assigned", "partition assigned")),
)
"""Where in the mask each part begins; a part that is 0 is not supported."""


def throttle_reasons(values: Values, form: str, decoder: Decoder) -> int | None:
    """NVML's mask of the reasons that are active; None where nothing is known of any."""
    return _mask([(bit, number(values, field, form, decoder)) for bit, field in _REASON_FIELDS])


def fabric_health_mask(values: Values, form: str, decoder: Decoder) -> int | None:
    """NVML's mask, None where the fabric's health is not told."""
    return _mask([(1 << shift, number(values, field, form, decoder)) for shift, field in FABRIC_HEALTH])


def _mask(parts: list[tuple[int, int | float | None]]) -> int | None:
    known = [int(value) * factor for factor, value in parts if value is not None]
    return sum(known) if known else None
