"""Names to collectors. A new collector is one file here, one line in settings/host.py, one test."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nodescope.settings.host import HOST

if TYPE_CHECKING:
    from nodescope.collector import Collector
    from nodescope.host import Host
    from nodescope.settings import Settings


class Entry(NamedTuple):
    """`name` is the file, the settings key and the label value. `module` has `build(host, settings)`."""

    name: str
    module: str


TABLE: Final[tuple[Entry, ...]] = tuple(Entry(collects.name, f"{__name__}.host.{collects.name}") for collects in HOST)

BY_NAME: Final[dict[str, Entry]] = {entry.name: entry for entry in TABLE}


def build(name: str, host: Host, settings: Settings) -> Collector:
    """The collector `name`. Imports its module now, so what is not used costs no memory."""
    module: Any = import_module(BY_NAME[name].module)
    collector: Collector = module.build(host, settings)
    return collector
