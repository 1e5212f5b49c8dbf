"""Verdicts on RDMA ports, and what is common to all verdicts on links."""

from __future__ import annotations

import pytest

from nodescope.health.hold import HOLD_SECONDS
from nodescope.health.link_rules import COUNTERS, RULES, THRESHOLDS, UNREAD
from nodescope.health.links import HourlyMost, HourlyRise, LinkHealthRules, changes
from nodescope.records.rdma import RdmaDevice, RdmaPort
from tests.health.link_records import ABOVE, Judge, counted, fabric, gpu, hcas, port


def test_all_is_well() -> None:
    """Healthy devices are ok with nothing to do; bridges that are well are not told of."""
    found = Judge().verdicts(*hcas(1), port(0), gpu(), *ABOVE, *fabric(["live"], ["optimized"]))
    assert list(found) == [
        ("rdma", "mlx5_0/1"),
        ("pcie", "0000:18:00.0"),
        ("nvme", "nvme0"),
        ("nvme_paths", "nqn.a"),
    ]
    assert {(one.state, one.value, one.reason, one.action) for one in found.values()} == {("ok", 0, "", "")}


def test_nothing_known_nothing_said() -> None:
    """Without records there are no verdicts."""
    assert Judge().verdicts() == {}


def test_a_port_that_was_up_goes_down() -> None:
    """A port that was up and is down is critical at once, and well a minute after it is up again."""
    judge = Judge()
    assert judge.of("rdma", "mlx5_0/1", port(0)).state == "ok"
    down = judge.after(5).of("rdma", "mlx5_0/1", port(0, 1, physical_state="Polling"))
    assert (down.state, down.reason) == ("critical", "the port was up and is down")
    assert "physical_state=Polling" in down.evidence
    assert "mlx5_0" in down.action
    assert judge.after(HOLD_SECONDS - 1).of("rdma", "mlx5_0/1", port(0)).state == "critical"
    assert judge.after(1).of("rdma", "mlx5_0/1", port(0)).state == "ok"


def test_a_port_that_never_was_up() -> None:
    """A port that never was up is a warning only where most of its like are up, and not where it is switched off."""
    ports = [port(number) for number in range(1, 4)]
    for state, others, expected in (
        (port(0, 1), ports, "warning"),
        (port(0, 1, physical_state_value=3), ports, "ok"),
        (port(0, 1, physical_state_value=3, layer="Ethernet"), [port(1, layer="Ethernet")], "warning"),
        (port(0, 1), [port(1, 1), port(2, 1), port(3)], "ok"),
        (port(0, 1), [], "ok"),
    ):
        assert Judge().of("rdma", "mlx5_0/1", state, *others, *hcas(4)).state == expected


def test_other_models_are_not_compared() -> None:
    """A port is compared with those of its own model alone."""
    devices = [RdmaDevice(name="mlx5_0", board_id="A"), *(RdmaDevice(name=f"mlx5_{n}", board_id="B") for n in (1, 2))]
    found = Judge().verdicts(*devices, port(0, rate=100), port(1), port(2))
    assert {one.state for one in found.values()} == {"ok"}


def test_other_drivers_are_not_compared() -> None:
    """Where drivers tell no model, a device of another driver is not the like of any: none is slow or down by it."""
    devices = [RdmaDevice(name=f"mlx5_{n}", driver=driver) for n, driver in enumerate(("ice", "erdma", "ice", "ice"))]
    down = port(1, 1, layer="Ethernet")
    slow = port(1, rate=25, layer="Ethernet")
    for one in (down, slow):
        found = Judge().verdicts(*devices, one, *(port(n, layer="Ethernet") for n in (0, 2, 3)))
        assert {verdict.state for verdict in found.values()} == {"ok"}


def test_a_slow_port() -> None:
    """A port below the rate that most of its like have is a warning that says both; those beside it are well."""
    found = Judge().verdicts(*hcas(4), port(0, rate=200), *(port(number) for number in range(1, 4)))
    assert found["rdma", "mlx5_0/1"].reason == "the port runs at 200 Gb/s, others like it at 400 Gb/s"
    assert [one.state for one in found.values()] == ["warning", "ok", "ok", "ok"]
    assert Judge(port_rate_percent=50).of("rdma", "mlx5_0/1", port(0, rate=200), port(1), port(2)).state == "ok"
    assert Judge().of("rdma", "mlx5_0/1", port(0, rate=200), port(1)).state == "ok"


def test_no_subnet_manager() -> None:
    """A port that stays initialising for a minute is a warning."""
    judge = Judge()
    assert judge.of("rdma", "mlx5_0/1", port(0, 2)).state == "ok"
    found = judge.after(60).of("rdma", "mlx5_0/1", port(0, 2))
    assert (found.state, "subnet manager" in found.action) == ("warning", True)


def test_an_unknown_port() -> None:
    """A port whose state cannot be read is unknown, and so is a device without ports; the state's word is enough."""
    assert Judge().of("rdma", "mlx5_0/1", port(0, None)).state == "unknown"
    assert Judge().of("rdma", "mlx5_0", *hcas(1)).state == "unknown"
    assert Judge().of("rdma", "mlx5_0/1", RdmaPort(device="mlx5_0", port=1, state="ACTIVE")).state == "ok"


@pytest.mark.parametrize("counter", [one.name for one in COUNTERS])
def test_each_error_counter(counter: str) -> None:
    """Each counter of errors that rises by its limit is a warning for an hour; what it was at the start is not."""
    limit = next(one.limit for one in COUNTERS if one.name == counter)
    judge = Judge()
    assert judge.of("rdma", "mlx5_0/1", *counted(counter, 5000)).state == "ok"
    if limit > 1:
        assert judge.after(5).of("rdma", "mlx5_0/1", *counted(counter, 5000 + limit - 1)).state == "ok"
    found = judge.after(5).of("rdma", "mlx5_0/1", *counted(counter, 5000 + limit))
    assert (found.state, found.evidence) == ("warning", f"{counter}_last_hour={limit}")
    assert judge.after(3500).of("rdma", "mlx5_0/1", *counted(counter, 5000 + limit)).state == "warning"
    assert judge.after(160).of("rdma", "mlx5_0/1", *counted(counter, 5000 + limit)).state == "ok"


def test_a_flapping_link() -> None:
    """A link that is lost ten times within an hour is critical."""
    judge = Judge()
    for number in range(10):
        assert judge.of("rdma", "mlx5_0/1", *counted("link_downed", number)).state == ("warning" if number else "ok")
        judge.after(60)
    assert judge.of("rdma", "mlx5_0/1", *counted("link_downed", 10)).state == "critical"


def test_the_same_verdict_is_the_same_object() -> None:
    """Nothing new, nothing made."""
    judge = Judge()
    assert judge.of("rdma", "mlx5_0/1", port(0)) is judge.after(5).of("rdma", "mlx5_0/1", port(0))


def test_changes() -> None:
    """A change of state is told once, with the state before; what is well from the start on is no news."""
    judge = Judge()
    first = tuple(judge.verdicts(port(0)).values())
    assert changes((), first) == []
    second = tuple(judge.verdicts(port(0, 1)).values())
    ((kind, subject, attributes),) = changes(first, second)
    assert (kind, subject, attributes["before"], attributes["state"]) == ("link.health", "mlx5_0/1", "ok", "critical")
    assert changes(second, tuple(judge.verdicts(port(0, 1)).values())) == []


def test_thresholds() -> None:
    """Every threshold is used by a rule or known to be; one that is not there is refused by name."""
    used = {value for rules in RULES.values() for rule in rules for value in (rule.threshold, rule.lasting)}
    assert {one.name for one in THRESHOLDS} == {value for value in used if isinstance(value, str)} - _TEXTS
    with pytest.raises(ValueError, match=r"'lanes'.*link_width_percent"):
        LinkHealthRules({"lanes": 1})


def test_every_rule_says_what_to_do() -> None:
    """Each rule has a reason and an action, and nothing in braces is left in a sentence."""
    assert set(RULES) == set(UNREAD)
    for rules in RULES.values():
        for rule in rules:
            assert rule.reason
            assert rule.action.rstrip()[-1] not in ";,"


def test_rises_are_of_the_last_hour() -> None:
    """A rise counts for an hour; a counter that begins again has not risen."""
    rise = HourlyRise()
    assert [rise.take(count, at) for count, at in ((5, 0), (7, 60), (1, 120), (2, 180), (2, 3700))] == [0, 2, 2, 3, 1]


def test_the_most_of_the_last_hour() -> None:
    """What was most is so for an hour after it was last seen."""
    most = HourlyMost()
    assert [most.take(count, at) for count, at in ((2, 0), (4, 10), (4, 20), (1, 30), (1, 3621))] == [2, 4, 4, 4, 1]


_TEXTS = {rule.threshold for rules in RULES.values() for rule in rules if rule.condition == "is"}
