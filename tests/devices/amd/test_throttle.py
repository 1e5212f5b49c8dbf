"""Causes of low clocks, from counters."""

from __future__ import annotations

from nodescope.devices.amd.throttle import AmdThrottles
from nodescope.records.gpu import GpuIdentity, GpuReading
from nodescope.records.gpu_snapshot import GpuThrottle

GPU = GpuIdentity(vendor="amd", uuid="a")
OTHER = GpuIdentity(vendor="amd", uuid="b")


def active(told: tuple[GpuThrottle, ...]) -> dict[str, int]:
    return {throttle.reason: throttle.active for throttle in told}


def reading(**throttled_ns: int) -> GpuReading:
    return GpuReading(throttled_ns=throttled_ns)


def test_a_counter_that_grows() -> None:
    """A cause is active where its counter grew since the sample before; of the first sample nothing is said."""
    throttles = AmdThrottles()
    assert throttles(GPU, reading(ppt=5, prochot=1)) == ()
    second = reading(ppt=9, prochot=1)
    assert active(throttles(GPU, second)) == {"ppt": 1, "prochot": 0}
    # The same sample again.
    assert active(throttles(GPU, second)) == {"ppt": 1, "prochot": 0}
    assert active(throttles(GPU, reading(ppt=9, prochot=2))) == {"ppt": 0, "prochot": 1}


def test_a_counter_that_began_anew() -> None:
    """What is less than it was says nothing about its cause, once."""
    throttles = AmdThrottles()
    throttles(GPU, reading(ppt=5, prochot=1))
    assert active(throttles(GPU, reading(ppt=0, prochot=1))) == {"prochot": 0}
    assert active(throttles(GPU, reading(ppt=1, prochot=1))) == {"ppt": 1, "prochot": 0}


def test_each_gpu_has_its_own() -> None:
    """GPUs are not compared with each other; one that does not count tells nothing."""
    throttles = AmdThrottles()
    throttles(GPU, reading(ppt=5))
    assert throttles(OTHER, reading(ppt=9)) == ()
    assert throttles(OTHER, GpuReading()) == ()
    assert active(throttles(GPU, reading(ppt=5))) == {"ppt": 0}
