"""The parts of a memory, which nvidia-smi tells of GPUs and of MIG devices."""

from __future__ import annotations

from typing import Final

from nodescope.devices.nvidia.smi.field import OR

FRAMEBUFFER: Final = ("total", "reserved", "used", "free")
BAR1: Final = ("total", "used", "free")


def memory(prefix: str, xml: str, text: str, parts: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
    """Rows for `fields`: each part below any of the headings that stand in `xml` and `text`."""
    return tuple((f"{prefix}_{part}_bytes", _below(xml, part), _below(text, part)) for part in parts)


def _below(headings: str, part: str) -> str:
    return OR.join(f"{heading}/{part}" for heading in headings.split(OR))
