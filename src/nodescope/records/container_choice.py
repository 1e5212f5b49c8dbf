"""Records of what a filter of containers leaves out."""

from __future__ import annotations

import msgspec


class ContainersLeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """What the filter does not show. `containers`: of those that there are. `events`: since the agent started."""

    containers: int
    events: int
