"""The commands that end by themselves."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nodescope import __version__
from tools.serving import own_environment

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_usage_names_every_command(run: Run) -> None:
    """Without a command, or with --help, the commands are listed."""
    for arguments in ([], ["--help"], ["help"]):
        done = run(*arguments)
        assert done.returncode == 0
        for word in ("agent", "exporter", "metrics", "doctor", "config"):
            assert f"\n  {word} " in done.stdout


def test_version(run: Run) -> None:
    """--version says nodescope's and Python's."""
    assert run("--version").stdout.startswith(f"nodescope {__version__} (Python ")


@pytest.mark.parametrize("command", ["agent", "metrics", "doctor", "config", "exporter"])
def test_every_command_has_help(run: Run, command: str) -> None:
    """--help ends well and says something."""
    done = run(command, "--help")
    assert done.returncode == 0
    assert len(done.stdout) > 100


def test_metrics_prints_one_scrape(run: Run) -> None:
    """A scrape on standard output; --collector keeps one collector's families and nodescope's own."""
    done = run("metrics", "--collector", "loadavg", "--web.disable-exporter-metrics")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if line[0] != "#"] == [
        "node_load1",
        "node_load15",
        "node_load5",
    ]


def test_metrics_in_openmetrics(run: Run) -> None:
    """--openmetrics prints that format."""
    assert run("metrics", "--collector=uname", "--openmetrics").stdout.endswith("# EOF\n")


def test_metrics_of_what_fails_ends_with_one(run: Run, tmp_path: Path) -> None:
    """A collector that fails is named with its reason on standard error."""
    (tmp_path / "loadavg").write_text("not a number\n")
    done = run("metrics", "--collector=loadavg", f"--path.procfs={tmp_path}")
    assert done.returncode == 1
    assert "collector loadavg failed: Malformed:" in done.stderr


def test_metrics_of_an_unknown_collector_ends_with_two(run: Run) -> None:
    """The nearest name is offered."""
    done = run("metrics", "--collector=loadavgs")
    assert done.returncode == 2
    assert "did you mean loadavg?" in done.stderr


def test_doctor_is_content_with_this_machine(run: Run) -> None:
    """On a machine where all that is asked for works, it says so and ends with 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = run("doctor", f"--web.listen-address=127.0.0.1:{port}")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("all that was asked for works\n")
    assert "series" in done.stdout


def test_doctor_says_what_cannot_work_and_what_to_do(run: Run, tmp_path: Path) -> None:
    """A collector asked for by name without its file, and a malformed file, are problems with an action each."""
    for name, text in (("stat", "nonsense\n"), ("meminfo", "MemTotal: 1 kB\n")):
        (tmp_path / name).write_text(text)
    done = run("doctor", f"--path.procfs={tmp_path}", "--collector.pressure", "--web.listen-address=127.0.0.1:0")
    assert done.returncode == 1
    for words in ("cannot work:", "pressure", "psi=1", "stat", "Malformed", "->"):
        assert words in done.stdout


def test_doctor_misses_a_root_that_is_not_mounted(run: Run, tmp_path: Path) -> None:
    """Without procfs nothing works, and doctor says so rather than that all is well."""
    done = run("doctor", f"--path.procfs={tmp_path}", "--web.listen-address=127.0.0.1:0")
    assert done.returncode == 1
    assert f"{tmp_path} has no stat" in done.stdout


def test_doctor_tells_of_what_is_left_out(run: Run, tmp_path: Path) -> None:
    """A folder of textfiles that is not there shows beside the collector that looks for it, and where to read on."""
    done = run("doctor", f"--collector.textfile.directory={tmp_path}/none", "--web.listen-address=127.0.0.1:0")
    assert "1 of its lines, files or devices left out" in done.stdout
    assert "-> nodescope metrics --collector=textfile says which" in done.stdout


def test_doctor_looks_at_the_listeners_that_will_be(run: Run, tmp_path: Path, free_port: int) -> None:
    """Addresses of the YAML list are tried, and the default one is not, for nothing will listen there."""
    file = tmp_path / "n.yaml"
    file.write_text(f"listeners: [{{address: '127.0.0.1:{free_port}'}}]\n")
    done = run("doctor", f"--config.file={file}")
    assert f"127.0.0.1:{free_port} is free" in done.stdout
    assert "127.0.0.1:9100" not in done.stdout


def test_metrics_of_another_roles_collector(run: Run) -> None:
    """Who asks for a collector that the role lacks is told which command lists those that it has."""
    done = run("metrics", "--role=node", "--collector=gpu")
    assert (done.returncode, done.stdout) == (2, "")
    told = "nodescope metrics: role node has no collector 'gpu'; see nodescope exporter node --help\n"
    assert done.stderr == told


def test_metrics_and_doctor_are_as_the_role_is(run: Run) -> None:
    """They look at the collectors that the role turns on, and honour the environment of the program it stands for."""
    assert 'collector_success{collector="kubelet_lens"}' in run("metrics", "--role", "lens").stdout
    assert "\n  kubelet_lens " in run("doctor", "--role", "lens").stdout
    done = run("metrics", "--role", "gpu", environment={"DCGM_EXPORTER_INTERVAL": "soon"})
    assert done.returncode == 2
    assert "environment DCGM_EXPORTER_INTERVAL" in done.stderr
    done = run("doctor", "--role", "gpu", environment={"DCGM_EXPORTER_LISTEN": "127.0.0.1:0"})
    assert " 127.0.0.1:0 is free to listen on" in done.stdout


def test_doctor_misses_what_an_exporter_says_nothing_of(run: Run, tmp_path: Path) -> None:
    """An exporter that says that it runs where there is nothing to measure misses that, as others do."""
    (tmp_path / "stat").write_text("")
    roots = (f"--path.procfs={tmp_path}", f"--path.sysfs={tmp_path}", f"--path.rootfs={tmp_path}")
    for role, collector in (("conductor", "gpu_conductor"), ("docker-stats", "docker_stats")):
        done = run("doctor", f"--role={role}", "--web.listen-address=127.0.0.1:0", *roots)
        assert f"\n  {collector} " in done.stdout.partition("missing:")[2], done.stdout


def test_doctor_names_a_busy_port(run: Run) -> None:
    """An address that is taken is a problem."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("doctor", f"--web.listen-address=127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 1
    assert "in use" in done.stdout


def test_config_show_has_every_value_and_its_origin(run: Run, tmp_path: Path) -> None:
    """Each setting with where it comes from; what is shown can be read as YAML settings again."""
    file = tmp_path / "n.yaml"
    file.write_text("web: {max-requests: 7}\n")
    done = run("config", "show", f"--config.file={file}", environment={"LOG_LEVEL": "warn"})
    assert done.returncode == 0
    assert f"web.max-requests: 7  # file {file}" in done.stdout
    assert 'log.level: "warn"  # environment LOG_LEVEL' in done.stdout
    assert "collector.cpu.enabled: true  # default" in done.stdout
    again = tmp_path / "again.yaml"
    again.write_text(done.stdout)
    assert run("config", "check", f"--config.file={again}").stderr == ""


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("web: {max-requests: 7}\n", 0, "settings are right"),
        ("web: {max-request: 7}\n", 1, "did you mean web.max-requests?"),
        ("web: {max-requests: x}\n", 2, "expected a whole number"),
        ("web: {config: {file: /none.yml}}\n", 2, "/none.yml"),
        ("listeners: [{address: '127.0.0.1:0', role: nod}]\n", 2, "role 'nod'"),
        ("collector: {netdev: {device-include: a, device-exclude: b}}\n", 2, "device-exclude"),
    ],
)
def test_config_check(run: Run, tmp_path: Path, text: str, code: int, words: str) -> None:
    """0: right; 1: something is no setting; 2: a value is wrong."""
    file = tmp_path / "n.yaml"
    file.write_text(text)
    done = run("config", "check", f"--config.file={file}")
    assert done.returncode == code
    assert words in done.stdout + done.stderr


def test_config_is_as_the_role_has_it(run: Run) -> None:
    """--role shows the role's own defaults, and what other programs' names in the environment set."""
    done = run("config", "show", "--role=gpu", environment={"DCGM_EXPORTER_INTERVAL": "30000"})
    assert 'web.listen-address: ["127.0.0.1:9400"]' in done.stdout
    assert "collector.gpu.interval: 30.0  # environment DCGM_EXPORTER_INTERVAL" in done.stdout


def test_a_web_config_file_that_is_missing_is_named_once(run: Run) -> None:
    """The sentence names the setting, the file, and what is wrong with it."""
    done = run("config", "check", "--web.config.file=/nonexistent")
    problem = "the file /nonexistent cannot be read: No such file or directory"
    assert done.stderr == f"nodescope: flag --web.config.file: {problem}\n"


@pytest.mark.parametrize("command", ["metrics", "doctor --web.listen-address=127.0.0.1:0", "config show"])
@pytest.mark.parametrize(("output", "code"), [("1>&-", 0), ("2>&-", 0), ("1>/dev/full", 1)])
def test_outputs_that_take_nothing_are_no_traceback(command: str, output: str, code: int) -> None:
    """A closed output is written to in vain; a full one is one sentence."""
    shell = f"{shlex.quote(sys.executable)} -m nodescope {command} {output}"
    done = subprocess.run(
        ["bash", "-c", shell], capture_output=True, text=True, timeout=60, env=own_environment(), check=False
    )
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert ("standard output cannot be written: No space left" in done.stderr) == bool(code)


@pytest.mark.parametrize(("command", "code"), [("--help", 1), ("--version", 1), ("check --allow-none", 0)])
def test_a_full_output_of_the_shortest_commands(command: str, code: int) -> None:
    """One sentence, which costs check nothing of its verdict."""
    shell = f"{shlex.quote(sys.executable)} -m nodescope {command} 1>/dev/full"
    done = subprocess.run(
        ["bash", "-c", shell], capture_output=True, text=True, timeout=60, env=own_environment(), check=False
    )
    assert done.returncode == code
    assert done.stderr == "nodescope: standard output cannot be written: No space left on device\n"


@pytest.mark.parametrize("command", ["config check", "doctor"])
def test_a_certificate_that_is_missing_is_found_before_the_start(run: Run, tmp_path: Path, command: str) -> None:
    """The files that the web config file names are looked at too."""
    file = tmp_path / "web.yml"
    file.write_text("tls_server_config:\n  cert_file: none.pem\n  key_file: none.key\n")
    done = run(*command.split(), f"--web.config.file={file}")
    assert done.returncode != 0
    assert "none.pem" in done.stdout + done.stderr


def test_a_path_that_is_no_text_is_shown_and_measured(run: Run) -> None:
    """A path with bytes that are not UTF-8 is shown with a question mark."""
    done = run("config", "show", "--path.procfs=/none\udcff")
    assert done.returncode == 0
    assert 'path.procfs: "/none?"' in done.stdout


def test_a_reader_that_goes_away_is_no_traceback(run: Run) -> None:
    """nodescope metrics | head -1 ends quietly."""
    command = f"{sys.executable} -m nodescope metrics | head -1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False, env=own_environment()
    )
    assert done.stdout.startswith("# HELP")
    assert "Traceback" not in done.stderr


def test_the_environment_alone_configures(run: Run) -> None:
    """NODESCOPE_* settings work without flags."""
    environment = {"NODESCOPE_CONSTANT_LABELS": "site=x", "NODESCOPE_WEB_DISABLE_EXPORTER_METRICS": "true"}
    done = run("metrics", "--collector=loadavg", environment=environment)
    assert 'node_load1{site="x"}' in done.stdout
    assert os.environ.get("NODESCOPE_CONSTANT_LABELS") is None


STARTED = """
import sys
from nodescope import configuration
from nodescope.agent import Agent
from nodescope.cli.exporter import _parser
from nodescope.cli.flags import parse
from nodescope.roles import BY_NAME
role = BY_NAME["node"]
_, given, _ = parse(_parser(role, "nodescope exporter node"), ["--web.listen-address=127.0.0.1:0"])
agent = Agent(configuration.load(given, {}, role.defaults), role)
agent.start()
unneeded = "asyncio bz2 difflib email http lzma shutil ssl stringprep tempfile unicodedata"
print([name for name in unneeded.split() if name in sys.modules])
agent.stop()
"""


def test_a_started_exporter_has_not_loaded_what_it_does_not_need() -> None:
    """Compressors, tables of Unicode, TLS and the like cost a megabyte: they are loaded by who needs them."""
    done = subprocess.run(
        [sys.executable, "-c", STARTED], capture_output=True, text=True, timeout=60, check=True, env=own_environment()
    )
    assert done.stdout == "[]\n"
