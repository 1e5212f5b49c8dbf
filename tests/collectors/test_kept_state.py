"""Where collectors keep their state."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from nodescope import configuration
from nodescope.collectors.kept_state import kept_path, state_directory
from nodescope.collectors.parts import Parts, Surroundings, unheard
from nodescope.host import Host

WITHOUT_NAME: Final = 61_234
"""A user of whom passwd says nothing."""
AS_ANOTHER: Final = f"""
import logging, os
from nodescope import configuration
from nodescope.collectors.kept_state import kept_path, state_directory
from nodescope.collectors.parts import Parts, Surroundings, unheard
from nodescope.host import Host

logging.basicConfig(format="%(message)s")
if os.geteuid() == 0:
    os.setuid({WITHOUT_NAME})
parts = Parts(Host(), configuration.load({{}}, {{}}), Surroundings(unheard, {{}}, keeps_state=True))
print(state_directory(""), kept_path(parts, "x.json"), kept_path(parts, "y.json"))
"""


@pytest.mark.parametrize(
    ("flags", "environment", "folder"),
    [
        ({"state.directory": "/a:/b"}, {"STATE_DIRECTORY": "/c"}, "/a:/b"),
        ({}, {"STATE_DIRECTORY": "/a:/b"}, "/a"),
        ({}, {"STATE_DIRECTORY": "/a:/b", "NODESCOPE_STATE_DIRECTORY": "/c:/d"}, "/c:/d"),
    ],
)
def test_the_path_of_a_file(flags: dict[str, str], environment: dict[str, str], folder: str) -> None:
    """It lies in the folder of the setting, in the first of those that systemd gives, for those that keep state."""
    settings = configuration.load(flags, environment)
    for keeps in (True, False):
        parts = Parts(Host(), settings, Surroundings(unheard, {}, keeps_state=keeps))
        assert kept_path(parts, "x.json") == (f"{folder}/x.json" if keeps else None)


def test_where_nothing_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the setting it is the usual folder of root, or of the user."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_directory("") in ("/var/lib/nodescope", f"{tmp_path}/nodescope")


def as_another(environment: dict[str, str]) -> tuple[str, list[str]]:
    """What a user other than root is told: folder and files, and the lines of the log."""
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", AS_ANOTHER], env={**path, **environment}, capture_output=True, text=True, timeout=30
    )
    return done.stdout.strip(), done.stderr.splitlines()


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"HOME": "/home/x", "XDG_STATE_HOME": "/s"}, "/s/nodescope"),
        ({"HOME": "/home/x"}, "/home/x/.local/state/nodescope"),
        ({"HOME": "/home/x", "XDG_STATE_HOME": "s"}, "/home/x/.local/state/nodescope"),
    ],
)
def test_the_usual_folder_of_a_user(environment: dict[str, str], folder: str) -> None:
    """It is XDG_STATE_HOME's, which is ignored where it is relative, or the home directory's."""
    assert as_another(environment) == (f"{folder} {folder}/x.json {folder}/y.json", [])


@pytest.mark.parametrize("environment", [{}, {"XDG_STATE_HOME": "s"}, {"HOME": "home"}, {"HOME": "~"}])
def test_a_user_without_a_home_keeps_nothing(environment: dict[str, str]) -> None:
    """Nothing is kept in a folder of the working directory, which is said once, with the setting that helps."""
    if os.geteuid() != 0 and "HOME" not in environment:
        pytest.skip("only root can become a user of whom passwd says nothing")
    said, lines = as_another(environment)
    assert said == "None None None"
    assert len(lines) == 1
    assert "set state.directory" in lines[0]
