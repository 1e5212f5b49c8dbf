"""`nodescope check`: are this node's GPUs healthy? For Nagios, Icinga, Slurm's prolog and node-problem-detector.

*Source*: the convention of monitoring plugins: one line with the state and numbers behind a bar, details in the lines
after it, and the state as the exit code.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from nodescope import configuration, logs
from nodescope.cli import EXIT_USAGE
from nodescope.cli.flags import of_gpus, parse, parser
from nodescope.measurement import Measurement
from nodescope.records.gpu_snapshot import Gpu, GpuHealth, GpuSource
from nodescope.runner import Runner
from nodescope.settings import Settings, SettingsError
from nodescope.simulated import machine

EXIT_UNKNOWN: Final = 3
EXITS: Final = {"ok": 0, "warning": 1, "critical": 2, "unknown": EXIT_UNKNOWN}
WORST_FIRST: Final = ("critical", "warning", "unknown", "ok")

COLLECTOR: Final = "gpu"
TIMEOUT_S: Final = 10.0
MAX_TIMEOUT_S: Final = 600.0
POLL_S: Final = 0.1
MAX_PROBLEMS: Final = 50
"""How many are told; the others are counted."""

ALL: Final = "all"
STARTING: Final = "starting"
NO_GPU: Final = "no GPU on this node"
DESCRIPTION: Final = (
    "Say whether this node's GPUs are healthy. Ends with 0 where they are, 1 for a warning, 2 where one is critical, "
    "3 where that is not known or the command was given wrongly. What has to last, or shows over hours, only a running "
    "agent can tell."
)


class Problem(NamedTuple):
    """What is wrong with some components, on some GPUs."""

    state: str
    components: tuple[str, ...]
    reason: str
    evidence: str
    action: str


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
    """What there was to see before the deadline. `reason`: why there is no more."""

    verdicts: tuple[GpuHealth, ...] = ()
    sources: tuple[GpuSource, ...] = ()
    reason: str = ""


def main(arguments: Sequence[str]) -> int:
    try:
        return _main(arguments)
    except SettingsError as error:
        print(f"nodescope: {error}", file=sys.stderr)
        return EXIT_UNKNOWN
    except SystemExit as ended:
        # To a monitoring system the exit code of wrong usage would be that of a broken GPU.
        if ended.code == EXIT_USAGE:
            return EXIT_UNKNOWN
        raise


def _main(arguments: Sequence[str]) -> int:
    made = parser("nodescope check", DESCRIPTION, of_gpus)
    made.add_argument(
        "--timeout",
        type=float,
        default=TIMEOUT_S,
        metavar="SECONDS",
        help=f"how long to wait for readings ({TIMEOUT_S:g})",
    )
    made.add_argument("--allow-none", action="store_true", help="a node without GPUs is healthy, not unknown")
    namespace, given, warnings = parse(made, arguments)
    if not 0 < namespace.timeout <= MAX_TIMEOUT_S:
        made.error(f"--timeout: expected more than 0 and at most {MAX_TIMEOUT_S:g} seconds")
    settings = configuration.load(given, os.environ)
    logs.configure("error", settings["log.format"])
    for warning in (*warnings, *settings.warnings):
        print(f"nodescope: {warning}", file=sys.stderr)
    seen = look(settings, time.monotonic() + namespace.timeout)
    text, code = summary(seen.verdicts, seen.sources, seen.reason, namespace.allow_none)
    print(text)
    sys.stdout.flush()
    return code


def look(settings: Settings, deadline: float) -> Seen:
    """Measures the GPUs until there are verdicts, at most until `deadline` (monotonic)."""
    wanted = settings.replaced({f"collector.{COLLECTOR}.enabled": True}, "nodescope check")
    with machine(wanted) as (here, surroundings):
        measurement = Measurement(here, {"check": (COLLECTOR,)}, None, surroundings)
        measurement.start()
        try:
            return awaited(measurement.loops[COLLECTOR], measurement.runner, deadline)
        finally:
            measurement.stop()


def awaited(loop: Loop, runner: Runner, deadline: float) -> Seen:
    """What the sampler gives once every GPU has been read, or what there is of it at `deadline`."""
    loop.first(deadline)
    while True:
        remaining = deadline - time.monotonic()
        (outcome,) = runner.scrape((COLLECTOR,), max(remaining, POLL_S))
        if outcome.state == "absent":
            return Seen(reason=f"{NO_GPU}: {outcome.reason}")
        records = loop.snapshot.records if outcome.succeeded and loop.snapshot else ()
        seen = Seen(
            tuple(record for record in records if isinstance(record, GpuHealth)),
            tuple(record for record in records if isinstance(record, GpuSource)),
            outcome.reason,
        )
        if (records and not _is_starting(records)) or remaining <= 0:
            return seen
        time.sleep(min(POLL_S, remaining))


def _is_starting(records: Iterable[object]) -> bool:
    return any(isinstance(record, (Gpu, GpuSource)) and record.state == STARTING for record in records)


def summary(
    verdicts: Sequence[GpuHealth], sources: Sequence[GpuSource], reason: str = "", allow_none: bool = False
) -> tuple[str, int]:
    """What to print, and the exit code. `reason`: why there are no verdicts; `allow_none`: a node without GPUs is
    healthy."""
    whole = [verdict for verdict in verdicts if verdict.component == ALL]
    if not whole:
        return _without(sources, reason, allow_none)
    counts = {state: sum(verdict.state == state for verdict in whole) for state in EXITS}
    state = next(state for state in WORST_FIRST if counts[state])
    numbers = " ".join(f"{name}={count}" for name, count in counts.items())
    problems = _grouped(verdict for verdict in verdicts if verdict.component != ALL and verdict.state != "ok")
    lines = [_line(f"GPU {state.upper()} - {_headline(counts, len(whole))}") + f" | gpus={len(whole)} {numbers}"]
    lines += [line for problem, gpus in problems[:MAX_PROBLEMS] for line in _told(problem, gpus)]
    if len(problems) > MAX_PROBLEMS:
        lines.append(f"and {len(problems) - MAX_PROBLEMS} more")
    return "\n".join(lines), EXITS[state]


def _without(sources: Sequence[GpuSource], reason: str, allow_none: bool) -> tuple[str, int]:
    """A driver that is there and cannot be read is broken; one that is paused or late is not known."""
    broken = next((source for source in sources if source.state in ("failed", "abandoned")), None)
    late = next((source for source in sources if source.state != "ok"), None)
    if broken is not None:
        state, text = "critical", f"the driver cannot be read: {broken.reason or broken.state}"
    elif late is not None:
        state, text = "unknown", f"the driver is {late.state}" + (f": {late.reason}" if late.reason else "")
    elif sources or reason.startswith(NO_GPU):
        state, text = "ok" if allow_none else "unknown", reason or NO_GPU
    else:
        state, text = "unknown", reason or "no reading of the GPUs in time"
    return _line(f"GPU {state.upper()} - {text}") + " | gpus=0", EXITS[state]


def _headline(counts: dict[str, int], total: int) -> str:
    gpus = "1 GPU" if total == 1 else f"{total} GPUs"
    if counts["ok"] == total:
        return f"{gpus} healthy"
    return f"of {gpus} " + ", ".join(f"{counts[state]} {state}" for state in WORST_FIRST if counts[state])


def _grouped(verdicts: Iterable[GpuHealth]) -> list[tuple[Problem, list[str]]]:
    """The problems, the worst first, each with the GPUs that have it: what is the same is told once."""
    components: dict[tuple[str, ...], list[str]] = {}
    names: dict[str, str] = {}
    for one in verdicts:
        uuid = one.identity.uuid
        index = uuid if one.identity.index is None else str(one.identity.index)
        names[uuid] = f"{index} ({one.identity.pci_address or uuid})"
        components.setdefault((uuid, one.state, one.reason, one.evidence, one.action), []).append(one.component)
    gpus: dict[Problem, list[str]] = {}
    for (uuid, state, *texts), found in components.items():
        gpus.setdefault(Problem(state, tuple(found), *texts), []).append(names[uuid])
    return sorted(gpus.items(), key=lambda item: WORST_FIRST.index(item[0].state))


def _told(problem: Problem, gpus: Sequence[str]) -> list[str]:
    where = f"GPU {', '.join(gpus)}: {', '.join(problem.components)}"
    lines = [f"{problem.state.upper()}: {where}: {problem.reason}"]
    lines += [f"    read: {problem.evidence}"] if problem.evidence else []
    lines += [f"    do: {problem.action}"] if problem.action else []
    return [_line(line) for line in lines]


def _line(text: str) -> str:
    """One line of ASCII without a bar, behind which a plugin's numbers begin: reasons hold text of the driver."""
    clean = text.encode("ascii", "backslashreplace").decode()
    return "".join(char if char.isprintable() else " " for char in clean).replace("|", "/")
