"""What `nodescope check` prints of verdicts, and the exit code that they give.

*Source*: the convention of monitoring plugins: one line with the state and numbers behind a bar, details in the lines
after it, and the state as the exit code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from nodescope.cli.gpu_findings import gpu_name
from nodescope.health.drivers import driver_verdicts
from nodescope.records.gpu_snapshot import GpuHealth, GpuSource
from nodescope.records.health import DeviceHealth

EXIT_UNKNOWN: Final = 3
EXITS: Final = {"ok": 0, "warning": 1, "critical": 2, "unknown": EXIT_UNKNOWN}
WORST_FIRST: Final = ("critical", "warning", "unknown", "ok")
MAX_PROBLEMS: Final = 50
"""How many are told; the others are counted."""

ALL: Final = "all"
DRIVER: Final = "driver of"
NO_GPU: Final = "no GPU on this node"
NO_LINK: Final = "no RDMA, PCIe or NVMe device and no memory controller on this node"
SUBJECTS: Final = {
    "rdma": "RDMA port", "pcie": "PCIe device", "nvme": "NVMe controller", "nvme_paths": "NVMe subsystem",
    "memory": "memory module",
}  # fmt: skip


class Problem(NamedTuple):
    """What is wrong with `components` of some GPUs, or with some devices; `kind` is what these are called."""

    state: str
    kind: str
    components: tuple[str, ...]
    reason: str
    evidence: str
    action: str


class Part(NamedTuple):
    """What is to be said of all GPUs, or of all that is none. `problems`: the worst first, each with the names
    of who has it: what is the same is told once."""

    state: str
    headline: str
    numbers: str
    problems: tuple[tuple[Problem, tuple[str, ...]], ...] = ()


def part_of_gpus(
    verdicts: Sequence[GpuHealth], sources: Sequence[GpuSource], reason: str = "", allow_none: bool = False
) -> Part:
    """`reason`: why there are no verdicts, or not all; `allow_none`: a node without GPUs is healthy."""
    whole = [verdict.state for verdict in verdicts if verdict.component == ALL]
    if not whole:
        return Part(*_without_gpus(sources, reason, allow_none), "gpus=0")
    components: dict[tuple[str, ...], list[str]] = {}
    names: dict[str, str] = {}
    for one in verdicts:
        if one.component == ALL or one.state == "ok":
            continue
        uuid = one.identity.uuid
        names[uuid] = gpu_name(one.identity)
        components.setdefault((uuid, one.state, one.reason, one.evidence, one.action), []).append(one.component)
    found = (
        (Problem(state, "GPU", tuple(of), *texts), names[uuid]) for (uuid, state, *texts), of in components.items()
    )
    part = _with_drivers(_part(whole, "GPU", "gpus", "", found), driver_verdicts(sources, verdicts))
    return _with_unread(part, reason) if reason else part


def _with_unread(gpus: Part, reason: str) -> Part:
    """What is said of GPUs where there may be others, of which nothing is known: they are not healthy at best."""
    state = min(gpus.state, "unknown", key=WORST_FIRST.index)
    return gpus._replace(state=state, headline=f"{gpus.headline}; {reason}")


def _with_drivers(gpus: Part, drivers: Sequence[DeviceHealth]) -> Part:
    """What is said of GPUs, and of drivers that tell of none beside those of other vendors."""
    state = min([gpus.state, *(one.state for one in drivers)], key=WORST_FIRST.index)
    headline = "; ".join([gpus.headline, *(f"{one.subject}: {one.reason}" for one in drivers)])
    told = [(Problem(one.state, DRIVER, (), one.reason, one.evidence, one.action), (one.subject,)) for one in drivers]
    return Part(state, headline, gpus.numbers, (*gpus.problems, *told))


def part_of_links(verdicts: Sequence[DeviceHealth], reason: str = "", allow_none: bool = False) -> Part:
    """`reason`: why there are no verdicts, where that is not for want of devices."""
    if not verdicts:
        state = "ok" if allow_none and not reason else "unknown"
        return Part(state, reason or NO_LINK, "links=0")
    found = (
        (Problem(one.state, SUBJECTS.get(one.component, one.component), (), one.reason, one.evidence, one.action), one)
        for one in verdicts
        if one.state != "ok"
    )
    states = [one.state for one in verdicts]
    return _part(states, "other device", "links", "links_", ((problem, one.subject) for problem, one in found))


def summary(gpus: Part, links: Part | None = None) -> tuple[str, int]:
    """What to print, and the exit code: that of the worst."""
    parts = [gpus] if links is None else [gpus, links]
    state = next(state for state in WORST_FIRST if any(part.state == state for part in parts))
    head = f"{'GPU' if links is None else 'NODE'} {state.upper()} - {'; '.join(part.headline for part in parts)}"
    lines = [_line(head) + " | " + " ".join(part.numbers for part in parts)]
    problems = sorted((found for part in parts for found in part.problems), key=_rank)
    lines += [line for problem, names in problems[:MAX_PROBLEMS] for line in _told(problem, names)]
    if len(problems) > MAX_PROBLEMS:
        lines.append(f"and {len(problems) - MAX_PROBLEMS} more")
    return "\n".join(lines), EXITS[state]


def _without_gpus(sources: Sequence[GpuSource], reason: str, allow_none: bool) -> tuple[str, str]:
    """State and headline. A driver that is there and cannot be read is broken; one that is paused or late is not
    known."""
    broken = next((source for source in sources if source.state in ("failed", "abandoned")), None)
    late = next((source for source in sources if source.state != "ok"), None)
    if broken is not None:
        return "critical", f"the driver cannot be read: {broken.reason or broken.state}"
    if late is not None:
        return "unknown", f"the driver is {late.state}" + (f": {late.reason}" if late.reason else "")
    if sources or reason.startswith(NO_GPU):
        return "ok" if allow_none else "unknown", reason or NO_GPU
    return "unknown", reason or "no reading of the GPUs in time"


def _part(states: Sequence[str], one: str, all_of: str, prefix: str, found: Iterable[tuple[Problem, str]]) -> Part:
    """`one`: what each of them is called; `all_of`, `prefix`: of the names of counts."""
    counts = {state: states.count(state) for state in EXITS}
    worst = next(state for state in WORST_FIRST if counts[state])
    numbers = [f"{all_of}={len(states)}", *(f"{prefix}{state}={count}" for state, count in counts.items())]
    together = f"1 {one}" if len(states) == 1 else f"{len(states)} {one}s"
    headline = f"{together} healthy"
    if worst != "ok":
        headline = f"of {together} " + ", ".join(f"{counts[state]} {state}" for state in WORST_FIRST if counts[state])
    names: dict[Problem, list[str]] = {}
    for problem, name in found:
        names.setdefault(problem, []).append(name)
    return Part(worst, headline, " ".join(numbers), tuple((problem, tuple(of)) for problem, of in names.items()))


def _rank(found: tuple[Problem, tuple[str, ...]]) -> int:
    return WORST_FIRST.index(found[0].state)


def _told(problem: Problem, names: Sequence[str]) -> list[str]:
    where = ": ".join(filter(None, (f"{problem.kind} {', '.join(names)}", ", ".join(problem.components))))
    lines = [f"{problem.state.upper()}: {where}: {problem.reason}"]
    lines += [f"    read: {problem.evidence}"] if problem.evidence else []
    lines += [f"    do: {problem.action}"] if problem.action else []
    return [_line(line) for line in lines]


def _line(text: str) -> str:
    """One line of ASCII without a bar, behind which a plugin's numbers begin: reasons hold text of the driver."""
    clean = text.encode("ascii", "backslashreplace").decode()
    return "".join(char if char.isprintable() else " " for char in clean).replace("|", "/")
