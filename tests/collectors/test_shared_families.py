"""Two dialects that would share a family on one listener."""

from __future__ import annotations

import pytest

from nodescope.collectors.shared_families import hidden
from nodescope.configuration import load
from nodescope.listening import plans
from nodescope.measurement import Measurement
from nodescope.roles import BY_NAME, TABLE, Role
from nodescope.settings import Settings, SettingsError

SENTENCE = (
    "listeners: [^ ]+ .*collectors gpu_worker and gpu_epic would both show nvidia_gpu_\\w+ on one listener, expected "
    "one of them: switch one off, or give it a listener of its own under `listeners`"
)

LOAD = {"node_load1", "node_load5", "node_load15"}
NETWORK = {"node_network_receive_bytes_total", "node_network_transmit_bytes_total"}


def measured(settings: Settings, role: Role = BY_NAME["agent"]) -> Measurement:
    return Measurement(settings, {str(index): plan.collectors for index, plan in enumerate(plans(settings, role))})


def listeners(*collectors: list[str], **more: object) -> Settings:
    given = [{"address": f"127.0.0.1:{9100 + at}", "collectors": names} for at, names in enumerate(collectors)]
    return load({"listeners": given, **more}, {})


def test_two_dialects_on_one_listener() -> None:
    """One sentence names the family, both collectors and what to do."""
    with pytest.raises(SettingsError) as told:
        measured(listeners(["gpu", "gpu_worker", "gpu_epic"]))
    text = str(told.value)
    assert "collectors gpu_worker and gpu_epic would both show nvidia_gpu_" in text
    assert "switch one off, or give it a listener of its own" in text


def test_the_kubelet_in_two_dialects() -> None:
    """One listener shows the kubelet's families in the agent's units or in those of Primus-Lens, never in both."""
    on = {"collector.kubelet_lens.enabled": True}
    with pytest.raises(SettingsError, match="collectors kubelet and kubelet_lens would both show node_"):
        measured(listeners(["kubelet", "kubelet_lens"], **on))
    assert measured(listeners(["kubelet"], ["kubelet_lens"], **on)).names["1"] == ("kubelet_lens",)


def test_each_on_its_own_listener() -> None:
    """On two listeners both are served, and so is one alone where the other is switched off."""
    measured(listeners(["gpu_worker"], ["gpu_epic"]))
    off = {"collector.gpu_epic.enabled": False}
    assert measured(listeners(["gpu_worker", "gpu_epic"], **off)).names == {"0": ("gpu_worker",)}


def test_collectors_of_the_host_are_one_dialect() -> None:
    """Two collectors of the host may show the same family: there it is the same."""
    measured(listeners(["loadavg", "epic", "cpu", "cpufreq"], **{"collector.epic.enabled": True}))


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (["epic"], set()),
        (["epic", "loadavg"], LOAD),
        (["epic", "netdev"], NETWORK),
        (["epic", "loadavg", "netdev", "cpu"], LOAD | NETWORK),
    ],
)
def test_each_listener_shows_a_name_of_epic_once(names: list[str], left: set[str]) -> None:
    """What epic has under names of netdev and loadavg it leaves to them, on those listeners that have them."""
    on = {"collector.epic.enabled": True}
    found = measured(listeners(names, ["epic"], ["netdev", "loadavg"], **on))
    assert hidden(found.names["0"], found.collectors) == ({"epic": left} if left else {})
    assert hidden(found.names["1"], found.collectors) == hidden(found.names["2"], found.collectors) == {}


@pytest.mark.parametrize("role", TABLE, ids=[role.name for role in TABLE])
def test_no_role_shares_a_family(role: Role) -> None:
    """Every role can be started as it is."""
    settings = load({}, {}, {f"collector.{name}.enabled": True for name in role.collectors})
    assert measured(settings, role).names["0"] == role.collectors
