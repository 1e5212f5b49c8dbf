"""nodescope under another program's name."""

from __future__ import annotations

import pytest

from nodescope.cli import STAND_INS
from nodescope.cli.stand_in import DCGM_EXPORTER, DEFAULTS, main
from nodescope.configuration import load
from nodescope.settings import BY_KEY


def test_each_name_has_its_defaults() -> None:
    """Every program that nodescope stands in for has defaults, and each is a setting that can be loaded."""
    assert DEFAULTS.keys() | {DCGM_EXPORTER} == STAND_INS
    for defaults in DEFAULTS.values():
        assert defaults.keys() <= BY_KEY.keys()
        settings = load({}, {}, defaults)
        assert {key: settings[key] for key in defaults} == defaults
        assert not any(settings.is_set(key) for key in defaults)


def test_help_says_where_each_listens(capsys: pytest.CaptureFixture[str]) -> None:
    """--help of another program's name has the address that it serves on: every interface."""
    for program, address in (("node_exporter", "(:9100)"), (DCGM_EXPORTER, "(:9400)")):
        with pytest.raises(SystemExit):
            main([program, "--help"])
        assert address in capsys.readouterr().out
