"""nodescope.listening: which listeners settings ask for."""

from __future__ import annotations

import socket
import threading
from typing import Any, Final

import pytest

from nodescope import configuration
from nodescope.listening import changes, leave, plans, unserved
from nodescope.roles import BY_NAME
from nodescope.settings import SettingsError
from nodescope.web.message import Response
from nodescope.web.server import Listener

ROLE = BY_NAME["agent"]
IMPOSSIBLE_STACK_BYTES: Final = 1 << 46


def addresses(*given: str, **more: Any) -> list[str]:
    settings = configuration.load({"web.listen-address": list(given), **more}, {})
    return [plan.address for plan in plans(settings, ROLE)]


def test_each_address_is_a_listener() -> None:
    """Addresses that do not overlap are served each, a free port as often as it is asked for."""
    wanted = ["127.0.0.1:9100", "[::1]:9100", ":9101", "127.0.0.1:0", "127.0.0.1:0", "unix:/run/a.sock"]
    assert addresses(*wanted) == wanted


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["127.0.0.1:9100", "127.0.0.1:9100"], "127.0.0.1:9100 is given to two listeners, expected one"),
        (["127.0.0.1:9100", ":9100"], ":9100 includes 127.0.0.1:9100, expected one of the two"),
        ([":9100", "[::1]:9100"], r":9100 includes \[::1\]:9100, expected one of the two"),
    ],
)
def test_addresses_that_overlap_are_refused(given: list[str], message: str) -> None:
    """Two listeners at one place are refused in a sentence that names both."""
    with pytest.raises(SettingsError, match=message):
        addresses(*given)


def test_addresses_given_twice_are_told_by_where_they_stand() -> None:
    """The sentence names the flag that has an address twice, not the default of `listeners`."""
    with pytest.raises(SettingsError, match=r"^flag --web\.listen-address: "):
        addresses("127.0.0.1:9100", "127.0.0.1:9100")


def test_what_a_listener_asks_for() -> None:
    """It has asked for the collectors that it names, or for those that its role turns on; without either for none."""
    given = [
        {"address": "a:1", "collectors": ["swap"]},
        {"address": "a:2", "role": "lens"},
        {"address": "a:3"},
    ]
    settings = configuration.load({"listeners": given}, {})
    assert [set(plan.asked_for) for plan in plans(settings, ROLE)] == [{"swap"}, {"rdma_lens", "kubelet_lens"}, set()]


def test_defaults_that_are_switched_off_are_so_for_a_listener_s_role_too() -> None:
    """With collector.disable-defaults a role turns nothing on; what a listener names is switched on by name."""
    listeners = [{"address": "127.0.0.1:1", "role": "lens"}, {"address": "127.0.0.1:2", "collectors": ["swap"]}]
    settings = configuration.load({"listeners": listeners, "collector.disable-defaults": True}, {})
    assert [set(plan.asked_for) for plan in plans(settings, ROLE)] == [set(), {"swap"}]


LINK_HEALTH = {"address": "127.0.0.1:1", "collectors": ["link_health"]}


@pytest.mark.parametrize(
    ("role", "given", "told"),
    [
        ("agent", {"collector.gpu_worker.enabled": True}, [("collector.gpu_worker.enabled", "role gpu-worker has it")]),
        ("node", {"collector.gpu.enabled": True}, [("collector.gpu.enabled", "role agent has it")]),
        ("agent", {"collector.gpu.enabled": True, "collector.swap.enabled": True}, []),
        ("agent", {"collector.gpu_worker.enabled": False}, []),
        ("lens", {}, []),
        ("lens", {"collector.container.enabled": True}, []),
        ("container", {"collector.container.enabled": True}, [("collector.container.enabled", "role agent has it")]),
        ("agent", {"collector.pci.enabled": True, "listeners": [LINK_HEALTH]}, []),
    ],
)
def test_what_is_switched_on_where_nothing_shows_it(
    role: str, given: dict[str, Any], told: list[tuple[str, str]]
) -> None:
    """A collector that is switched on by name, and is of no listener, is told of with the role that has it."""
    settings = configuration.load(given, {}, BY_NAME[role].own_defaults)
    found = list(unserved(settings, plans(settings, BY_NAME[role])))
    assert [key for key, _ in found] == [key for key, _ in told]
    assert all(words in problem for (_, problem), (_, words) in zip(found, told, strict=True))


def test_what_changes() -> None:
    """What is wanted and not there is new, what is there and not wanted goes; each free port counts."""
    settings = configuration.load({"web.listen-address": ["127.0.0.1:0", "127.0.0.1:9101", "127.0.0.1:0"]}, {})
    before = plans(settings, ROLE)
    assert changes(before, before) == ([], [])
    assert changes(before, before[:1]) == ([], before[1:])
    assert changes(before[:1], before) == (["127.0.0.1:9101", "127.0.0.1:0"], [])


def test_leaving_where_no_thread_is_to_be_had() -> None:
    """The sockets are closed all the same, and the caller hears nothing of it."""
    listener = Listener("127.0.0.1:0", lambda request: Response(200, b""))
    listener.start()
    port = listener.sockets[0].getsockname()[1]
    usual = threading.stack_size(IMPOSSIBLE_STACK_BYTES)
    try:
        with pytest.raises(RuntimeError, match="start new thread"):
            threading.Thread(target=print).start()
        leave([listener])
    finally:
        threading.stack_size(usual)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
