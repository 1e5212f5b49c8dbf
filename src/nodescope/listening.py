"""Where to listen, and for whom: the listeners that settings ask for, their sockets and their limits."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Final, NamedTuple

from nodescope import systemd, threads
from nodescope.kernel import descriptors
from nodescope.roles import BY_NAME, TABLE, Role
from nodescope.settings import Settings, SettingsError
from nodescope.web.access import Access
from nodescope.web.address import AddressError, BindError, bind, parse
from nodescope.web.limits import Limits
from nodescope.web.server import STOP_S, Listener
from nodescope.web.web_config import WebConfig, WebConfigError, load

AGAIN_AFTER_S: Final = 0.25
"""As long as the runner leaves a slow collector its worker, which is then the thread that has the request."""

LEAVE_S: Final = 10.0
"""For what a listener answers that a reload takes away, the reload itself among it: nobody waits for its end."""

_BY_NAME: Final = ("flag", "environment")
"""How the origin of a setting begins that was given for this one command."""

_SHOWN_BY: Final = {"cpu": ("cpufreq",), "link_health": ("rdma", "pci", "nvme_fabrics", "memory_modules")}
"""Collector -> others that it asks only where they are on."""


class CannotStart(Exception):
    """Why the agent cannot start, in one sentence."""


class Plan(NamedTuple):
    """One listener as the settings ask for it."""

    address: str
    role: Role
    collectors: tuple[str, ...]
    constant_labels: dict[str, str]
    asked_for: frozenset[str] = frozenset()
    """Those that are on here unless they are switched off, on by default or not."""


def plans(settings: Settings, role: Role) -> list[Plan]:
    """The listeners of web.listen-address, with the agent's role, and those of `listeners`."""
    labels = settings["constant-labels"]
    made = [Plan(where, role, role.collectors, labels) for where in settings["web.listen-address"]]
    if settings["listeners"] and not settings.is_set("web.listen-address"):
        made = []
    for listener in settings["listeners"]:
        own = _role(listener.get("role", role.name), settings)
        wanted = listener.get("collectors", own.collectors)
        for name in wanted:
            if name not in (*own.collectors, *own.further):
                raise SettingsError(
                    f"{settings.origin('listeners')}: listeners has collector {name!r}, expected some of "
                    f"{', '.join((*own.collectors, *own.further))}"
                )
        by_role = frozenset[str]() if settings["collector.disable-defaults"] else own.asked_for
        asked_for = frozenset(wanted) if "collectors" in listener else by_role
        made.append(Plan(listener["address"], own, tuple(wanted), {**labels, **listener["constant-labels"]}, asked_for))
    addresses = [plan.address for plan in made]
    for address in addresses:
        _check(address, settings)
        if addresses.count(address) > 1 and not address.endswith(":0"):
            origin = settings.origin("listeners" if settings["listeners"] else "web.listen-address")
            raise SettingsError(f"{origin}: {address} is given to two listeners, expected one")
    for wide, other in permutations(addresses, 2):
        if parse(wide).includes(parse(other)):
            raise SettingsError(
                f"{settings.origin(_key(other, settings))}: {wide} includes {other}, expected one of the two"
            )
    return made


def unserved(settings: Settings, wanted: Sequence[Plan]) -> Iterator[tuple[str, str]]:
    """Settings that switch a collector on which none of the listeners has, each with what to do instead.

    Not those of a file: it may hold every setting, as `nodescope config show` writes them, for several roles.
    """
    served = {name for plan in wanted for name in plan.collectors}
    served.update(other for name in served & _SHOWN_BY.keys() for other in _SHOWN_BY[name])
    if settings["collector.container.follow"] and any(plan.role.serves_api for plan in wanted):
        served.add("container")
    for role in TABLE:
        for name in role.collectors:
            key = f"collector.{name}.enabled"
            if name not in served and settings[key] and settings.origin(key).startswith(_BY_NAME):
                served.add(name)
                told = f"no listener here has collector {name}, so it shows nothing: role {role.name} has it"
                yield key, f"{told}, or a listener that names it (`listeners`)"


def _key(address: str, settings: Settings) -> str:
    return "web.listen-address" if address in settings["web.listen-address"] else "listeners"


def _check(address: str, settings: Settings) -> None:
    key = _key(address, settings)
    try:
        parse(address)
    except AddressError as error:
        raise SettingsError(f"{settings.origin(key)}: {key}: {error}") from error


def _role(name: str, settings: Settings) -> Role:
    if name not in BY_NAME:
        raise SettingsError(
            f"{settings.origin('listeners')}: listeners has role {name!r}, expected one of {', '.join(BY_NAME)}"
        )
    return BY_NAME[name]


def sockets(wanted: list[Plan], settings: Settings) -> list[tuple[Plan, socket.socket]]:
    """A listening socket for each listener: bound here, or passed by systemd. Raises `CannotStart`."""
    if not settings["web.systemd-socket"]:
        return list(zip(wanted, bound([plan.address for plan in wanted]), strict=True))
    try:
        passed = systemd.passed_sockets(os.environ)
    except OSError as error:
        raise CannotStart(
            f"a descriptor that systemd passed is no socket that can be served on: {error.strerror}"
        ) from error
    if not passed:
        raise CannotStart(
            "web.systemd-socket is on, but systemd passed no socket: start nodescope from its .socket unit"
        )
    return list(zip(over_passed(wanted, len(passed)), passed, strict=True))


def over_passed(wanted: list[Plan], passed: int) -> list[Plan]:
    """A plan for each socket that systemd passed, named by its place.

    The last plan serves every further socket; further plans have an address of their own in vain.
    """
    served = [wanted[min(index, len(wanted) - 1)] for index in range(passed)]
    return [plan._replace(address=f"socket {index} of systemd") for index, plan in enumerate(served)]


def bound(addresses: list[str], leaving: Sequence[socket.socket] = ()) -> list[socket.socket]:
    """A listening socket for each address, all or none. Raises `CannotStart`. `leaving`: as `bind` says."""
    made: list[socket.socket] = []
    try:
        for address in addresses:
            made.append(bind(parse(address), leaving))  # noqa: PERF401 what is open so far must be known when one fails
    except (AddressError, BindError) as error:
        for sock in made:
            sock.close()
        raise CannotStart(str(error)) from error
    return made


def address_problem(address: str) -> str:
    """Why `address` cannot be listened on now, or nothing."""
    try:
        bind(parse(address)).close()
    except (AddressError, BindError) as error:
        return str(error)
    return ""


def web_config_problem(settings: Settings) -> str:
    """Why the web config file that the settings name, or a file that it names, cannot be used, or nothing."""
    try:
        Access(web_config(settings))
    except WebConfigError as error:
        return str(error)
    return ""


def open_to_all(address: str, config: WebConfig | None) -> bool:
    """Whether other machines can read what is served at `address` without a password or certificate."""
    if address.startswith(("unix:", "127.", "[::1]", "localhost:")):
        return False
    verified = config is not None and config.tls is not None and config.tls.client_auth_type.startswith("Require")
    return not verified and not (config is not None and config.users)


def limits(settings: Settings, listeners: int) -> Limits:
    """What each of `listeners` grants: connections that nobody asks on shall not take what others are read with."""
    return Limits(
        workers=settings["web.workers"],
        request_timeout_s=settings["web.request-timeout"],
        idle_timeout_s=settings["web.idle-timeout"],
        max_connections=descriptors.most_clients(settings["web.max-connections"], listeners, descriptors.limit()),
        again_after_s=AGAIN_AFTER_S,
    )


def web_config(settings: Settings) -> WebConfig | None:
    """The web config file that the settings name, None where they name none. Raises `WebConfigError`."""
    path = settings["web.config.file"]
    try:
        return load(path) if path else None
    except WebConfigError as error:
        raise WebConfigError(f"{settings.origin('web.config.file')}: {error}") from error


def changes(before: Sequence[Plan], wanted: Sequence[Plan]) -> tuple[list[str], list[Plan]]:
    """The addresses in `wanted`, in order, for which there is no listener yet, and the plans of `before` that are not
    wanted any more. An address can be wanted several times."""
    gone = list(before)
    found = []
    for plan in wanted:
        same = next((other for other in gone if other.address == plan.address), None)
        if same is None:
            found.append(plan.address)
        else:
            gone.remove(same)
    return found, gone


def leave(listeners: Sequence[Listener]) -> None:
    """Closes their sockets; the rest ends in the background, for one of them may be answering the caller."""
    if not listeners:
        return
    for listener in listeners:
        listener.leave()
    try:
        threads.start(threading.Thread(target=stop, args=(listeners, LEAVE_S), name="stop", daemon=True))
    except RuntimeError:
        # No thread is to be had: who waits for an answer from them has none.
        for listener in listeners:
            listener.stop()


def stop(listeners: Sequence[Listener], patience_s: float = STOP_S) -> None:
    """Stops all at once, or one after the other for want of threads: each may wait a moment for what it answers."""
    begun, ours = [], list(listeners[:1])
    for listener in listeners[1:]:
        thread = threading.Thread(target=listener.stop, args=(patience_s,), name="stop", daemon=True)
        try:
            threads.start(thread)
        except RuntimeError:
            ours.append(listener)
        else:
            begun.append(thread)
    for listener in ours:
        listener.stop(patience_s)
    for thread in begun:
        thread.join()
