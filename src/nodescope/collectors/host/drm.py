"""Memory and load of graphics cards."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar, Final

from nodescope.host import Absent, Host, text
from nodescope.kernel.attribute import attribute, seldom
from nodescope.kernel.number import uint64_any_base
from nodescope.kernel.runtime_power import ASLEEP, STATUS
from nodescope.metric import Family, Metric, Row
from nodescope.settings import Settings

MAX_CARDS: Final = 1024
CARDS_SECONDS: Final = 10.0

INFO: Final = Metric(
    "node_drm_card_info",
    "gauge",
    "Card information",
    ("card", "memory_vendor", "power_performance_level", "unique_id", "vendor"),
)
INFO_FILES: Final = ("mem_info_vram_vendor", "power_dpm_force_performance_level", "unique_id")


def _metric(name: str, help: str) -> Metric:
    return Metric(f"node_drm_{name}", "gauge", help, ("card",))


# What changes from scrape to scrape, then what does not; file and family.
VALUES: Final[tuple[tuple[str, Metric], ...]] = (
    ("gpu_busy_percent", _metric("gpu_busy_percent", "How busy the GPU is as a percentage.")),
    (
        "mem_info_gtt_used",
        _metric("memory_gtt_used_bytes", "The used amount of the graphics translation table (GTT) block in bytes."),
    ),
    ("mem_info_vis_vram_used", _metric("memory_vis_vram_used_bytes", "The used amount of visible VRAM in bytes.")),
    ("mem_info_vram_used", _metric("memory_vram_used_bytes", "The used amount of VRAM in bytes.")),
)
SIZES: Final[tuple[tuple[str, Metric], ...]] = (
    (
        "mem_info_gtt_total",
        _metric("memory_gtt_size_bytes", "The size of the graphics translation table (GTT) block in bytes."),
    ),
    ("mem_info_vis_vram_total", _metric("memory_vis_vram_size_bytes", "The size of visible VRAM in bytes.")),
    ("mem_info_vram_total", _metric("memory_vram_size_bytes", "The size of VRAM in bytes.")),
)

WAKING: Final = ("/gpu_busy_percent", "/power_dpm_force_performance_level")
"""Files for which a driver wakes a card that sleeps: of such a one they are not read."""

AMD: Final = "amd"
AMD_DRIVER: Final = b"amdgpu"
VENDORS: Final = {b"0x1002": AMD, b"0x10de": "nvidia", b"0x8086": "intel", b"0x1ed5": "moorethreads"}
"""PCI vendor -> name. Other cards are called by their driver."""

_CARD: Final = re.compile("card[0-9]+")
_Found = list[tuple[Metric, int]]


class _Card:
    """Paths of a card, made once."""

    __slots__ = ("info", "name", "sizes", "status", "uevent", "values", "vendor")

    def __init__(self, folder: str, name: str) -> None:
        device = f"{folder}/{name}/device"
        self.name = name
        self.status = f"{device}/{STATUS}"
        self.uevent = f"{device}/uevent"
        self.vendor = f"{device}/vendor"
        self.info = [f"{device}/{file}" for file in INFO_FILES]
        self.values = [(metric, f"{device}/{file}") for file, metric in VALUES]
        self.sizes = [(metric, f"{device}/{file}") for file, metric in SIZES]


class DrmCollector:
    """How busy each graphics card is, its memory, and what it is, as far as its driver says so in sysfs.

    *Source*: /sys/class/drm/card*/device, Documentation/gpu/amdgpu/driver-misc.rst and thermal.rst. *Units*: percent,
    bytes. *Absent when*: there is no card. Every card is told of with its vendor, or its driver's name for want of one;
    load and memory only where the driver has these files, as amdgpu does. A value is left out where the driver does not
    have it or refuses, the load while the card sleeps. *Cost*: five reads for each card, others once a minute.
    """

    name: ClassVar[str] = "drm"
    metrics: ClassVar[tuple[Metric, ...]] = (INFO, *(metric for _, metric in (*VALUES, *SIZES)))
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._folder = host.sys("class/drm")
        self._names: list[str] = []
        self._cards: list[_Card] = []

    def collect(self) -> list[Family]:
        self.left_out = 0
        rows: dict[Metric, list[Row]] = {metric: [] for metric in self.metrics}
        for card in self._present():
            self._card(card, rows)
        families = [Family(metric, found) for metric, found in rows.items() if found]
        if not families and not self.left_out:
            raise Absent(self._folder)
        return families

    def _present(self) -> list[_Card]:
        names = self._host.list(self._folder, CARDS_SECONDS)
        if names != self._names:
            cards = sorted((name for name in names if _CARD.fullmatch(name)), key=lambda name: (len(name), name))
            self._cards = [_Card(self._folder, name) for name in cards[:MAX_CARDS]]
            self._names = list(names)
        return self._cards

    def _card(self, card: _Card, rows: dict[Metric, list[Row]]) -> None:
        """The card's rows; one of which neither driver nor vendor is known, nor any value, has none."""
        uevent = self._read(seldom, card.uevent)
        driver = next((line[7:] for line in (uevent or b"").split(b"\n") if line.startswith(b"DRIVER=")), b"")
        passed_over = WAKING if self._read(attribute, card.status) in ASLEEP else ()
        found = self._numbers(card, passed_over)
        vendor = AMD if driver == AMD_DRIVER else self._vendor(card, driver)
        if not found and not vendor:
            return
        info = [b"" if path.endswith(passed_over) else self._read(seldom, path) or b"" for path in card.info]
        for metric, value in found:
            rows[metric].append(((card.name,), value))
        rows[INFO].append(((card.name, *(text(value) for value in info), vendor), 1))

    def _numbers(self, card: _Card, passed_over: tuple[str, ...]) -> _Found:
        found: _Found = []
        for read, files in ((attribute, card.values), (seldom, card.sizes)):
            for metric, path in files:
                raw = None if path.endswith(passed_over) else self._read(read, path)
                number = None if raw is None else uint64_any_base(raw)
                if number is not None:
                    found.append((metric, number))
                elif raw:
                    self.left_out += 1
        return found

    def _vendor(self, card: _Card, driver: bytes) -> str:
        return VENDORS.get(self._read(seldom, card.vendor) or b"") or text(driver)

    def _read(self, read: Callable[[Host, str], bytes | None], path: str) -> bytes | None:
        try:
            return read(self._host, path)
        except OSError:
            self.left_out += 1
            return None


def build(host: Host, settings: Settings) -> DrmCollector:
    return DrmCollector(host)
