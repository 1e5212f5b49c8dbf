"""The supervisor passes on what children tell of, once."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.devices.nvidia.supervised import SHORT, Supervised, until

Make = Callable[..., Supervised]


def test_every_xid_arrives_once(supervised: Make) -> None:
    """Of a storm of XIDs each is passed on, in order, also those that a child wrote right before its end."""
    one = supervised(
        "hello(); inventory('GPU-0'); sample('GPU-0')\n"
        "for n in range(10_000): send('xid', uuid='GPU-0', xid=NUMBER * 100_000 + n, time_seconds=time.time())\n"
        "if NUMBER == 1: os._exit(1)\nsamples('GPU-0')"
    )
    until(lambda: one.observe() and len(one.xids) == 20_000)
    assert [xid.xid for xid in one.xids] == [number * 100_000 + n for number in (1, 2) for n in range(10_000)]


def test_two_children_tell_one_xid(supervised: Make) -> None:
    """What the old child and its replacement both saw counts once, and what only one of them saw counts too."""
    one = supervised(
        "def tell():\n"
        "    for n in range(200):\n"
        "        if n % 3 == NUMBER: continue\n"
        "        send('xid', uuid='GPU-0', xid=n, time_seconds=1000.0)\n"
        "        time.sleep(0.01)\n"
        "if NUMBER == 2: time.sleep(0.5)\n"
        "hello(); inventory('GPU-0')\n"
        "def late():\n"
        "    while not (FOLDER / 'start-2').exists(): time.sleep(0.01)\n"
        "    time.sleep(0.2); tell()\n"
        "threading.Thread(target=late, daemon=True).start()\n"
        "samples('GPU-0', busy={'GPU-0': 'nvmlSlow'} if NUMBER == 1 else None, seconds=99)",
        limits=SHORT._replace(quarantine_s=60.0, start_s=20.0, least_silence_s=20.0),
    )
    until(lambda: one.observe() and one.source.status().starts == 2)
    until(lambda: len(one.xids) >= 134)
    time.sleep(1.5)
    counts = {number: [xid.xid for xid in one.xids].count(number) for number in range(200)}
    assert max(counts.values()) == 1
    seen_by_second = {number for number in range(200) if number % 3 != 2}
    assert {number for number, count in counts.items() if count} >= seen_by_second


def test_what_is_called_may_fail(supervised: Make) -> None:
    """An error in what is called for an XID or a change is logged and harms nothing."""

    def fail(what: object) -> None:
        raise RuntimeError(f"no room for {what}")

    one = supervised(
        "hello(); inventory('GPU-0')\nfor _ in range(3): send('xid', uuid='GPU-0', xid=1, time_seconds=1.0)\n"
        "samples('GPU-0', seconds=0.2)\nif NUMBER > 1: samples('GPU-0')",
        told=fail,
    )
    until(lambda: one.observe() and one.kinds() == ["gpu.source_failed", "gpu.source_back"])
    one.until_states(GPU_0="ok")
    assert len(one.xids) == 6
