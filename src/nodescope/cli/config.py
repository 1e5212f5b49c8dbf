"""`nodescope config show|check`: the settings in force, and where each comes from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from nodescope.cli import EXIT_USAGE, say, warn
from nodescope.cli.flags import parse_for_role, parser
from nodescope.listening import plans, unserved, web_config_problem
from nodescope.measurement import Measurement, check_paths
from nodescope.roles import BY_NAME
from nodescope.settings import Settings


def main(arguments: Sequence[str]) -> int:
    made = parser(
        "nodescope config",
        "Show or check the settings in force. check ends with 2 where a value is wrong, "
        "with 1 where something is given that is not a setting.",
    )
    made.usage = "nodescope config show|check [FLAG ...]"
    made.add_argument(
        "action",
        choices=("show", "check"),
        metavar="show|check",
        help="show: every setting with its origin; check: is it right?",
    )
    made.add_argument("--role", choices=sorted(BY_NAME), default="agent", help="as this role has them (agent)")
    namespace, role, settings, problems = parse_for_role(made, arguments)
    warn(*problems)
    if namespace.action == "show":
        say("\n".join(shown(settings)))
        return 0
    check_paths(settings)
    wanted = plans(settings, role)
    asked_for = {str(index): plan.asked_for for index, plan in enumerate(wanted)}
    Measurement(settings, {str(index): plan.collectors for index, plan in enumerate(wanted)}, asked_for=asked_for)
    problem = web_config_problem(settings)
    if problem:
        warn(problem)
        return EXIT_USAGE
    for key, told in unserved(settings, wanted):
        problems.append(f"{settings.origin(key)}: {told}")
        warn(problems[-1])
    say("settings are right" if not problems else "settings can be used, with the warnings above")
    return 1 if problems else 0


def shown(settings: Settings) -> list[str]:
    """One line a setting, as YAML: `key: value  # origin`."""
    return [f"{key}: {_yaml(settings.written(key))}  # {settings.origin(key)}" for key in settings.names()]


def _yaml(value: Any) -> str:
    import msgspec

    if isinstance(value, re.Pattern):
        value = value.pattern
    return msgspec.json.encode(_text("" if value is None else value)).decode()


def _text(value: Any) -> Any:
    """`value` with a question mark for each sign that is no text: bytes of a flag that are not UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, (list, tuple)):
        return [_text(item) for item in value]
    if isinstance(value, dict):
        return {_text(key): _text(item) for key, item in value.items()}
    return value
