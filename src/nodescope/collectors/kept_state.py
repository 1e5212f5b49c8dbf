"""Where collectors keep what is to outlive the agent: counts of XIDs, what is known of containers."""

from __future__ import annotations

import os
from typing import Final

from nodescope.collectors.parts import Parts

ROOT_STATE: Final = "/var/lib/nodescope"


def kept_path(parts: Parts, name: str) -> str | None:
    """The file of this name in the folder of the setting `state.directory`; None for who keeps nothing."""
    if not parts.surroundings.keeps_state:
        return None
    return f"{state_directory(parts.settings['state.directory'])}/{name}"


def state_directory(given: str) -> str:
    """What was given, else what is usual for root and for others."""
    if given:
        # systemd's STATE_DIRECTORY may name several, with colons between.
        return given.partition(":")[0]
    if os.geteuid() == 0:
        return ROOT_STATE
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return f"{home}/nodescope"
