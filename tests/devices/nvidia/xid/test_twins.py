"""An XID that two children tell of counts once."""

from __future__ import annotations

from nodescope.devices.nvidia.frame import Xid
from nodescope.devices.nvidia.xid.twins import MAX_WAITING, TWIN_SECONDS, XidTwins


def xid(number: int = 79, at: float = 1000.0, uuid: str = "GPU-1", instance: int | None = None) -> Xid:
    return Xid(uuid=uuid, xid=number, time_seconds=at, gpu_instance_id=instance)


def test_one_child_has_no_twins() -> None:
    """While there is one child everything it tells counts, however alike."""
    twins = XidTwins()
    twins.expect(False, 0)
    assert [twins.is_first(xid(), 1) for _ in range(3)] == [True] * 3
    assert twins.is_first(xid(), 2)


def test_each_twin_is_found_once() -> None:
    """Three of one child and four of the other, of one kind, are four."""
    twins = XidTwins()
    twins.expect(True, 0)
    told = [twins.is_first(xid(at=1000 + n / 10), child) for n, child in enumerate((1, 2, 2, 1, 1, 2, 2))]
    assert told == [True, False, True, False, True, False, True]


def test_others_are_no_twins() -> None:
    """Another GPU, number or instance is another XID, and so is one much later."""
    twins = XidTwins()
    twins.expect(True, 0)
    assert twins.is_first(xid(), 1)
    for other in (xid(number=48), xid(uuid="GPU-2"), xid(instance=3), xid(at=1000 + TWIN_SECONDS + 1)):
        assert twins.is_first(other, 2)


def test_a_twin_may_come_after_the_first_child_has_gone() -> None:
    """For a while after one child is gone the other may still tell what that one told."""
    twins = XidTwins()
    twins.expect(True, 0)
    assert twins.is_first(xid(), 1)
    twins.expect(False, TWIN_SECONDS - 0.1)
    assert not twins.is_first(xid(), 2)
    assert twins.is_first(xid(), 2)
    twins.expect(False, TWIN_SECONDS)
    assert twins.is_first(xid(), 1)


def test_what_is_remembered_is_bounded() -> None:
    """Of more XIDs than are remembered every one that is new counts."""
    twins = XidTwins()
    twins.expect(True, 0)
    assert all(twins.is_first(xid(number=n), 1) for n in range(MAX_WAITING + 10))
    assert sum(map(len, twins._waiting.values())) <= MAX_WAITING
