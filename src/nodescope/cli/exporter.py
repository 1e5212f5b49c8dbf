"""`nodescope exporter ROLE`: one role on its port."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from nodescope.cli import EXIT_USAGE
from nodescope.cli.agent import serve
from nodescope.configuration import nearest
from nodescope.roles import BY_NAME, TABLE


def main(arguments: Sequence[str]) -> int:
    roles = [role for role in TABLE if role.name != "agent"]
    if not arguments or arguments[0] in ("-h", "--help"):
        print("usage: nodescope exporter ROLE [FLAG ...]\n\nroles:")
        print("\n".join(f"  {role.name:<8} port {role.port}  {role.help}" for role in roles))
        return 0 if arguments else EXIT_USAGE
    name = arguments[0]
    if name not in BY_NAME or name == "agent":
        known = ", ".join(role.name for role in roles)
        print(f"nodescope exporter: {name!r} is not a role{nearest(name, BY_NAME)} (there is {known})", file=sys.stderr)
        return EXIT_USAGE
    return serve(BY_NAME[name], f"nodescope exporter {name}", arguments[1:])
