"""What a network link can do, as bits of a mask.

Source: enum ethtool_link_mode_bit_indices in include/uapi/linux/ethtool.h.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

AUTONEGOTIATION, PAUSE, ASYMMETRIC_PAUSE = 6, 13, 14
BYTES_PER_MEGABIT: Final = 125_000
MAX_REMEMBERED: Final = 256

PORTS: Final = {7: "TP", 8: "AUI", 9: "MII", 10: "FIBRE", 11: "BNC", 16: "Backplane"}

_NAMES: Final = """
10baseT/half 10baseT/full 100baseT/half 100baseT/full 1000baseT/half 1000baseT/full - - - - - - 10000baseT/full - -
2500baseX/full - 1000baseKX/full 10000baseKX4/full 10000baseKR/full 10000baseR_FEC/full 20000baseMLD2/full
20000baseKR2/full 40000baseKR4/full 40000baseCR4/full 40000baseSR4/full 40000baseLR4/full 56000baseKR4/full
56000baseCR4/full 56000baseSR4/full 56000baseLR4/full 25000baseCR/full 25000baseKR/full 25000baseSR/full
50000baseCR2/full 50000baseKR2/full 100000baseKR4/full 100000baseSR4/full 100000baseCR4/full 100000baseLR4_ER4/full
50000baseSR2/full 1000baseX/full 10000baseCR/full 10000baseSR/full 10000baseLR/full 10000baseLRM/full 10000baseER/full
2500baseT/full 5000baseT/full - - - 50000baseKR/full 50000baseSR/full 50000baseCR/full 50000baseLR_ER_FR/full
50000baseDR/full 100000baseKR2/full 100000baseSR2/full 100000baseCR2/full 100000baseLR2_ER2_FR2/full
100000baseDR2/full 200000baseKR4/full 200000baseSR4/full 200000baseLR4_ER4_FR4/full 200000baseDR4/full
200000baseCR4/full 100baseT1/full 1000baseT1/full 400000baseKR8/full 400000baseSR8/full 400000baseLR8_ER8_FR8/full
400000baseDR8/full 400000baseCR8/full - 100000baseKR/full 100000baseSR/full 100000baseLR_ER_FR/full 100000baseCR/full
100000baseDR/full 200000baseKR2/full 200000baseSR2/full 200000baseLR2_ER2_FR2/full 200000baseDR2/full
200000baseCR2/full 400000baseKR4/full 400000baseSR4/full 400000baseLR4_ER4_FR4/full 400000baseDR4/full
400000baseCR4/full 100baseFX/half 100baseFX/full 10baseT1L/full 800000baseCR8/full 800000baseKR8/full
800000baseDR8/full 800000baseDR8_2/full 800000baseSR8/full 800000baseVR8/full 10baseT1S/full 10baseT1S/half
10baseT1S_P2MP/half 10baseT1BRR/full 200000baseCR/full 200000baseKR/full 200000baseDR/full 200000baseDR_2/full
200000baseSR/full 200000baseVR/full 400000baseCR2/full 400000baseKR2/full 400000baseDR2/full 400000baseDR2_2/full
400000baseSR2/full 400000baseVR2/full 800000baseCR4/full 800000baseKR4/full 800000baseDR4/full 800000baseDR4_2/full
800000baseSR4/full 800000baseVR4/full 1600000baseCR8/full 1600000baseKR8/full 1600000baseDR8/full 1600000baseDR8_2/full
"""
"""By bit, from 0 on; "-" for bits that are no speed."""


class Speed(NamedTuple):
    """`mode` as in IEEE 802.3, such as 1000baseT; `duplex` is "full" or "half"."""

    duplex: str
    mode: str
    bytes_per_second: float


def _speed(name: str) -> Speed:
    mode, _, duplex = name.partition("/")
    return Speed(duplex, mode, float(mode.partition("base")[0]) * BYTES_PER_MEGABIT)


SPEEDS: Final = {bit: _speed(name) for bit, name in enumerate(_NAMES.split()) if name != "-"}


@lru_cache(MAX_REMEMBERED)
def speeds_of(mask: int) -> tuple[Speed, ...]:
    return tuple(speed for bit, speed in SPEEDS.items() if mask >> bit & 1)


def ports_of(mask: int) -> list[str]:
    return [port for bit, port in PORTS.items() if mask >> bit & 1]
