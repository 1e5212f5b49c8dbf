"""Counts of errors by block, and pages of memory out of use, of one GPU, read each `COUNT_SECONDS`.

*Source*: as `ras`. Each count is a request to the GPU's firmware, which takes milliseconds.
"""

from __future__ import annotations

import time
from typing import Any, Final

from nodescope.devices.amd import ras
from nodescope.devices.amd.device_files import DeviceFiles
from nodescope.host import Malformed
from nodescope.kernel.file import read_stored
from nodescope.records.gpu import EccReading

COUNT_SECONDS: Final = 15.0
FOLDER: Final = "ras"
BAD_PAGES: Final = "ras/gpu_vram_bad_pages"
DEFERRED: Final = "ecc_deferred_volatile_errors"


class ErrorCounts:
    """`eccs`: by block. `fields`: sums over the blocks and pages, as fields of a reading. `driver_fields`: as these."""

    def __init__(self, files: DeviceFiles) -> None:
        self._files = files
        self._blocks: tuple[str, ...] = ()
        self._due = float("-inf")
        self.eccs: tuple[EccReading, ...] = ()
        self.fields: dict[str, Any] = {}
        self.driver_fields: dict[str, int] = {}

    def learn(self) -> None:
        """Which blocks count."""
        names = self._files.names(FOLDER)
        self._blocks = tuple(name for name in names if name.endswith(ras.COUNT_FILE))[: ras.MAX_BLOCKS]

    def read(self) -> None:
        """Reads them, where it is time."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + COUNT_SECONDS
        self.eccs = tuple(ecc for file in self._blocks for ecc in self._block(file))
        totals = ras.totals(self.eccs)
        deferred, pages = totals.pop(DEFERRED, None), self._pages()
        self.driver_fields = {} if deferred is None else {DEFERRED: deferred}
        self.fields = dict(totals)
        if pages is not None:
            self.fields["retired_pages_uncorrected"] = pages.reserved + pages.failed
            self.fields["retired_pages_pending"] = int(pages.pending > 0)
            self.driver_fields |= {"bad_pages_pending": pages.pending, "bad_pages_failed": pages.failed}

    def _block(self, file: str) -> tuple[EccReading, ...]:
        raw = self._files.anew(f"{FOLDER}/{file}")
        try:
            return tuple(ras.readings(file.removesuffix(ras.COUNT_FILE), ras.parse_counts(raw or b"", file)))
        except Malformed:
            self._files.left_out += 1
            return ()

    def _pages(self) -> ras.BadPages | None:
        # This file may be longer than a page, unlike all others.
        raw = self._files.guarded(read_stored, f"{self._files.folder}/{BAD_PAGES}")
        try:
            return None if raw is None else ras.parse_bad_pages(raw, BAD_PAGES)
        except Malformed:
            self._files.left_out += 1
            return None
