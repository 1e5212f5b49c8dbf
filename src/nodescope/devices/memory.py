"""Memory modules and their errors, by module: unlike node_exporter's rows and channels these are there on any kernel.

*Source*: /sys/devices/system/edac/mc, Documentation/admin-guide/RAS/main.rst, drivers/edac/edac_mc_sysfs.c. The kernel
counts what the controllers report; nothing here asks the hardware.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from msgspec.structs import replace

from nodescope.devices.pci.attributes import Attributes
from nodescope.host import Absent, Host
from nodescope.records.memory import UNPLACED, MemoryModule

INTERVAL_S: Final = 15.0
IDENTITY_SECONDS: Final = 60.0
MAX_MODULES: Final = 4096
MEBIBYTE: Final = 1024 * 1024

_CONTROLLER: Final = re.compile("mc[0-9]{1,9}")
# A controller that knows chip-select rows alone has ranks in place of modules.
_MODULE: Final = re.compile("(?:dimm|rank)[0-9]{1,9}")


class MemorySampler:
    """The modules of all memory controllers.

    *Units*: bytes; errors since the counters began. *Absent when*: no EDAC driver has found a controller. A module
    whose counters cannot be read has none; where the kernel counts nothing by module, all that a controller counted is
    of an unknown place. *Cost*: two files for each module and controller; what modules are is read each minute.
    """

    name: ClassVar[str] = "memory_modules"
    demand_wait_s: float = 0.0

    def __init__(self, host: Host, interval_s: float = INTERVAL_S, clock: Callable[[], float] = time.monotonic) -> None:
        self.interval_s = self.rest_s = interval_s
        self.left_out = 0
        self._host = host
        self._folder = host.sys("devices/system/edac/mc")
        self._clock = clock
        self._attributes = Attributes(host)
        self._known: dict[str, tuple[MemoryModule, ...]] = {}
        self._known_until = float("-inf")

    def sample(self) -> tuple[MemoryModule, ...]:
        """Of each controller its modules, then what it could not place. Raises `Absent`, `OSError`."""
        self._attributes.left_out = 0
        now = self._clock()
        if now >= self._known_until:
            self._known = self._identities()
            self._known_until = now + IDENTITY_SECONDS
        found = [module for controller, modules in self._known.items() for module in self._read(controller, modules)]
        self.left_out = self._attributes.left_out + max(0, len(found) - MAX_MODULES)
        return tuple(found[:MAX_MODULES])

    def _identities(self) -> dict[str, tuple[MemoryModule, ...]]:
        """By controller its modules, without their errors."""
        controllers = [name for name in self._host.list(self._folder) if _CONTROLLER.fullmatch(name)]
        if not controllers:
            raise Absent(f"a memory controller in {self._folder}")
        return {
            controller: tuple(
                self._identity(controller, module)
                for module in self._host.list(f"{self._folder}/{controller}")
                if _MODULE.fullmatch(module)
            )
            for controller in controllers
        }

    def _identity(self, controller: str, module: str) -> MemoryModule:
        read, folder = self._attributes, f"{self._folder}/{controller}/{module}"
        size = read.number(f"{folder}/size")
        return MemoryModule(
            controller=controller,
            module=module,
            label=read.text(f"{folder}/dimm_label"),
            location=read.text(f"{folder}/dimm_location"),
            kind=read.text(f"{folder}/dimm_mem_type"),
            size_bytes=None if size is None else size * MEBIBYTE,
        )

    def _read(self, controller: str, modules: Sequence[MemoryModule]) -> list[MemoryModule]:
        folder = f"{self._folder}/{controller}"
        found = [self._counted(module, f"{folder}/{module.module}/dimm_", "_count") for module in modules]
        is_by_module = any(module.correctable_errors is not None for module in found)
        unplaced = MemoryModule(controller=controller, module=UNPLACED)
        return [*found, self._counted(unplaced, f"{folder}/", "_noinfo_count" if is_by_module else "_count")]

    def _counted(self, module: MemoryModule, before: str, after: str) -> MemoryModule:
        """With what was corrected ("ce") and what was not ("ue")."""
        correctable, uncorrectable = (self._attributes.number(f"{before}{kind}{after}") for kind in ("ce", "ue"))
        return replace(module, correctable_errors=correctable, uncorrectable_errors=uncorrectable)
