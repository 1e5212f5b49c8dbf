"""Counting in how many samples clocks were held down."""

from __future__ import annotations

from nodescope.devices.nvidia.throttle import throttles
from nodescope.devices.throttle_window import BUCKET_SECONDS, WINDOW_SECONDS, ThrottleWindow
from nodescope.records.gpu import GpuIdentity

GPU = GpuIdentity(vendor="nvidia", uuid="GPU-1")
POWER_CAP = 0x4


def count(window: ThrottleWindow, mask: int, at: float, identity: GpuIdentity = GPU) -> dict[str, int | None]:
    return {throttle.reason: throttle.window_count for throttle in window.counted(throttles(identity, mask), at)}


def test_samples_are_counted() -> None:
    """Each sample in which a reason held counts once, however often it is given; a reason that did not hold has 0."""
    window = ThrottleWindow()
    assert count(window, POWER_CAP, 100.0)["sw_power_cap"] == 1
    assert count(window, POWER_CAP, 100.0)["sw_power_cap"] == 1
    assert count(window, 0, 101.0) == dict.fromkeys(count(window, 0, 101.0), 0) | {"sw_power_cap": 1}
    assert count(window, POWER_CAP | 0x40, 102.0) | {"gpu_idle": 0} == count(window, 0, 102.0)
    assert count(window, 0, 103.0)["hw_thermal_slowdown"] == 1
    assert window.counted((), 104.0) == ()


def test_beginnings_are_counted() -> None:
    """Each time that a reason begins to hold counts once; what held in the first sample had begun before."""
    window = ThrottleWindow()
    masks = (POWER_CAP, POWER_CAP, 0, POWER_CAP, POWER_CAP | 0x40, 0, POWER_CAP)
    for second, mask in enumerate(masks):
        told = window.counted(throttles(GPU, mask), float(second))
    assert {throttle.reason: throttle.begun_count for throttle in told if throttle.begun_count} == {
        "sw_power_cap": 2,
        "hw_thermal_slowdown": 1,
    }


def test_the_window_moves_on() -> None:
    """What is older than five minutes no longer counts, and no more is kept than the window's buckets."""
    window = ThrottleWindow()
    for second in range(2000):
        found = count(window, POWER_CAP, float(second))["sw_power_cap"]
        assert found is not None
        assert min(second + 1, WINDOW_SECONDS - BUCKET_SECONDS) <= found <= WINDOW_SECONDS + BUCKET_SECONDS
    assert count(window, 0, 2000 + WINDOW_SECONDS + BUCKET_SECONDS)["sw_power_cap"] == 0


def test_gpus_apart() -> None:
    """Each GPU has its own count, and one that was taken out is forgotten when another comes."""
    window = ThrottleWindow()
    other = GpuIdentity(vendor="nvidia", uuid="GPU-2")
    assert count(window, POWER_CAP, 1.0)["sw_power_cap"] == 1
    assert count(window, POWER_CAP, 2.0, other)["sw_power_cap"] == 1
    third = GpuIdentity(vendor="nvidia", uuid="GPU-3")
    assert count(window, POWER_CAP, 1000.0, third)["sw_power_cap"] == 1
    assert count(window, 0, 1001.0)["sw_power_cap"] == 0
