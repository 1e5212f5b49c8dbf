"""`nodescope exporter ROLE`: one role on its port."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, Final

from nodescope.cli import EXIT_USAGE, say
from nodescope.cli.agent import run
from nodescope.cli.flags import FlagParser, of_collectors, parse, parser
from nodescope.configuration import nearest
from nodescope.roles import BY_NAME, PROFILES, TABLE, Role, with_profile

MAX_PORT: Final = 65_535
LENS: Final = "lens"
LENS_CONFIG: Final = "CONFIG_PATH"
"""The environment name of the config file that Primus-Lens' node-exporter has."""


def main(arguments: Sequence[str]) -> int:
    roles = [role for role in TABLE if role.name != "agent"]
    if not arguments or arguments[0] in ("-h", "--help"):
        width = max(len(role.name) for role in roles)
        lines = [f"  {role.name:<{width}}  port {role.port}  {role.help}" for role in roles]
        say(
            "\n".join(
                ("usage: nodescope exporter ROLE [--profile NAME] [--port PORT] [FLAG ...]", "", "roles:", *lines)
            )
        )
        return 0 if arguments else EXIT_USAGE
    name = arguments[0]
    if name not in BY_NAME or name == "agent":
        known = ", ".join(role.name for role in roles)
        close = nearest(name, BY_NAME.keys() - {"agent"})
        print(f"nodescope exporter: {name!r} is not a role{close} (there is {known})", file=sys.stderr)
        return EXIT_USAGE
    role = BY_NAME[name]
    made = _parser(role, f"nodescope exporter {name}")
    namespace, given, warnings = parse(made, arguments[1:])
    if namespace.port is not None and "web.listen-address" in given:
        made.error("--port and --web.listen-address are both given, expected one of them")
    if namespace.port is not None:
        given["web.listen-address"] = [f"127.0.0.1:{_port(made, namespace.port)}"]
    role = _with_profile(made, role, namespace.profile)
    defaults, told = _defaults(role)
    return run(role, given, [*warnings, *told], defaults)


def _defaults(role: Role) -> tuple[dict[str, Any], list[str]]:
    """What the role has in place of the defaults of the table, and warnings. Raises `SettingsError`."""
    path = os.environ.get(LENS_CONFIG, "") if role.name == LENS else ""
    if not path:
        return {}, []
    # Few have such a file.
    from nodescope.cli.lens_config import read

    return read(path, f"environment {LENS_CONFIG}")


def _parser(role: Role, prog: str) -> FlagParser:
    offered = PROFILES.get(role.name, {role.profile: role})
    shown = {name for each in offered.values() for name in each.collectors}
    options = {"gpu"} if any(name.startswith("gpu_") for name in shown) else set()
    made = parser(prog, f"Serve {role.help}.", of_collectors(*shown, *options), role.own_defaults)
    profiles = ", ".join(offered)
    made.add_argument("--profile", default=role.profile, metavar="NAME", help=f"names of the metrics: {profiles}")
    made.add_argument("--port", metavar="PORT", help=f"port on 127.0.0.1 ({role.port}, or that of the profile)")
    return made


def _port(made: FlagParser, text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > MAX_PORT:
        made.error(f"--port is {text[:20]!r}, expected a number from 0 to {MAX_PORT}")
    return int(text)


def _with_profile(made: FlagParser, role: Role, profile: str) -> Role:
    found = with_profile(role, profile)
    if found is None:
        known: dict[str, Any] = PROFILES.get(role.name, {role.profile: role})
        made.error(f"--profile is {profile[:40]!r}, expected one of {', '.join(known)}{nearest(profile, known)}")
    return found
