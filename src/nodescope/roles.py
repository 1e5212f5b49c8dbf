"""Roles: the same agent with another exporter's port, names and collectors."""

from __future__ import annotations

from typing import Final, NamedTuple

from nodescope.settings.host import HOST


class Role(NamedTuple):
    """`collectors`: names from the table of collectors, "*" for all. `aliases`: other words for the role."""

    name: str
    title: str
    port: int
    profile: str
    collectors: tuple[str, ...]
    help: str
    aliases: tuple[str, ...] = ()


HOST_COLLECTORS: Final = tuple(collects.name for collects in HOST)

TABLE: Final[tuple[Role, ...]] = (
    Role("agent", "nodescope", 9100, "native", HOST_COLLECTORS, "everything this machine has"),
    Role(
        "node",
        "nodescope node exporter",
        9100,
        "node_exporter",
        HOST_COLLECTORS,
        "host metrics under node_exporter's names and flags",
        ("node-exporter",),
    ),
)

BY_NAME: Final[dict[str, Role]] = {word: role for role in TABLE for word in (role.name, *role.aliases)}
