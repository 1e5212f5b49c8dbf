"""Where collectors keep their state."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodescope import configuration
from nodescope.collectors.kept_state import kept_path, state_directory
from nodescope.collectors.parts import Parts, Surroundings, unheard
from nodescope.host import Host


@pytest.mark.parametrize("keeps", [True, False])
def test_the_path_of_a_file(keeps: bool) -> None:
    """It lies in the folder of the setting, for those that keep state."""
    parts = Parts(
        Host(), configuration.load({"state.directory": "/a:/b"}, {}), Surroundings(unheard, {}, keeps_state=keeps)
    )
    assert kept_path(parts, "x.json") == ("/a/x.json" if keeps else None)


def test_where_nothing_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without the setting it is the usual folder of root, or of the user."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_directory("") in ("/var/lib/nodescope", f"{tmp_path}/nodescope")
