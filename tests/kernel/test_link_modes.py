from __future__ import annotations

import re
from pathlib import Path

import pytest

from nodescope.kernel.link_modes import (
    ASYMMETRIC_PAUSE,
    AUTONEGOTIATION,
    PAUSE,
    PORTS,
    SPEEDS,
    Speed,
    ports_of,
    speeds_of,
)

HEADER = Path("/usr/include/linux/ethtool.h")


def test_speeds() -> None:
    """Bits of speeds give duplex, mode and bytes per second; all other bits give nothing."""
    assert speeds_of(1 << 4 | 1 << 5 | 1 << 6 | 1 << 20) == (
        Speed("half", "1000baseT", 125_000_000.0),
        Speed("full", "1000baseT", 125_000_000.0),
        Speed("full", "10000baseR_FEC", 1_250_000_000.0),
    )
    assert speeds_of(1 << 73) == (Speed("full", "400000baseCR8", 50_000_000_000.0),)
    assert speeds_of(0) == speeds_of(1 << 400) == ()


def test_ports() -> None:
    """Bits of ports give their names."""
    assert ports_of(1 << 7 | 1 << 9 | 1 << 16 | 1 << 5) == ["TP", "MII", "Backplane"]


def test_no_two_bits_are_one_mode() -> None:
    """Every mode and duplex is there once, so that no series is."""
    assert len({speed[:2] for speed in SPEEDS.values()}) == len(SPEEDS)
    assert not SPEEDS.keys() & {AUTONEGOTIATION, PAUSE, ASYMMETRIC_PAUSE, *PORTS}


def test_the_header_of_the_kernel() -> None:
    """The bits are those of the header, as far as the one of this machine goes."""
    if not HEADER.is_file():
        pytest.skip(f"no {HEADER} (Debian package linux-libc-dev)")
    bits = {int(bit): name for name, bit in re.findall(r"ETHTOOL_LINK_MODE_(\w+)_BIT\s*=\s*(\d+)", HEADER.read_text())}
    speeds = {bit: name for bit, name in bits.items() if name[0].isdigit()}
    ours = {bit: speed for bit, speed in SPEEDS.items() if bit <= max(bits)}
    assert {bit: f"{speed.mode}_{speed.duplex.capitalize()}" for bit, speed in ours.items()} == {
        bit: name if name.endswith(("_Full", "_Half")) else f"{name}_Full" for bit, name in speeds.items()
    }
    assert {bit: bits[bit] for bit in PORTS} == PORTS
    assert [bits[bit] for bit in (AUTONEGOTIATION, PAUSE, ASYMMETRIC_PAUSE)] == ["Autoneg", "Pause", "Asym_Pause"]
