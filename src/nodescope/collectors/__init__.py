"""Names to collectors. A new collector is one file here, one line in a table of settings, one test."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nodescope.collectors.parts import Parts
from nodescope.settings.gpu import GPU
from nodescope.settings.host import HOST

if TYPE_CHECKING:
    from nodescope.collector import Collector
    from nodescope.host import Host
    from nodescope.settings import Settings


class Entry(NamedTuple):
    """`name` is the file, the settings key and the label value. `module` has `build(host, settings)`; where there is a
    `source`, a module with the loop of the sampler that it shows, `build(host, settings, loop)`."""

    name: str
    module: str
    source: str = ""


GPU_SOURCE: Final = f"{__name__}.gpu.source"

TABLE: Final[tuple[Entry, ...]] = (
    *(Entry(collects.name, f"{__name__}.host.{collects.name}") for collects in HOST),
    *(Entry(collects.name, f"{__name__}.gpu.{collects.name}", GPU_SOURCE) for collects in GPU),
)

BY_NAME: Final[dict[str, Entry]] = {entry.name: entry for entry in TABLE}


def build(name: str, host: Host, settings: Settings, parts: Parts | None = None) -> Collector:
    """The collector `name`. Imports its module now, so what is not used costs no memory. `parts`: what it shares."""
    entry = BY_NAME[name]
    module: Any = import_module(entry.module)
    shown = ((parts or Parts(host, settings)).loop(entry.source),) if entry.source else ()
    collector: Collector = module.build(host, settings, *shown)
    return collector
