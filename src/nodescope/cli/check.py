"""`nodescope check`: are this node's GPUs healthy, and its links and memory? For Nagios, Icinga, Slurm's prolog and
node-problem-detector.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Protocol

from nodescope import configuration, logs
from nodescope.cli import EXIT_USAGE, Unwritable, say, warn
from nodescope.cli.check_text import EXIT_UNKNOWN, NO_GPU, part_of_gpus, part_of_links, summary
from nodescope.cli.flags import of_gpus, parse, parser
from nodescope.cli.gpu_findings import is_starting
from nodescope.measurement import Measurement
from nodescope.records.gpu_snapshot import GpuHealth, GpuSource
from nodescope.records.health import DeviceHealth
from nodescope.records.kinds import of_kind
from nodescope.runner import Runner
from nodescope.settings import Setting, Settings, SettingsError
from nodescope.settings.value import read_value
from nodescope.simulated import machine

GPU: Final = "gpu"
LINKS: Final = "link_health"
LINK_SOURCES: Final = ("rdma", "pci", "nvme_fabrics", "memory_modules")
TIMEOUT: Final = Setting("timeout", "duration", 10.0, "", unit="seconds", minimum=0.001, maximum=600)
"""How long to wait for readings; no setting of the agent."""
POLL_S: Final = 0.1

LATE: Final = "no reading of the links in time"
LATE_GPUS: Final = "no reading of all GPUs in time"
FAILED: Final = "the GPUs of another vendor could not be read"
DESCRIPTION: Final = (
    "Say whether this node's GPUs are healthy, and its links and memory if asked. Ends with 0 where they are, 1 for a "
    "warning, 2 where one is critical, 3 where that is not known or the command was given wrongly. What has to last, "
    "or shows over hours, only a running agent can tell."
)


class Snapshot(Protocol):
    """What was sampled."""

    @property
    def records(self) -> tuple[object, ...]: ...


class Loop(Protocol):
    """What samples the GPUs in the background."""

    @property
    def snapshot(self) -> Snapshot | None: ...

    def first(self, deadline: float) -> bool: ...


class Seen(NamedTuple):
    """What there was to see before the deadline. `reason`: why there is no more, or not all."""

    verdicts: tuple[GpuHealth, ...] = ()
    sources: tuple[GpuSource, ...] = ()
    reason: str = ""


class SeenLinks(NamedTuple):
    """As `Seen`. `reason`: empty too where there is no such device."""

    verdicts: tuple[DeviceHealth, ...] = ()
    reason: str = ""


def main(arguments: Sequence[str]) -> int:
    try:
        return _main(arguments)
    except SettingsError as error:
        warn(str(error))
        return EXIT_UNKNOWN
    except Unwritable:
        return EXIT_UNKNOWN
    except SystemExit as ended:
        # To a monitoring system the exit code of wrong usage would be that of a broken GPU.
        if ended.code == EXIT_USAGE:
            return EXIT_UNKNOWN
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, an exit code of Python's own would be a warning
        sys.excepthook(*sys.exc_info())
        failure = type(error).__name__
        _say(f"NODE UNKNOWN - nodescope itself has failed ({failure}): report what standard error has of it")
        return EXIT_UNKNOWN


def _main(arguments: Sequence[str]) -> int:
    made = parser("nodescope check", DESCRIPTION, of_gpus)
    made.add_argument(
        "--timeout",
        default=TIMEOUT.default,
        metavar="DURATION",
        help=f"how long to wait for readings ({TIMEOUT.default:g} seconds)",
    )
    judged = "judge RDMA ports, PCIe links, NVMe controllers and memory modules too"
    made.add_argument("--links", action="store_true", help=judged)
    made.add_argument(
        "--allow-none", action="store_true", help="a node without GPUs, or without links, is healthy, not unknown"
    )
    namespace, given, warnings = parse(made, arguments)
    timeout = read_value(TIMEOUT, namespace.timeout, "flag --timeout")
    settings = configuration.load(given, os.environ)
    logs.configure("error", settings["log.format"])
    warn(*warnings, *settings.warnings)
    allow_none = namespace.allow_none
    gpus, links = look(settings, namespace.links, time.monotonic() + timeout)
    text, code = summary(
        part_of_gpus(gpus.verdicts, gpus.sources, gpus.reason, allow_none),
        None if links is None else part_of_links(links.verdicts, links.reason, allow_none),
    )
    _say(text)
    return code


def _say(text: str) -> None:
    """The exit code is the verdict, whether anybody reads the text or not."""
    with suppress(Unwritable):
        say(text)


def look(settings: Settings, links: bool, deadline: float) -> tuple[Seen, SeenLinks | None]:
    """Measures the GPUs, and where `links` these, until there are verdicts, at most until `deadline` (monotonic)."""
    names = (GPU, LINKS) if links else (GPU,)
    enabled = (*names, *LINK_SOURCES) if links else names
    wanted = settings.replaced({f"collector.{name}.enabled": True for name in enabled}, "nodescope check")
    with machine(wanted) as (here, surroundings):
        measurement = Measurement(here, {"check": names}, None, surroundings)
        measurement.start()
        try:
            gpus = awaited(measurement.loops[GPU], measurement.runner, deadline)
            return gpus, awaited_links(measurement.loops[LINKS], measurement.runner, deadline) if links else None
        finally:
            measurement.stop()


def awaited(loop: Loop, runner: Runner, deadline: float) -> Seen:
    """What the sampler gives once every GPU has been read, or what there is of it at `deadline`."""
    in_time = loop.first(deadline)
    while True:
        remaining = deadline - time.monotonic()
        (outcome,) = runner.scrape((GPU,), max(remaining, POLL_S))
        if outcome.state == "absent":
            return Seen(reason=f"{NO_GPU}: {outcome.reason}" if in_time else LATE_GPUS)
        records = loop.snapshot.records if outcome.succeeded and loop.snapshot else ()
        seen = Seen(
            tuple(of_kind(records, GpuHealth)),
            tuple(of_kind(records, GpuSource)),
            outcome.reason or _missing(in_time, outcome.left_out),
        )
        if (records and not is_starting(records)) or remaining <= 0:
            return seen
        time.sleep(min(POLL_S, remaining))


def _missing(in_time: bool, vendors_failed: int) -> str:
    """Why what is seen may not be all."""
    if not in_time:
        return LATE_GPUS
    return FAILED if vendors_failed else ""


def awaited_links(loop: Loop, runner: Runner, deadline: float) -> SeenLinks:
    """The verdicts on links, once they are sampled."""
    in_time = loop.first(deadline)
    (outcome,) = runner.scrape((LINKS,), max(deadline - time.monotonic(), POLL_S))
    if outcome.state == "absent":
        return SeenLinks(reason="" if in_time else LATE)
    records = loop.snapshot.records if outcome.succeeded and loop.snapshot else ()
    return SeenLinks(tuple(of_kind(records, DeviceHealth)), outcome.reason or ("" if outcome.succeeded else LATE))
