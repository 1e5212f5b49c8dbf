"""What a scrape of the twelve collectors costs after a rest, beside node_exporter's: python -m tools.rest_cost

A core that rests for some ten milliseconds loses what its caches held, and what runs next waits for memory. The third
line has no server: the collectors and the encoder alone, in one thread, which is what no other server could save.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from nodescope import configuration, garbage, malloc
from nodescope.exposition.text import TextEncoder
from nodescope.measurement import Measurement
from tools import markdown, rival
from tools.process_cost import cpu
from tools.scrape_client import ScrapeClient
from tools.serving import Server, nodescope_command, unused_port

RESTS_S: Final = (0.0, 0.005, 0.02, 0.1, 1.0)
WARM_UP: Final = 20
SCRAPES: Final = 300
SECONDS: Final = 30.0
"""At most as many scrapes, and about as long, for each rest."""
FIRST_SAMPLES_S: Final = 5.0
ALONE: Final = "--alone"


def scrapes(rest_s: float) -> int:
    return SCRAPES if not rest_s else min(SCRAPES, int(SECONDS / rest_s))


def cost(scrape: Callable[[], object], spent_s: Callable[[], float], rests_s: Sequence[float] = RESTS_S) -> list[float]:
    """Milliseconds of CPU for each of `scrape`, for each rest. `spent_s`: seconds of CPU until now."""
    found = []
    for rest_s in rests_s:
        for _ in range(WARM_UP):
            scrape()
        before = spent_s()
        for _ in range(scrapes(rest_s)):
            time.sleep(rest_s)
            scrape()
        found.append((spent_s() - before) / scrapes(rest_s) * 1000)
    return found


def served(command: Sequence[str], port: int, folder: Path) -> list[float]:
    server = Server(command, port, folder / "log", folder)
    client = ScrapeClient(port, {"X-Prometheus-Scrape-Timeout-Seconds": "10"})
    try:
        return cost(lambda: client.get("/metrics"), lambda: cpu(server.pid).scheduled)
    finally:
        client.close()
        server.stop()


def alone() -> list[float]:
    """The collectors one after the other and the text of what they give, in this thread: no server, no deadlines."""
    malloc.give_back_large_buffers()
    measurement = Measurement(configuration.load({}, {}), {"all": rival.TWELVE})
    measurement.start()
    measurement.first_samples(FIRST_SAMPLES_S)
    collectors, encoder = list(measurement.collectors.values()), TextEncoder()

    def scrape() -> bytes:
        families = [family for collector in collectors for family in collector.collect()]
        return encoder.encode(families)

    scrape()
    garbage.settle()
    try:
        return cost(scrape, time.thread_time)
    finally:
        measurement.stop()


def main(arguments: Sequence[str]) -> None:
    if list(arguments) == [ALONE]:
        print(*alone())
        return
    with tempfile.TemporaryDirectory(prefix="nodescope-rest-") as name:
        flags = (*rival.FLAGS, "--web.disable-exporter-metrics")
        port, other = unused_port(), unused_port()
        own = served(nodescope_command(("exporter", "node", *flags), port), port, Path(name))
        theirs = served([*rival.command(flags, other)], other, Path(name))
    # A process of its own, as the servers are: this one has loaded what they have not.
    said = subprocess.run([sys.executable, "-m", "tools.rest_cost", ALONE], capture_output=True, text=True, check=True)
    without = [float(word) for word in said.stdout.split()]
    lines = (("nodescope", own), ("node_exporter", theirs), ("nodescope's collectors and encoder alone", without))
    head = ["CPU ms a scrape after a rest of", *(f"{rest_s * 1000:g} ms" for rest_s in RESTS_S)]
    print(markdown.table(head, [[name, *(f"{ms:.2f}" for ms in figures)] for name, figures in lines]), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
