"""Calls that hang are left out, for twice as long each time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nodescope.devices.nvidia.quarantine import ALL, MAX_GPUS, Quarantine


def test_one_call_is_left_out_and_tried_again() -> None:
    """One call is left out until its time is over; each hang doubles that, up to the longest."""
    held = Quarantine(10, 50)
    now = 0.0
    for wait_s in (10, 20, 40, 50, 50):
        held.hung("GPU-1", "nvmlA", now)
        assert held.skip(now + wait_s - 0.1) == {"GPU-1": ("nvmlA",)}
        assert held.skip(now + wait_s) == {}
        assert held.skip(now + wait_s, try_again=False) == {"GPU-1": ("nvmlA",)}
        now += wait_s
    assert held.calls("GPU-1") == ("nvmlA",)
    assert held.calls("GPU-2") == ()


def test_a_second_call_leaves_the_gpu_out() -> None:
    """With two calls that hung all of the GPU is left out; other GPUs are not."""
    held = Quarantine(10, 600)
    held.hung("GPU-1", "nvmlA", 0)
    held.hung("GPU-2", "nvmlA", 0)
    held.hung("GPU-1", "nvmlA", 1)
    assert held.skip(2) == {"GPU-1": ("nvmlA",), "GPU-2": ("nvmlA",)}
    held.hung("GPU-1", "nvmlB", 2)
    held.hung("GPU-1", "nvmlC", 2)
    assert held.skip(3) == {"GPU-1": (ALL,), "GPU-2": ("nvmlA",)}
    assert held.calls("GPU-1") == ("nvmlA", "nvmlB")


def test_what_went_well_is_forgotten_late() -> None:
    """A call that was tried and did not hang is no longer left out; that it once hung is forgotten after long."""
    held = Quarantine(10, 100)
    held.hung("GPU-1", "nvmlA", 0)
    held.went_well({"GPU-1": ("nvmlA",)}, 5)
    assert held.skip(6) == {"GPU-1": ("nvmlA",)}
    held.went_well({}, 11)
    assert held.skip(12, try_again=False) == {}
    held.hung("GPU-1", "nvmlA", 50)
    assert held.skip(69) == {"GPU-1": ("nvmlA",)}
    held.went_well({}, 71)
    held.went_well({}, 171)
    assert held.calls("GPU-1") == ()
    held.hung("GPU-1", "nvmlA", 200)
    assert held.skip(210) == {}


def test_clearing_forgets() -> None:
    """After clearing nothing is left out."""
    held = Quarantine(10, 100)
    held.hung("GPU-1", "nvmlA", 0)
    held.clear()
    assert held.skip(0, try_again=False) == {}


@given(st.lists(st.tuples(st.text(max_size=200), st.text(max_size=200)), max_size=300))
def test_whatever_hangs_is_bounded(hung: list[tuple[str, str]]) -> None:
    """Names become arguments of a command: they are words of bounded length, of a bounded number of GPUs."""
    held = Quarantine(10, 100)
    for uuid, call in hung:
        held.hung(uuid, call, 0)
    skip = held.skip(0)
    assert len(skip) <= MAX_GPUS
    for uuid, calls in skip.items():
        assert len(uuid) <= 96
        assert all(call == ALL or (call.isascii() and call.isidentifier()) or call[:1].isdigit() for call in calls)
        assert all(len(call) <= 96 for call in calls)
