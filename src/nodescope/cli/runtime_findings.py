"""Container runtimes and how they answer, as `nodescope doctor` tells of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from nodescope.cli.finding import Finding
from nodescope.records.container import NOT_ASKED, RuntimeStatus

SUBJECT: Final = "runtime"
OK: Final = "ok"
FAILED: Final = "failed"
_ACTIONS: Final = {
    "absent": "start what listens there; other sockets are named in collector.container.sockets",
    FAILED: "look at what listens there and at its log: it is asked again from time to time",
}
"""By state; the reason of one that is denied says itself what to do."""


def is_being_asked(records: Iterable[object]) -> bool:
    """Whether a runtime was found that has not answered, or failed to, for the first time."""
    return any(isinstance(record, RuntimeStatus) and record.reason == NOT_ASKED for record in records)


def runtime_findings(records: Iterable[object], by_name: bool) -> Iterator[Finding]:
    """`records`: of the snapshots of containers. `by_name`: the sockets are those that the settings name."""
    for status in dict.fromkeys(record for record in records if isinstance(record, RuntimeStatus)):
        where = f"{status.runtime} at {status.socket}: "
        if status.state == OK:
            yield Finding("ok", SUBJECT, f"{where}{_counted(status.containers)}")
        else:
            level = "problem" if by_name or status.state == FAILED else "missing"
            reason = status.reason.removeprefix(f"{status.socket}: ")
            yield Finding(level, SUBJECT, where + reason, _ACTIONS.get(status.state, ""))


def _counted(containers: int) -> str:
    return "1 container" if containers == 1 else f"{containers} containers"
