"""Verdicts on drivers of which no GPU is judged: otherwise each GPU's component "driver" says it.

A driver that fails from the start on tells of no GPU, and the node would look as if it had none.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from nodescope.health.gpu_inputs import source_inputs
from nodescope.health.rule import OK, VALUES, Rules, merged
from nodescope.health.rules import device
from nodescope.records.gpu_snapshot import GpuHealth, GpuSource
from nodescope.records.health import DeviceHealth

DRIVER: Final = "driver"

_RULES: Final = tuple(rule for rule in device.RULES if rule.input == "source_state")


def driver_verdicts(sources: Iterable[GpuSource], verdicts: Iterable[GpuHealth]) -> list[DeviceHealth]:
    """Of each source that is not well and that no verdict's GPU is of; `subject` is the vendor."""
    judged = {verdict.identity.vendor for verdict in verdicts}
    rules = Rules(_RULES, (), {})
    found = []
    for source in sources:
        if source.vendor not in judged:
            state, reason, evidence, action = merged(rules.findings(source.vendor, source_inputs(source).get, 0.0))
            if state != OK:
                texts = {"reason": reason, "evidence": evidence, "action": action}
                found.append(
                    DeviceHealth(component=DRIVER, subject=source.vendor, state=state, value=VALUES[state], **texts)
                )
    return found
