"""The table of all collectors. A new collector is one file, one line here, one test."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from nodescope.collector import Collector
    from nodescope.host import Host
    from nodescope.settings import Settings


class Entry(NamedTuple):
    """`name` is the file, the settings key and the label value. `module` has `build(host, settings)`."""

    name: str
    module: str


TABLE: Final[tuple[Entry, ...]] = (
    Entry("cpu", "nodescope.collectors.host.cpu"),
    Entry("diskstats", "nodescope.collectors.host.diskstats"),
    Entry("filesystem", "nodescope.collectors.host.filesystem"),
    Entry("loadavg", "nodescope.collectors.host.loadavg"),
    Entry("meminfo", "nodescope.collectors.host.meminfo"),
    Entry("netdev", "nodescope.collectors.host.netdev"),
    Entry("os", "nodescope.collectors.host.os"),
    Entry("pressure", "nodescope.collectors.host.pressure"),
    Entry("stat", "nodescope.collectors.host.stat"),
    Entry("time", "nodescope.collectors.host.time"),
    Entry("uname", "nodescope.collectors.host.uname"),
    Entry("vmstat", "nodescope.collectors.host.vmstat"),
)

BY_NAME: Final[dict[str, Entry]] = {entry.name: entry for entry in TABLE}


def build(name: str, host: Host, settings: Settings) -> Collector:
    """The collector `name`. Imports its module now, so what is not used costs no memory."""
    module: Any = import_module(BY_NAME[name].module)
    collector: Collector = module.build(host, settings)
    return collector
