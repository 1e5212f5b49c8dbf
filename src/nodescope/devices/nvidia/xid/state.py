"""What is kept of XIDs across restarts, and the file that it is kept in."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.state_file import StateFile

VERSION: Final = 1
WHAT: Final = "counts of XIDs"
MAX_BOOT_ID_CHARACTERS: Final = 64

_Natural = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
_Name = Annotated[str, msgspec.Meta(max_length=128)]


class SavedXid(msgspec.Struct, frozen=True):
    """One XID of a GPU. `recent`: whole second of Unix time -> how many then, for those of the last minutes.

    `fatal_seen_seconds`: when the kernel log last called one fatal, None where it never did. `earlier`: there was none
    since the node was started.
    """

    count: _Natural
    last_seen_seconds: _Seconds
    recent: dict[_Natural, _Natural] = {}
    fatal_seen_seconds: _Seconds | None = None
    earlier: bool = False


class SavedOpen(msgspec.Struct, frozen=True):
    """Errors that another source may still tell of."""

    gpu: _Name
    xid: _Natural
    bucket: _Natural
    told: Annotated[int, msgspec.Meta(ge=1, le=7)]
    errors: _Natural


class Saved(msgspec.Struct, frozen=True):
    """`sequence`: of the newest record of the kernel log that was counted, in the boot of this id.

    `gpus`: UUID, or PCI address where the UUID is not known -> XID -> how often. `resets`: when each of them was last
    reset, Unix time, where it was.
    """

    version: int = VERSION
    boot_id: str = ""
    sequence: int = -1
    gpus: dict[_Name, dict[_Natural, SavedXid]] = {}
    open: list[SavedOpen] = []
    resets: dict[_Name, _Seconds] = {}


def boot_id(host: Host) -> str:
    """The kernel's name for this boot; empty where it does not tell. Source: random(4), random/boot_id."""
    try:
        name = host.read_once(host.proc("sys/kernel/random/boot_id"))
    except (Absent, Malformed, OSError):
        return ""
    return name[:MAX_BOOT_ID_CHARACTERS].decode("ascii", "replace").strip()


def state_file(path: str) -> StateFile[Saved]:
    """Where counts are kept."""
    return StateFile(path, Saved, VERSION, WHAT)
