"""Flags made from the table of settings."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from nodescope.cli.flags import MAX_ARGUMENT_CHARACTERS, FlagParser, every, parse, parser, terminal_columns
from nodescope.roles import BY_NAME
from nodescope.settings import TABLE


@pytest.fixture
def made() -> FlagParser:
    return parser("nodescope exporter node", "Serve.")


def test_values_switches_and_repeats(made: FlagParser) -> None:
    """--key=value, --key value, --flag, --no-flag and repeated flags are all read."""
    _, given, warnings = parse(
        made,
        [
            "--web.listen-address=:9100",
            "--web.listen-address=:9101",
            "--path.procfs",
            "/host/proc",
            "--collector.cpu.info",
            "--no-collector.stat",
        ],
    )
    assert given == {
        "web.listen-address": [":9100", ":9101"],
        "path.procfs": "/host/proc",
        "collector.cpu.info": True,
        "collector.stat.enabled": False,
    }
    assert warnings == []


def test_the_last_of_two_switches_wins(made: FlagParser) -> None:
    """--flag after --no-flag switches on."""
    _, given, _ = parse(made, ["--no-collector.cpu", "--collector.cpu"])
    assert given == {"collector.cpu.enabled": True}


def test_arguments_come_from_a_file_too(made: FlagParser, tmp_path: Path) -> None:
    """@FILE stands for the lines of the file but for its comments, at its place among the other arguments."""
    file = tmp_path / "arguments"
    file.write_text("# of this node\n--collector.cpu.info\n\n--path.procfs\n/host/p r#oc\n@is-no-file-here\n")
    arguments = ["--no-collector.cpu.info", f"@{file}", "--no-collector.stat"]
    with pytest.raises(SystemExit):
        parse(made, arguments)
    file.write_text(file.read_text().replace("@is-no-file-here", "--web.max-requests=3"))
    assert parse(made, arguments)[1] == {
        "collector.cpu.info": True,
        "path.procfs": "/host/p r#oc",
        "web.max-requests": "3",
        "collector.stat.enabled": False,
    }


@pytest.mark.parametrize("size", [None, MAX_ARGUMENT_CHARACTERS + 1])
def test_a_file_of_arguments_that_cannot_be_used(
    made: FlagParser, capsys: pytest.CaptureFixture[str], tmp_path: Path, size: int | None
) -> None:
    """One sentence names the file that is not there or too long."""
    file = tmp_path / "arguments"
    if size is not None:
        file.write_text("#" * size)
    with pytest.raises(SystemExit) as end:
        parse(made, [f"@{file}"])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert f"@{file}: expected" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        (
            "--collector.cpu.info=true",
            "flag --collector.cpu.info takes no value, got 'true': "
            "expected --collector.cpu.info for on, --no-collector.cpu.info for off;",
        ),
        ("--no-collector.cpu=", "got '': expected --collector.cpu for on, --no-collector.cpu for off;"),
        ("--help=x", "flag --help takes no value, got 'x';"),
    ],
)
def test_a_switch_with_a_value(made: FlagParser, capsys: pytest.CaptureFixture[str], flag: str, said: str) -> None:
    """One sentence says what was given and how a switch is written."""
    with pytest.raises(SystemExit) as ended:
        parse(made, [flag])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_flags_of_collectors_that_are_left_out_are_accepted(made: FlagParser) -> None:
    """A node_exporter command line with collectors that nodescope lacks works, and says what has no effect."""
    _, given, warnings = parse(
        made,
        [
            "--no-collector.wifi",
            "--collector.ntp.server",
            "127.0.0.1",
            "--collector.runit",
            "--no-collector.perf.cpus",
            "--runtime.gomaxprocs=1",
            "--collector.cpu",
        ],
    )
    assert given == {"collector.cpu.enabled": True}
    assert [warning.split(" has no effect")[0] for warning in warnings] == [
        "--collector.ntp.server",
        "--collector.runit",
        "--no-collector.perf.cpus",
    ]


def test_deprecated_flags_of_node_exporter_mean_the_new_ones(made: FlagParser) -> None:
    """The old names of the filters still filter."""
    _, given, warnings = parse(made, ["--collector.netdev.device-blacklist=^lo$"])
    assert given == {"collector.netdev.device-exclude": "^lo$"}
    assert warnings == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--web.max-request=3"], "--web.max-request is not a flag, did you mean --web.max-requests?; see"),
        (["--collector.nothing"], "--collector.nothing is not a flag"),
        (["--collector", "cpu"], "--collector is not a flag here: --collector.NAME switches a collector on"),
        (["word"], "word is not a flag"),
        (["--path.procfs"], "argument --path.procfs: expected one argument"),
    ],
)
def test_an_unknown_flag_is_one_sentence(
    made: FlagParser, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and a sentence with the nearest flag where there is one."""
    with pytest.raises(SystemExit) as ended:
        parse(made, arguments)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_help_names_every_setting(made: FlagParser) -> None:
    """--help shows each flag with its help and default."""
    text = made.format_help()
    for setting in TABLE:
        if setting.kind != "listeners":
            assert f"--{setting.flag_name}" in text


def no_terminal() -> os.terminal_size:
    raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))


@pytest.mark.parametrize(("given", "columns"), [("60", 60), ("0", 80), ("-3", 80), ("wide", 80), ("9" * 5000, 9999)])
def test_help_is_as_wide_as_it_is_told(monkeypatch: pytest.MonkeyPatch, given: str, columns: int) -> None:
    """COLUMNS is believed where it is a number of columns; without it and without a terminal there are 80."""
    monkeypatch.setenv("COLUMNS", given)
    monkeypatch.setattr("os.get_terminal_size", no_terminal)
    assert terminal_columns() == columns


def test_help_fits_any_width(monkeypatch: pytest.MonkeyPatch, made: FlagParser) -> None:
    """A terminal of one column gets a help text too."""
    monkeypatch.setenv("COLUMNS", "1")
    assert "--path.procfs" in made.format_help()


def test_help_has_the_choices(made: FlagParser) -> None:
    """The words that a setting may have are in the help, as the names of simulated machines."""
    assert "One of cpu, h200x8, h200x8-mig, mi300x8, mi300x8-cpx." in " ".join(made.format_help().split())


def test_help_has_a_roles_own_defaults() -> None:
    """Where a role has another default than the table, its help says that one."""
    role = BY_NAME["conductor"]
    text = " ".join(parser("nodescope", "", every, role.own_defaults).format_help().split())
    assert "(127.0.0.1:9400)" in text
    assert "Time between two samples of every GPU. (30s)" in text
    assert "about nodescope itself. (on;" in text
