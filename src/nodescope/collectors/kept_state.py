"""Where collectors keep what is to outlive the agent: counts of XIDs, what is known of containers."""

from __future__ import annotations

import logging
import os
from typing import Final

from nodescope.collectors.parts import Parts

ROOT_STATE: Final = "/var/lib/nodescope"
OF_SYSTEMD: Final = "environment STATE_DIRECTORY"
"""Where a value comes from that may name several folders, with colons between. Source: systemd.exec(5)."""

_TOLD: Final = "no state directory"
"""Under which an agent remembers that it has said so."""

log = logging.getLogger(__name__)


class _Told:
    def close(self) -> None:
        """Nothing is held."""


def kept_path(parts: Parts, name: str) -> str | None:
    """The file of this name in the folder of the setting `state.directory`; None for who keeps nothing."""
    if not parts.surroundings.keeps_state:
        return None
    given = parts.settings["state.directory"]
    if parts.settings.origin("state.directory") == OF_SYSTEMD:
        given = given.partition(":")[0]
    folder = state_directory(given)
    if folder is not None:
        return f"{folder}/{name}"
    if _TOLD not in parts.surroundings.kept:
        parts.surroundings.kept[_TOLD] = _Told()
        log.warning("nothing is kept over restarts: this user has no home directory; set state.directory to a folder")
    return None


def state_directory(given: str) -> str | None:
    """What was given, else what is usual for root and for others; None for others without a home.

    Source: XDG base directory specification, by which a relative XDG_STATE_HOME is ignored.
    """
    if given:
        return given
    if os.geteuid() == 0:
        return ROOT_STATE
    # Without HOME and a line in passwd `~` stays as it is, and would be a folder wherever the agent was started.
    usual = (os.environ.get("XDG_STATE_HOME", ""), os.path.expanduser("~/.local/state"))
    return next((f"{folder}/nodescope" for folder in usual if os.path.isabs(folder)), None)
