"""`nodescope metrics`: one scrape on standard output."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from nodescope import logs
from nodescope.cli import EXIT_FAILURE, EXIT_USAGE, say, warn
from nodescope.cli.flags import parse_for_role, parser
from nodescope.configuration import nearest
from nodescope.measurement import Measurement, check_paths, empty_roots
from nodescope.roles import BY_NAME, Role
from nodescope.simulated import machine

FIRST_SAMPLES_S: Final = 10.0


def command_of(role: Role) -> str:
    """What serves a role, and lists its collectors in its help."""
    return "nodescope agent" if role.name == "agent" else f"nodescope exporter {role.name}"


def main(arguments: Sequence[str]) -> int:
    made = parser("nodescope metrics", "Print one scrape. Ends with 1 where a collector failed.")
    made.add_argument(
        "--collector", action="append", default=[], metavar="NAME", help="only this collector; repeatable"
    )
    made.add_argument("--role", choices=sorted(BY_NAME), default="agent", help="names of this role (agent)")
    made.add_argument("--openmetrics", action="store_true", help="print OpenMetrics rather than text 0.0.4")
    namespace, role, settings, warnings = parse_for_role(made, arguments)
    logs.configure(settings["log.level"], settings["log.format"])
    check_paths(settings)
    warn(*warnings, *(problem for _, problem in empty_roots(settings)))
    for name in namespace.collector:
        if name not in role.collectors:
            close = nearest(name, role.collectors)
            told = f"role {role.name} has no collector {name!r}{close}; see {command_of(role)} --help"
            print(f"nodescope metrics: {told}", file=sys.stderr)
            return EXIT_USAGE
    # Who asks for a collector by name wants it, on by default or not.
    asked_for = {f"collector.{name}.enabled": True for name in namespace.collector}
    with machine(settings.replaced(asked_for, "flag --collector")) as (here, surroundings):
        measurement = Measurement(here, {role.name: role.collectors}, None, surroundings)
        measurement.start()
        try:
            measurement.first_samples(FIRST_SAMPLES_S)
            scrape = measurement.scrape(role, role.name, settings["constant-labels"])
            accept = "application/openmetrics-text;version=1.0.0" if namespace.openmetrics else ""
            body, _ = scrape.render(namespace.collector, accept=accept)
            say(body)
            failed = {
                name: outcome
                for name, (_, outcome) in measurement.runner.last.items()
                if outcome.state in ("failed", "hung")
            }
        finally:
            measurement.stop()
    for name, outcome in failed.items():
        print(f"nodescope metrics: collector {name} {outcome.state}: {outcome.reason}", file=sys.stderr)
    return EXIT_FAILURE if failed else 0
