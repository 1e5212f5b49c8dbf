"""A host whose drivers refuse some files, and whose directories are remembered as those of the kernel are."""

from __future__ import annotations

import os
from typing import Any

from nodescope import collectors
from nodescope.collector import Collector
from nodescope.configuration import load
from nodescope.host import SELDOM_SECONDS, Host
from tests.collectors.host.machine import Machine


class DriverHost(Host):
    """`refuses`: end of a path -> error number. `opened`: what was read. `remembers`: lists each directory once."""

    def __init__(self, machine: Machine, remembers: bool = False) -> None:
        super().__init__(machine.host.procfs, machine.host.sysfs, machine.host.rootfs, machine.host.udev_data)
        self.refuses: dict[str, int] = {}
        self.opened: list[str] = []
        self.remembers = remembers
        self.lists: dict[str, list[str]] = {}

    def read(self, path: str, at_once: bool = False, built_in: bool = False, record_bytes: int = 0) -> bytes:
        self._answer(path)
        return super().read(path, at_once, built_in, record_bytes)

    def read_seldom(self, path: str, keep_s: float = SELDOM_SECONDS) -> bytes:
        self._answer(path)
        return super().read_seldom(path, keep_s)

    def list(self, path: str, keep_s: float = 0.0) -> list[str]:
        if not self.remembers or not keep_s:
            return super().list(path)
        if path not in self.lists:
            self.lists[path] = super().list(path)
        return self.lists[path]

    def forget(self, folder: str) -> None:
        self.lists.pop(folder, None)

    def build(self, name: str, settings: dict[str, Any] | None = None) -> Collector:
        flags = {f"collector.{name}.{key}": value for key, value in (settings or {}).items()}
        return collectors.build(name, self, load(flags, {}))

    def _answer(self, path: str) -> None:
        self.opened.append(path)
        for end, number in self.refuses.items():
            if path.endswith(end):
                raise OSError(number, os.strerror(number), path)
