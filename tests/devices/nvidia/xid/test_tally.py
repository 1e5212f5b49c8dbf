from __future__ import annotations

from typing import Final

from nodescope.devices.nvidia.xid.tally import MAX_GPUS, MAX_XIDS_PER_GPU, WINDOW_S, Tally
from nodescope.records.gpu import GpuIdentity

GPU: Final = GpuIdentity(vendor="nvidia", uuid="GPU-a")
NOW: Final = 1_700_000_000.0


def counts(tally: Tally, now: float = NOW) -> dict[int, tuple[int, int, int]]:
    """XID -> (count, in the window, last)."""
    return {record.xid: (record.count, record.window_count, record.last) for record in tally.records(GPU, now)}


def test_counts_by_number() -> None:
    """Each XID has its count, class and severity, by number, and the newest in time is the last."""
    tally = Tally()
    for xid, at in ((79, NOW - 5), (31, NOW - 10), (999, NOW - 20), (31, NOW - 30)):
        assert tally.add("GPU-a", xid, at)
    records = tally.records(GPU, NOW)
    assert [(r.xid, r.xid_class, r.severity, r.count, r.last_seen_seconds, r.last) for r in records] == [
        (31, "app", "warning", 2, NOW - 10, 0),
        (79, "pcie", "critical", 1, NOW - 5, 1),
        (999, "unknown", "unknown", 1, NOW - 20, 0),
    ]
    assert all(record.identity is GPU for record in records)


def test_the_later_of_one_moment_is_the_last() -> None:
    """Of two XIDs with the same time the one that came later is the last."""
    tally = Tally()
    for xid in (79, 31):
        tally.add("GPU-a", xid, NOW)
    assert counts(tally) == {31: (1, 1, 1), 79: (1, 1, 0)}


def test_window() -> None:
    """The window holds the XIDs of its whole seconds, all of them, and the count holds all that ever were."""
    tally = Tally()
    for second in range(2 * WINDOW_S):
        for _ in range(3):
            tally.add("GPU-a", 31, NOW + second)
    newest = NOW + 2 * WINDOW_S - 1
    assert counts(tally, newest)[31] == (6 * WINDOW_S, 3 * WINDOW_S, 1)
    assert counts(tally, newest + 1)[31][1] == 3 * (WINDOW_S - 1)
    assert counts(tally, newest + WINDOW_S - 0.5)[31][1] == 3
    assert counts(tally, newest + WINDOW_S)[31] == (6 * WINDOW_S, 0, 1)


def test_bounds() -> None:
    """XIDs of more GPUs or numbers than there is room for are counted as dropped, and those known go on."""
    tally = Tally()
    for number in range(MAX_GPUS + 3):
        tally.add(f"GPU-{number}", 31, NOW)
    assert tally.dropped == 3
    for xid in range(MAX_XIDS_PER_GPU + 3):
        tally.add("GPU-0", 1000 + xid, NOW)
    assert tally.dropped == 3 + 4
    assert tally.add("GPU-0", 31, NOW)
    assert not tally.add("GPU-a", 31, NOW)


def test_move() -> None:
    """What was counted under an address is added to its GPU, without what both had counted."""
    tally = Tally()
    for xid, at in ((31, NOW - 9), (31, NOW - 9), (31, NOW - 8), (79, NOW)):
        tally.add("0000:18:00", xid, at)
    for xid in (31, 31, 13):
        tally.add("GPU-a", xid, NOW - 9)
    tally.move("0000:18:00", "GPU-a", {31: [(int(NOW) - 9, 2)]})
    assert counts(tally) == {13: (1, 1, 0), 31: (3, 3, 0), 79: (1, 1, 1)}
    assert tally.xids("0000:18:00") == []
    tally.move("0000:18:00", "GPU-a", {})
    assert counts(tally)[31][0] == 3


def test_saved_and_restored() -> None:
    """What is restored counts on from where it was, and only the window's seconds are saved."""
    tally, restored = Tally(), Tally()
    for at in (NOW - 2 * WINDOW_S, NOW - 1):
        tally.add("GPU-a", 31, at)
    saved = tally.saved(NOW)
    assert saved["GPU-a"][31].recent == {int(NOW) - 1: 1}
    restored.restore(saved)
    restored.add("GPU-a", 31, NOW)
    assert counts(restored) == {31: (3, 2, 1)}
