"""Debian's node_exporter and nodescope on the same machine at the same time: what it says, we say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from tests.live.samples import Scrape, Series, of_the_machine
from tools import rival
from tools.serving import unused_port

ATTEMPTS: Final = 40
PAUSE_S: Final = 0.1


class Spread:
    """The least and the greatest that a series of theirs has been, over all reads so far."""

    def __init__(self) -> None:
        self.seen: dict[Series, tuple[float, float]] = {}

    def add(self, scrape: Scrape) -> None:
        for key, value in scrape.samples.items():
            low, high = self.seen.get(key, (value, value))
            self.seen[key] = min(low, value), max(high, value)

    def holds(self, key: Series, value: float) -> bool:
        low, high = self.seen[key]
        return low <= value <= high


@pytest.fixture
def both(
    program: Callable[..., str],
    agent_process: Callable[..., Any],
    server_process: Callable[..., Any],
    http_get: Callable[..., Any],
) -> Callable[[], Iterator[Scrape]]:
    """theirs, ours, theirs: three scrapes in a row."""
    program(rival.PROGRAM)
    flags = (*rival.FLAGS, "--web.disable-exporter-metrics")
    port = unused_port()
    theirs = server_process(rival.command(flags, port), port)
    ours = agent_process("exporter", "node", *flags)

    def scrapes() -> Iterator[Scrape]:
        for server in (theirs, ours, theirs):
            reply = http_get(server.port, "/metrics")
            assert reply.status == 200, reply.body
            yield of_the_machine(reply.body)

    return scrapes


def test_every_series_is_there_with_its_type(both: Callable[[], Iterator[Scrape]]) -> None:
    """Every series of node_exporter is among ours, with the same labels but those of newer versions, and type."""
    before, ours, after = both()
    steady = before.samples.keys() & after.samples.keys()
    assert len(steady) > 100
    assert sorted(str(key) for key in steady - ours.samples.keys()) == []
    names = {name for name, _ in steady}
    assert {name: ours.types.get(name) for name in names} == {name: before.types[name] for name in names}


def test_every_value_lies_between_two_reads_of_theirs(both: Callable[[], Iterator[Scrape]]) -> None:
    """A counter of ours lies between two reads of theirs around it; a gauge within what theirs have been meanwhile."""
    spread = Spread()
    before, ours, after = both()
    disagreeing = dict.fromkeys(before.samples.keys() & after.samples.keys() & ours.samples.keys(), "")
    for _ in range(ATTEMPTS):
        spread.add(before)
        spread.add(after)
        for key in disagreeing.keys() & before.samples.keys() & after.samples.keys() & ours.samples.keys():
            low, value, high = (scrape.samples[key] for scrape in (before, ours, after))
            counter = ours.types[key[0]] == "counter"
            disagreeing[key] = f"{low!r} .. {value!r} .. {high!r}"
            if low <= value <= high or (not counter and spread.holds(key, value)):
                del disagreeing[key]
        if not disagreeing:
            break
        time.sleep(PAUSE_S)
        before, ours, after = both()
    assert disagreeing == {}
