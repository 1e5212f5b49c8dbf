"""Splits a number so that the parts sum to it exactly, in any order of summing.

All parts but the rest are multiples of a power of two, at which numbers of these sizes have no rounding; the rest is
what is left. So sums and differences of parts are exact in floating point.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar

Key = TypeVar("Key")


def proportions(weights: Mapping[Key, float]) -> dict[Key, float]:
    """Weights as parts of one; none where none is above 0. What is not a number, or below 0, weighs nothing."""
    known = {key: weight for key, weight in weights.items() if 0 < weight < math.inf}
    # The greatest first: the sum of many great weights could be infinite.
    greatest = max(known.values(), default=0.0)
    scaled = {key: weight / greatest for key, weight in known.items()}
    total = math.fsum(scaled.values())
    return {key: weight / total for key, weight in scaled.items()}


def split(total: float, parts: Mapping[Key, float], grain: float) -> tuple[dict[Key, float], float]:
    """`total` times each of `parts` (of which the sum is 1 at most), cut to multiples of `grain`; and what is left.

    `grain` is a power of two, `total` not below 0. No part is below 0, nor is what is left.
    """
    found: dict[Key, float] = {}
    left = total
    for key, part in parts.items():
        value = min(math.floor(total * part / grain), math.floor(left / grain)) * grain
        found[key] = value
        left -= value
    return found, left
