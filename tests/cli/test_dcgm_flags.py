"""dcgm-exporter's flags as nodescope's own."""

from __future__ import annotations

import pytest

from nodescope.cli.dcgm_flags import NO_SWITCHES, NO_VALUES, SHORT, SWITCHES, VALUES, translated
from nodescope.cli.flags import parse, parser
from nodescope.configuration import load
from nodescope.roles import BY_NAME


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["-f", "/etc/dcgm-exporter/default-counters.csv"], ["collector.gpu_dcgm.fields"]),
        (["--collectors=/x.csv", "--address", ":9400"], ["collector.gpu_dcgm.fields", "web.listen-address"]),
        (["-a=127.0.0.1:1", "-c", "30000"], ["web.listen-address", "collector.gpu.interval"]),
        (
            ["--debug", "--log-format", "json", "--web-systemd-socket"],
            ["log.level", "log.format", "web.systemd-socket"],
        ),
        (["--debug=false", "-kubernetes=false"], ["collector.gpu_dcgm.kubernetes"]),
        (["--debug=False"], []),
        (
            ["-k", "--kubernetes-virtual-gpus=true"],
            ["collector.gpu_dcgm.kubernetes", "collector.gpu_dcgm.virtual-gpus"],
        ),
        (
            ["-k", "--pod-resources-kubelet-socket", "/kubelet.sock"],
            ["collector.gpu_dcgm.kubernetes", "collector.kubelet.pod-resources-socket"],
        ),
        (["-d", "g:0,1"], ["collector.gpu_dcgm.devices"]),
        (
            ["-n", "-o", "-rbmn"],
            ["collector.gpu_dcgm.hostname", "collector.gpu_dcgm.model-dashes", "collector.gpu_dcgm.old-labels"],
        ),
        (["--no-hostname=false", "-o=F"], ["collector.gpu_dcgm.hostname", "collector.gpu_dcgm.old-labels"]),
        (["--collector.gpu.window=60s"], ["collector.gpu.window"]),
    ],
)
def test_flags_become_settings(given: list[str], wanted: list[str]) -> None:
    """A flag of dcgm-exporter sets what it means here, in all of its spellings; our own flags work beside it."""
    flags, warnings = translated(given)
    _, settings, _ = parse(parser("dcgm-exporter", ""), flags)
    assert (sorted(settings), warnings) == (sorted(wanted), [])


@pytest.mark.parametrize(
    ("given", "key", "told"),
    [
        ("-k=false", "collector.gpu_dcgm.kubernetes", False),
        ("--no-hostname=F", "collector.gpu_dcgm.hostname", True),
        ("--web-systemd-socket=0", "web.systemd-socket", False),
    ],
)
def test_a_switch_that_is_off_goes_before_the_environment(given: str, key: str, told: bool) -> None:
    """What a flag turns off stays off whatever the environment's name for it says, as for dcgm-exporter."""
    flags, _ = translated([given])
    _, settings, _ = parse(parser("dcgm-exporter", ""), flags)
    role = BY_NAME["gpu"]
    environment = {"DCGM_EXPORTER_KUBERNETES": "true", "DCGM_EXPORTER_NO_HOSTNAME": "true"}
    own = {"NODESCOPE_WEB_SYSTEMD_SOCKET": "true"}
    assert load(settings, {**environment, **own}, None, role.environment)[key] is told


def test_milliseconds() -> None:
    """Its interval is in milliseconds; one that has a unit keeps it, and what is none is told as it was given."""
    for given, taken in (("500", "500ms"), ("30s", "30s"), ("soon", "soon")):
        assert translated(["-c", given]) == ([f"--collector.gpu.interval={taken}"], [])


def test_flags_without_effect_take_their_values_along() -> None:
    """A flag that has nothing to act on is warned of, and its value is not taken for anything else."""
    flags, warnings = translated(["-r", "localhost:5555", "--kubernetes-enable-pod-uid", "-s", "f", "-p", "g"])
    assert flags == []
    assert [warning.split()[0] for warning in warnings] == [
        "--remote-hostengine-info",
        "--kubernetes-enable-pod-uid",
        "--switch-devices",
        "--cpu-devices",
    ]


def test_a_flag_means_one_thing() -> None:
    """No name is in two tables, and every short one stands for a long one."""
    tables = [set(VALUES), set(NO_VALUES), set(SWITCHES), set(NO_SWITCHES)]
    assert len(set().union(*tables)) == sum(map(len, tables))
    assert set(SHORT.values()) <= set().union(*tables)


@pytest.mark.parametrize("given", [["-f"], ["--"], [""], ["x"], ["-"], ["--address"]])
def test_odd_words(given: list[str]) -> None:
    """A value that is missing is an empty one, for the settings to complain about; odd words are left as they are."""
    flags, _ = translated(given)
    assert len(flags) == 1
