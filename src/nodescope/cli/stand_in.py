"""nodescope under another program's name, so that its unit file and command line start this one unchanged.

Source: the defaults of prometheus/node_exporter, and those that Debian's package prometheus-node-exporter changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from nodescope.cli.agent import serve
from nodescope.roles import BY_NAME

_EVERY_INTERFACE: Final[dict[str, Any]] = {"web.listen-address": (":9100",)}
DEFAULTS: Final[dict[str, dict[str, Any]]] = {
    "node_exporter": _EVERY_INTERFACE,
    "prometheus-node-exporter": {
        **_EVERY_INTERFACE,
        "collector.systemd.enabled": True,
        "collector.textfile.directory": ("/var/lib/prometheus/node-exporter",),
    },
}
"""By program: what it does unless told otherwise, where nodescope would not."""


def main(arguments: Sequence[str]) -> int:
    """`arguments`: the program's name, then its flags."""
    name = arguments[0]
    return serve(BY_NAME["node"], name, arguments[1:], DEFAULTS[name])
