"""Clock levels of a GPU: the one it runs at, and its highest.

*Source*: pp_dpm_sclk, pp_dpm_mclk and the like (Documentation/gpu/amdgpu/thermal.rst): one line for each level,
"1: 1234Mhz", a star behind the one in use, and "S: 19Mhz *" where the clock is in deep sleep. *Units*: megahertz.
*Absent when*: a GPU has no such file, or no level is marked.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from nodescope.kernel.file import Malformed
from nodescope.kernel.number import decimal

MAX_LEVELS: Final = 256
SLEEP: Final = b"S"
_UNIT: Final = b"mhz"


class Levels(NamedTuple):
    """Megahertz. `current`: of the level with a star; `highest`: of all, deep sleep aside."""

    current: int | None
    highest: int | None


FILES: Final[tuple[tuple[str, str, str | None], ...]] = (
    ("pp_dpm_sclk", "clock_graphics_megahertz", "clock_max_graphics_megahertz"),
    ("pp_dpm_mclk", "clock_memory_megahertz", "clock_max_memory_megahertz"),
    ("pp_dpm_socclk", "clock_soc_megahertz", None),
    ("pp_dpm_fclk", "clock_fabric_megahertz", None),
    ("pp_dpm_vclk", "clock_video_megahertz", "clock_max_video_megahertz"),
)
"""File, the field of its current level, the field of its highest."""


def parse_levels(data: bytes, source: str) -> Levels:
    """The levels of one clock. Raises `Malformed` where no line is one; an empty file has none."""
    current = highest = None
    for line in data.split(b"\n")[:MAX_LEVELS]:
        level, _, rest = line.partition(b":")
        words = rest.split()
        megahertz = _megahertz(words[0]) if words else None
        if megahertz is None:
            continue
        if b"*" in rest:
            current = megahertz
        if level.strip() != SLEEP:
            highest = max(highest or 0, megahertz)
    if current is None and highest is None and data.strip():
        raise Malformed(source, data, "lines like 1: 1234Mhz *")
    return Levels(current, highest)


def _megahertz(word: bytes) -> int | None:
    word = word.rstrip(b"*").lower()
    if not word.endswith(_UNIT):
        return None
    number = decimal(word[: -len(_UNIT)])
    return None if number is None or not 0 <= number < 2**31 else round(number)
