"""Which devices a collector keeps, by two regular expressions."""

from __future__ import annotations

import re
from typing import Final

from nodescope.settings import Settings, SettingsError

MAX_REMEMBERED: Final = 4096


class DeviceFilter:
    """Keeps a name that `include` finds (or that any does, where it is None) and `exclude` does not find."""

    def __init__(self, include: re.Pattern[str] | None, exclude: re.Pattern[str] | None) -> None:
        self._include = include
        self._exclude = exclude
        self._remembered: dict[str, bool] = {}

    def keeps(self, name: str) -> bool:
        kept = self._remembered.get(name)
        if kept is None:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            kept = self._remembered[name] = self._decide(name)
        return kept

    def _decide(self, name: str) -> bool:
        if self._exclude is not None and self._exclude.search(name):
            return False
        return self._include is None or self._include.search(name) is not None


def from_settings(settings: Settings, include_key: str, exclude_key: str) -> DeviceFilter:
    """The filter of two settings. An include that someone gave takes the place of the default exclude.

    Raises `SettingsError` where both were given.
    """
    include, exclude = settings[include_key], settings[exclude_key]
    if include is not None and exclude is not None:
        if settings.is_set(exclude_key):
            raise SettingsError(
                f"{include_key} ({settings.origin(include_key)}) and {exclude_key} ({settings.origin(exclude_key)})"
                " cannot be used together: give one of them"
            )
        exclude = None
    return DeviceFilter(include, exclude)
