"""Ten thousand scrapes leave memory, descriptors and threads as they were."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from typing import Final, NamedTuple

from tools.scrape_client import ScrapeClient
from tools.serving import Server

SCRAPES: Final = 10_000
WARM_UP: Final = 500
GROWTH_KIB: Final = 1024
WORKERS: Final = 8


class Held(NamedTuple):
    """What a process holds: resident anonymous memory, open descriptors, threads."""

    anonymous_kib: int
    descriptors: int
    threads: int


def held(pid: int) -> Held:
    with open(f"/proc/{pid}/status") as file:
        status = file.read()
    found = {name: int(value) for name, value in re.findall(r"^(RssAnon|Threads):\s+(\d+)", status, re.M)}
    return Held(found["RssAnon"], len(os.listdir(f"/proc/{pid}/fd")), found["Threads"])


def test_ten_thousand_scrapes_are_flat(agent_process: Callable[..., Server]) -> None:
    """After a warm-up, 10,000 scrapes (a tenth with gzip) add no thread, no descriptor and hardly any memory."""
    server = agent_process("exporter", "node")
    plain, compressed = ScrapeClient(server.port, {}), ScrapeClient(server.port, {"Accept-Encoding": "gzip"})
    with contextlib.closing(plain), contextlib.closing(compressed):
        for _ in range(WARM_UP):
            plain.get("/metrics")
            compressed.get("/metrics")
        before = held(server.pid)
        for index in range(SCRAPES):
            (plain if index % 10 else compressed).get("/metrics")
        after = held(server.pid)
    # A scrape that is overtaken on a busy machine may start another worker, never more than the pool has.
    assert after.threads <= before.threads + WORKERS
    assert after.descriptors == before.descriptors
    assert after.anonymous_kib - before.anonymous_kib <= GROWTH_KIB, (before, after)
