"""The mask of reasons why clocks are held down."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.nvidia.throttle import REASONS, throttles
from nodescope.records.gpu import GpuIdentity

GPU = GpuIdentity(vendor="nvidia", uuid="GPU-1")


def active(mask: int | None) -> dict[str, int]:
    return {throttle.reason: throttle.active for throttle in throttles(GPU, mask)}


def test_each_reason_is_told() -> None:
    """Each of the nine reasons is 1 where its bit is set and else 0; a mask that is unknown tells nothing."""
    assert throttles(GPU, None) == ()
    assert active(0) == dict.fromkeys(REASONS, 0)
    assert {reason for reason, value in active(0x1 | 0x4 | 0x40).items() if value} == {
        "gpu_idle",
        "sw_power_cap",
        "hw_thermal_slowdown",
    }
    assert sum(active(0x1FF).values()) == len(REASONS) == 9
    assert throttles(GPU, 1)[0].identity is GPU


def test_reasons_of_newer_drivers() -> None:
    """Reasons that not every driver knows are told where they hold; a bit without a name is "unknown"."""
    assert active(0x200) == {**dict.fromkeys(REASONS, 0), "board_limit": 1}
    assert active(0x400 | 0x800) == {**dict.fromkeys(REASONS, 0), "reliability": 1, "unknown": 1}
    assert active(1 << 63)["unknown"] == 1


@given(st.integers(0, 2**64 - 1))
def test_no_bit_is_lost(mask: int) -> None:
    """There is an active reason exactly where the mask is not 0, and no reason comes twice."""
    told = throttles(GPU, mask)
    assert any(throttle.active for throttle in told) == (mask != 0)
    assert len({throttle.reason for throttle in told}) == len(told)
