"""Tests of the names of MIG profiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.nvidia.child.mig import MEBIBYTE, profile_in, profile_of

H100 = 81559 * MEBIBYTE
H200 = 143771 * MEBIBYTE


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        ("NVIDIA H200 MIG 1g.18gb", "1g.18gb"),
        ("NVIDIA A100-SXM4-40GB MIG 1c.3g.20gb", "1c.3g.20gb"),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb+me", "1g.10gb+me"),
        ("NVIDIA H200", None),
        ("", None),
    ],
)
def test_the_name_of_a_device_ends_in_its_profile(name: str, profile: str | None) -> None:
    """The profile is what stands behind MIG in the name."""
    assert profile_in(name) == profile


@pytest.mark.parametrize(
    ("slices", "mebibytes", "total", "profile"),
    [
        ((1, 1), 16896, H200, "1g.18gb"),
        ((1, 1), 9984, H100, "1g.10gb"),
        ((2, 2), 20096, H100, "2g.20gb"),
        ((3, 3), 40448, H100, "3g.40gb"),
        ((3, 1), 40448, H100, "1c.3g.40gb"),
        ((1, 1), 9984, None, "1g.10gb"),
        ((0, 0), 9984, H100, None),
        ((1, 1), 0, H100, None),
    ],
)
def test_a_profile_from_its_parts(
    slices: tuple[int, int], mebibytes: int, total: int | None, profile: str | None
) -> None:
    """Where the name does not say it, slices and memory do, in the whole GPU's gigabytes."""
    assert profile_of(*slices, mebibytes * MEBIBYTE, total) == profile


@given(st.integers(0, 1 << 32), st.integers(0, 1 << 32), st.integers(0, 1 << 64), st.none() | st.integers(0, 1 << 64))
def test_any_parts_give_a_profile_or_none(gpu: int, compute: int, memory: int, total: int | None) -> None:
    """Whatever the driver says of an instance, it has a name or none."""
    profile = profile_of(gpu, compute, memory, total)
    assert profile is None or profile_in(f"MIG {profile}") == profile
