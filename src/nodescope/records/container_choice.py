"""Records of what is left out of what is told of containers."""

from __future__ import annotations

import msgspec


class ContainersLeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """What the filter does not show. `containers`: of those that there are. `events`: since the agent started.

    `requests`: those that name no device of this node. `claims`: those beyond the most there may be. `files`: of
    cgroups, that could not be read or understood at the last look.
    """

    containers: int
    events: int
    requests: int = 0
    claims: int = 0
    files: int = 0
