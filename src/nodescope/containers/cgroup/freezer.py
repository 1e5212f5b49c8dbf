"""Whether a container's cgroup is frozen, which is what a runtime makes of "paused".

Sources: cgroup.events of v2 (Documentation/admin-guide/cgroup-v2.rst), freezer.state of v1
(Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst). Both tell of what a cgroup above has frozen too.
"""

from __future__ import annotations

from typing import Final

from nodescope.containers.cgroup.figures import parse_flat
from nodescope.containers.cgroup.hierarchy import FREEZER, Hierarchies
from nodescope.containers.cgroup.tree import Found
from nodescope.host import Absent, Host, Malformed

_EVENTS: Final = "cgroup.events"
_STATE: Final = "freezer.state"


class Freezer:
    """Asks the hierarchies. *Cost*: a file or two for each question."""

    def __init__(self, host: Host, hierarchies: Hierarchies) -> None:
        self._host = host
        self._legacy = hierarchies.legacy.get(FREEZER)

    def holds(self, found: Found) -> bool:
        """Whether nothing runs in the cgroup until it is thawed. False where nobody tells."""
        if found.unified is not None and _frozen(self._data(f"{found.unified}/{_EVENTS}")):
            return True
        if self._legacy is None or found.legacy is None:
            return False
        return self._data(f"{self._legacy}{found.legacy}/{_STATE}").strip() == b"FROZEN"

    def _data(self, path: str) -> bytes:
        try:
            return self._host.read_once(path)
        except (Absent, OSError):
            # Gone, or a kernel without it (v2 freezes since 5.2).
            return b""


def _frozen(data: bytes) -> bool:
    try:
        return parse_flat(data, _EVENTS).get(b"frozen") == b"1"
    except Malformed:
        return False
