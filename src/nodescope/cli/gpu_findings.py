"""GPUs and their drivers that do not work, and what of a GPU cannot be judged, as `nodescope doctor` tells of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from nodescope.cli.finding import Finding
from nodescope.health.drivers import DRIVER, driver_verdicts
from nodescope.health.rule import ALL, CRITICAL, UNKNOWN
from nodescope.records.gpu import GpuIdentity
from nodescope.records.gpu_snapshot import Gpu, GpuHealth, GpuSource
from nodescope.records.kinds import of_kind

SUBJECT: Final = "GPUs"
STARTING: Final = "starting"
DEVICE: Final = "device"
_WORKS: Final = frozenset({DEVICE, DRIVER})
"""Components of a GPU without which nothing can be read."""
_FAULTS: Final = frozenset({CRITICAL, UNKNOWN})


def is_starting(records: Iterable[object]) -> bool:
    """Whether a GPU, or what reads them, has not come to its first reading."""
    return any(isinstance(record, (Gpu, GpuSource)) and record.state == STARTING for record in records)


def gpu_name(identity: GpuIdentity) -> str:
    """How a GPU is called where a person reads."""
    index = identity.uuid if identity.index is None else str(identity.index)
    return f"{index} ({identity.pci_address or identity.uuid})"


def gpu_findings(records: Sequence[object]) -> Iterator[Finding]:
    """`records`: of the snapshots of GPUs; of several collectors the same are told once.

    What is well has none: `nodescope check` judges what a GPU that works reads.
    """
    verdicts, sources = of_kind(records, GpuHealth), of_kind(records, GpuSource)
    for driver in driver_verdicts(dict.fromkeys(sources), verdicts):
        text = f"driver of {driver.subject}: {_with(driver.reason, driver.evidence)}"
        yield Finding(_level(DRIVER, driver.state), SUBJECT, text, driver.action)
    broken = {one.identity.uuid for one in verdicts if one.component in _WORKS and one.state in _FAULTS}
    told: dict[tuple[str, str, str, str], dict[str, None]] = {}
    for one in verdicts:
        is_fault = one.state in _FAULTS if one.component in _WORKS else _is_not_judged(one, broken)
        if one.component != ALL and is_fault:
            key = (_level(one.component, one.state), one.component, _with(one.reason, one.evidence), one.action)
            told.setdefault(key, {})[gpu_name(one.identity)] = None
    for (level, component, text, action), names in told.items():
        yield Finding(level, SUBJECT, f"{', '.join(names)}: {component}: {text}", action)


def _level(component: str, state: str) -> str:
    """A GPU that may not be read is a problem; a driver is unknown where it was told to be left alone."""
    return "problem" if component == DEVICE or (component == DRIVER and state != UNKNOWN) else "missing"


def _is_not_judged(verdict: GpuHealth, broken: set[str]) -> bool:
    return verdict.state == UNKNOWN and verdict.identity.uuid not in broken


def _with(reason: str, evidence: str) -> str:
    return f"{reason} ({evidence})" if evidence else reason
