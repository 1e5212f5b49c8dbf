"""Which containers are shown, by their devices, images and labels."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from msgspec.structs import replace

from nodescope.collectors.host.device_filter import DeviceFilter, from_settings
from nodescope.records.container import Container
from nodescope.settings import Settings, SettingsError
from nodescope.settings.value import MAX_SHOWN

KINDS: Final[Mapping[str, tuple[frozenset[str], ...]]] = {
    "all": (),
    "gpu": (frozenset({"gpu"}),),
    "rdma": (frozenset({"rdma"}),),
    "gpu-or-rdma": (frozenset({"gpu"}), frozenset({"rdma"})),
    "gpu-and-rdma": (frozenset({"gpu", "rdma"}),),
}
"""Choice -> sets of kinds of devices, of one of which a container has every kind; no set for any container."""

_KEY: Final = "collector.container."


class Labelled(NamedTuple):
    """A label that a container may have: any value where `value` is None, else one that it finds."""

    name: str
    value: re.Pattern[str] | None = None

    def of(self, container: Container) -> bool:
        told = container.labels.get(self.name)
        return told is not None and (self.value is None or self.value.search(told) is not None)


class Choice:
    """The filter that the settings ask for. `active`: whether it can leave anything out.

    `labels`: the names of those that runtimes are to tell, which is more than may be shown.
    """

    def __init__(
        self,
        kinds: Collection[frozenset[str]],
        images: DeviceFilter | None,
        include: Collection[Labelled],
        exclude: Collection[Labelled],
        allowed: Collection[str],
    ) -> None:
        self._kinds = tuple(kinds)
        self._images = images
        self._include = tuple(include)
        self._exclude = tuple(exclude)
        self._allowed = frozenset(allowed)
        self.labels = self._allowed | {word.name for word in (*include, *exclude)}
        self.active = bool(self._kinds or images or include or exclude)

    def shows(self, container: Container, held: Collection[str] = ()) -> bool:
        """Whether it is shown. `held`: kinds of devices that it holds, besides those that it was given."""
        has = {*held, *(device.kind for device in container.devices)} if self._kinds else set()
        if self._kinds and not any(kinds <= has for kinds in self._kinds):
            return False
        if self._images is not None and not self._images.keeps(container.image or ""):
            return False
        if self._include and not any(word.of(container) for word in self._include):
            return False
        return not any(word.of(container) for word in self._exclude)

    def bare(self, container: Container) -> Container:
        """The container without the labels that were but looked at."""
        if self._allowed.issuperset(container.labels):
            return container
        return replace(container, labels={name: container.labels[name] for name in self._allowed & {*container.labels}})


def choice(settings: Settings) -> Choice:
    """Raises `SettingsError` for a pattern that is none, and for what cannot be used together."""
    images = from_settings(settings, f"{_KEY}image-include", f"{_KEY}image-exclude")
    return Choice(
        KINDS[settings[f"{_KEY}show"]],
        images if settings[f"{_KEY}image-include"] or settings[f"{_KEY}image-exclude"] else None,
        _labelled(settings, f"{_KEY}label-include"),
        _labelled(settings, f"{_KEY}label-exclude"),
        settings[f"{_KEY}labels"],
    )


def _labelled(settings: Settings, key: str) -> list[Labelled]:
    found = []
    for word in settings[key]:
        name, equals, pattern = word.partition("=")
        try:
            if not name:
                raise ValueError("there is no name")
            found.append(Labelled(name, re.compile(pattern) if equals else None))
        except (re.error, RecursionError, OverflowError, ValueError) as error:
            raise SettingsError(
                f"{settings.origin(key)}: {key} has {word[:MAX_SHOWN]!r}, expected NAME or NAME=REGEX ({error})"
            ) from None
    return found
