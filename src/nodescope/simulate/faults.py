"""What is to go wrong with a simulated machine's GPUs, and when: the text of the setting, read.

A fault is `WHAT@SECONDS:gpuN`, "xid79@600:gpu3": virtual seconds since the simulation's start. One that lasts may end,
after so many seconds more: "throttle@300+120:gpu0". Several are separated by commas.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import inf
from typing import Final, NamedTuple

MAX_TEXT: Final = 16_384
MAX_FAULTS: Final = 256
MAX_XID: Final = 999
LINKS: Final = 18

_QUOTED: Final = 80
_FAULT: Final = re.compile(
    r"(?P<what>[a-z_]+?)(?P<number>[0-9]{1,4})?@(?P<at>[0-9]{1,9}(?:\.[0-9]{1,6})?)"
    r"(?:\+(?P<lasts>[0-9]{1,9}(?:\.[0-9]{1,6})?))?(?::gpu(?P<gpu>[0-9]{1,2}))?"
)


class Kind(NamedTuple):
    """`least`, `most`: of the number behind the word; None: it has none. `lasts`: it is a state, which may end.

    `of_gpu`: it befalls one GPU.
    """

    least: int | None = None
    most: int = 0
    lasts: bool = True
    of_gpu: bool = True


KINDS: Final[dict[str, Kind]] = {
    "xid": Kind(1, MAX_XID, lasts=False),
    "ecc": Kind(lasts=False),
    "remap": Kind(),
    "lost": Kind(),
    "reset_required": Kind(),
    "hang": Kind(),
    "throttle": Kind(),
    "nvlink": Kind(0, LINKS - 1),
    "mig": Kind(),
    "driver": Kind(of_gpu=False),
}
"""xid: the driver reports that XID. ecc: an uncorrected error in memory. remap: a row waits to be remapped. lost: it no
longer answers on its bus. hang: a call of the driver's library does not return. throttle: it is too hot. nvlink: that
link is down. mig: it is partitioned. driver: the driver is unloaded."""


class Fault(NamedTuple):
    """`start`, `end`: virtual seconds since the simulation's start; an event ends when it starts.

    `number`: the XID or the link. `gpu`: None for the whole machine.
    """

    what: str
    start: float
    end: float = inf
    gpu: int | None = None
    number: int | None = None

    def holds(self, seconds: float) -> bool:
        return self.start <= seconds < self.end


def parse_faults(text: str, gpus: int) -> tuple[Fault, ...]:
    """The faults of a machine with so many GPUs, in the order of their starts.

    Raises `ValueError` in one sentence that names the fault that is wrong and what was expected.
    """
    if len(text) > MAX_TEXT:
        raise ValueError(f"simulate.faults: expected at most {MAX_TEXT} characters, got {len(text)}")
    items = [item.strip() for item in text.split(",") if item.strip()]
    if len(items) > MAX_FAULTS:
        raise ValueError(f"simulate.faults: expected at most {MAX_FAULTS} faults, got {len(items)}")
    return tuple(sorted((_fault(item, gpus) for item in items), key=lambda fault: fault.start))


def shifted(faults: Iterable[Fault], seconds: float) -> tuple[Fault, ...]:
    """The same, so much later."""
    return tuple(fault._replace(start=fault.start + seconds, end=fault.end + seconds) for fault in faults)


def _fault(item: str, gpus: int) -> Fault:
    match = _FAULT.fullmatch(item)
    if match is None:
        raise _wrong(item, "WHAT@SECONDS:gpuN, such as xid79@600:gpu3, or WHAT@SECONDS+SECONDS:gpuN for what ends")
    kind = KINDS.get(match["what"])
    if kind is None:
        raise _wrong(item, f"one of {', '.join(KINDS)} before the @")
    start = float(match["at"])
    end = start if not kind.lasts else inf if match["lasts"] is None else start + float(match["lasts"])
    if match["lasts"] is not None and not kind.lasts:
        raise _wrong(item, f"no duration, for {match['what']} happens at one moment")
    return Fault(match["what"], start, end, _gpu(item, match["gpu"], kind, gpus), _number(item, match, kind))


def _gpu(item: str, word: str | None, kind: Kind, gpus: int) -> int | None:
    if not kind.of_gpu:
        if word is not None:
            raise _wrong(item, "no GPU, for all of them are without their driver")
        return None
    if word is None or int(word) >= gpus:
        raise _wrong(item, f":gpu0 to :gpu{gpus - 1} at its end")
    return int(word)


def _number(item: str, match: re.Match[str], kind: Kind) -> int | None:
    word = match["number"]
    if kind.least is None:
        if word is not None:
            raise _wrong(item, f"no number behind {match['what']}")
        return None
    if word is None or not kind.least <= int(word) <= kind.most:
        raise _wrong(item, f"{match['what']}{kind.least} to {match['what']}{kind.most}")
    return int(word)


def _wrong(item: str, expected: str) -> ValueError:
    return ValueError(f"simulate.faults: {item[:_QUOTED]!r}: expected {expected}")
