"""The collectors of the kubelet as the agent builds them, for tests."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from nodescope import configuration
from nodescope.collectors.joined import Joined
from nodescope.collectors.kubelet import pods_source, summary_source
from nodescope.collectors.parts import Parts
from nodescope.host import Host
from nodescope.settings import Settings
from nodescope.settings.kubelet import KUBELET_OPTIONS
from tests.containers.kubelet.fake_kubelet import FakeKubelet

SOURCES: Final = (pods_source.__name__, summary_source.__name__)
WAIT_S: Final = 20.0


def settings_with(**given: Any) -> Settings:
    """The defaults, and what is given of the kubelet's options, with underscores for dashes."""
    known = configuration.load({"collector.disable-defaults": "true"}, {})
    defaults = known.replaced({option.key: option.default for option in KUBELET_OPTIONS}, "default")
    values = {f"collector.kubelet.{name.replace('_', '-')}": value for name, value in given.items()}
    return defaults.replaced(values, "flag")


def settings_for(kubelet: FakeKubelet, cluster: Path, **given: Any) -> Settings:
    """Settings by which `kubelet` is asked."""
    address = f"127.0.0.1:{kubelet.port}"
    return settings_with(**{"address": address, "ca_file": str(cluster / "ca.crt"), "token_file": "", **given})


@contextlib.contextmanager
def loops(settings: Settings) -> Iterator[Joined]:
    """Both samplers, with their first samples."""
    parts = Parts(Host(), settings)
    joined = parts.loop(SOURCES)
    assert isinstance(joined, Joined)
    try:
        assert joined.first(time.monotonic() + WAIT_S)
        yield joined
    finally:
        for loop in parts.loops.values():
            loop.stop()
