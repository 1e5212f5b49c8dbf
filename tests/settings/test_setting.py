"""nodescope.settings.setting: the names of a setting."""

from __future__ import annotations

import pytest

from nodescope.configuration import load
from nodescope.settings import TABLE, SettingsError


def test_the_environment_spells_a_setting_as_its_flag_too() -> None:
    """NODESCOPE_COLLECTOR_CPU is --collector.cpu; the name of the key counts more."""
    name = "NODESCOPE_COLLECTOR_CPU"
    settings = load({}, {name: "false"})
    assert settings["collector.cpu.enabled"] is False
    assert (settings.origin("collector.cpu.enabled"), settings.warnings) == (f"environment {name}", ())
    assert load({}, {f"{name}_ENABLED": "true", name: "false"})["collector.cpu.enabled"] is True
    with pytest.raises(SettingsError, match=f"environment {name}: collector.cpu.enabled is '', expected true or false"):
        load({}, {name: ""})


def test_no_two_settings_share_a_name_in_the_environment() -> None:
    """Each name is of one setting."""
    names = [name for setting in TABLE for name in set(setting.environment_names)]
    assert len(names) == len(set(names))
