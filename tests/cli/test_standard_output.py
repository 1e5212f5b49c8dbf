"""Commands whose standard output knows ASCII alone, or takes nothing any more."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable

import pytest

from tools.serving import own_environment

Run = Callable[..., subprocess.CompletedProcess[str]]
LONG_S = 60
CRITICAL = "check --simulate h200x8 --simulate.faults lost@0:gpu1"


def said_to(output: int, command: str) -> tuple[int, str]:
    """Exit code and standard error of a command whose standard output is `output`."""
    done = subprocess.run(
        [sys.executable, "-m", "nodescope", *shlex.split(command)],
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        timeout=LONG_S,
        env=own_environment(),
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("command", "code"),
    [("config show", 1), ("doctor", 1), ("agent --help", 1), ("exporter --help", 1), (CRITICAL, 2)],
)
def test_a_terminal_that_was_closed_is_one_sentence(command: str, code: int) -> None:
    """Nobody is shown a traceback, and a critical GPU stays one."""
    controller, terminal = os.openpty()
    os.close(controller)
    try:
        assert said_to(terminal, command) == (
            code,
            "nodescope: standard output cannot be written: Input/output error\n",
        )
    finally:
        os.close(terminal)


def test_an_output_that_is_open_for_reading_alone_costs_no_verdict() -> None:
    """A critical GPU gives 2 also where standard output was opened the wrong way round."""
    with open(os.devnull, "rb") as file:
        code, told = said_to(file.fileno(), CRITICAL)
    assert (code, "Traceback" in told) == (2, False)


@pytest.mark.parametrize("command", ["config show", "doctor"])
def test_a_terminal_of_ascii_alone(run: Run, command: str) -> None:
    """What it cannot show is spelled by its number."""
    done = run(
        *command.split(),
        "--collector.textfile.directory=/nonexistent/ä",
        "--web.listen-address=unix:/nonexistent/ä",
        environment={"PYTHONIOENCODING": "ascii"},
    )
    assert "/nonexistent/\\xe4" in done.stdout, done.stderr


def test_labels_and_lists_that_are_no_text_are_shown(run: Run) -> None:
    """Bytes that are not UTF-8 are question marks in lists and labels as well."""
    done = run("config", "show", "--constant-labels=a=b\udcff", "--collector.textfile.directory=/\udcff")
    assert 'constant-labels: {"a":"b?"}' in done.stdout
    assert 'collector.textfile.directory: ["/?"]' in done.stdout
