"""The rules on GPUs, as tables by component; their inputs are in `gpu_inputs`, their numbers in `thresholds`.

Sources: NVML's documentation (states, recovery actions, fabric, clocks event reasons), NVIDIA's guides on memory error
management and on XIDs, and DCGM's health checks.
"""

from __future__ import annotations

from typing import Final

from nodescope.health.rule import Rule, Unread
from nodescope.health.rules import device, heat, links, memory

RULES: Final[tuple[Rule, ...]] = (*device.RULES, *memory.RULES, *links.RULES, *heat.RULES)
UNREAD: Final[tuple[Unread, ...]] = (*memory.UNREAD, *links.UNREAD, *heat.UNREAD)
