"""nodescope under another program's name, so that its unit file and command line start this one unchanged.

Source: the defaults of prometheus/node_exporter, those that Debian's package prometheus-node-exporter changes, and
those of NVIDIA/dcgm-exporter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from nodescope.cli.agent import run, serve
from nodescope.cli.dcgm_flags import translated
from nodescope.cli.flags import every, parse, parser
from nodescope.roles import BY_NAME

DCGM_EXPORTER: Final = "dcgm-exporter"
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
    if name == DCGM_EXPORTER:
        return _dcgm_exporter(arguments[1:])
    return serve(BY_NAME["node"], name, arguments[1:], DEFAULTS[name])


def _dcgm_exporter(arguments: Sequence[str]) -> int:
    role = BY_NAME["gpu"]
    flags, without_effect = translated(arguments)
    defaults = {"web.listen-address": (f":{role.port}",)}
    _, given, warnings = parse(parser(DCGM_EXPORTER, f"Serve {role.help}.", every, defaults), flags)
    return run(role, given, [*without_effect, *warnings], defaults)
