"""The frequencies of a simulated machine's CPUs.

Source: Documentation/admin-guide/pm/cpufreq.rst and intel_pstate.rst.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nodescope.simulate.cpu import Cpus
from nodescope.simulate.part import NumberFiles, Reading, Row, texts

_LEAST_KILOHERTZ: Final = 800_000
_BASE_KILOHERTZ: Final = 2_000_000
_MOST_KILOHERTZ: Final = 3_800_000
_STEP_KILOHERTZ: Final = 100_000
_GOVERNORS: Final = ("performance", "powersave")
_GOVERNOR: Final = "powersave"
_PREFERENCES: Final = "default performance balance_performance balance_power power"
_LIMITS: Final = (
    ("cpuinfo_min_freq", _LEAST_KILOHERTZ, "node_cpu_frequency_min_hertz"),
    ("cpuinfo_max_freq", _MOST_KILOHERTZ, "node_cpu_frequency_max_hertz"),
    ("scaling_min_freq", _LEAST_KILOHERTZ, "node_cpu_scaling_frequency_min_hertz"),
    ("scaling_max_freq", _MOST_KILOHERTZ, "node_cpu_scaling_frequency_max_hertz"),
)


def cpufreq_part(cpus: Cpus) -> NumberFiles:
    """cpufreq below each CPU, as the driver intel_pstate has it: without cpuinfo_cur_freq."""
    fixed: dict[str, bytes] = {}
    rows: list[Row] = []
    for cpu in range(len(cpus.cpus)):
        about = {
            "affected_cpus": cpu,
            "base_frequency": _BASE_KILOHERTZ,
            "cpuinfo_transition_latency": 0,
            "energy_performance_available_preferences": _PREFERENCES,
            "energy_performance_preference": "balance_performance",
            "related_cpus": cpu,
            "scaling_available_governors": " ".join(_GOVERNORS),
            "scaling_driver": "intel_pstate",
            "scaling_governor": _GOVERNOR,
            "scaling_setspeed": "<unsupported>",
        }
        limits = {name: kilohertz for name, kilohertz, _ in _LIMITS}
        fixed |= texts(_folder(cpu), about | limits)
        label = {"cpu": str(cpu)}
        rows += [(metric, label, kilohertz * 1000.0) for _, kilohertz, metric in _LIMITS]
        for governor in _GOVERNORS:
            rows.append(("node_cpu_scaling_governor", label | {"governor": governor}, float(governor == _GOVERNOR)))

    def readings(seconds: float) -> Iterator[Reading]:
        for cpu, load in enumerate(cpus.loads):
            kilohertz = _kilohertz(load.at(seconds))
            labels = {"cpu": str(cpu)}
            path = f"{_folder(cpu)}/scaling_cur_freq"
            yield Reading(path, kilohertz, "node_cpu_scaling_frequency_hertz", labels, kilohertz * 1000.0)

    return NumberFiles(fixed, rows, readings)


def _folder(cpu: int) -> str:
    return f"sys/devices/system/cpu/cpu{cpu}/cpufreq"


def _kilohertz(load: float) -> int:
    """Between the limits, in the steps that the hardware has; a CPU that is half busy runs as fast as it can."""
    wanted = _LEAST_KILOHERTZ + (_MOST_KILOHERTZ - _LEAST_KILOHERTZ) * min(1.0, 2.0 * load)
    return int(wanted) // _STEP_KILOHERTZ * _STEP_KILOHERTZ
