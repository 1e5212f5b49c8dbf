"""Clock levels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.amd.dpm import Levels, parse_levels
from nodescope.host import Malformed

SAID = {
    b"0: 500Mhz\n1: 1700Mhz *\n2: 2100Mhz\n": Levels(1700, 2100),
    # Deep sleep is a clock, and no level.
    b"S: 19Mhz *\n0: 500Mhz \n1: 2100Mhz \n": Levels(19, 2100),
    b"0: 132Mhz *": Levels(132, 132),
    b"0: 900Mhz\n1: 1300Mhz\n": Levels(None, 1300),
    b"1: 1234MHz*\n": Levels(1234, 1234),
    b"": Levels(None, None),
    b"\n": Levels(None, None),
}


@pytest.mark.parametrize(("data", "levels"), SAID.items())
def test_levels(data: bytes, levels: Levels) -> None:
    """The starred level is the current one, and the highest is of all but deep sleep."""
    assert parse_levels(data, "pp_dpm_sclk") == levels


def test_what_is_no_level() -> None:
    """A file without any level is malformed, and named."""
    with pytest.raises(Malformed, match="pp_dpm_pcie"):
        parse_levels(b"0: 8.0GT/s, x16 *\n", "pp_dpm_pcie")


@given(st.binary(max_size=200) | st.text("0123456789:S*. Mhz\n-e", max_size=60).map(str.encode))
def test_any_bytes(data: bytes) -> None:
    """Whatever a file says, it is malformed or clocks that are not negative."""
    try:
        levels = parse_levels(data, "pp_dpm_sclk")
    except Malformed:
        return
    assert all(level is None or level >= 0 for level in levels)
