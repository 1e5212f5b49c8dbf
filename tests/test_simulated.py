"""nodescope.simulated: what stands in for this machine, and how it goes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from tools.serving import own_environment

LONG_S: Final = 60
DEAF: Final = """
import signal, time, weakref
from nodescope import configuration
from nodescope.simulated import machine

class Thing:
    pass

with machine(configuration.load({"simulate": "cpu"}, {})):
    thing = Thing()
    reference = weakref.ref(thing, lambda reference: signal.raise_signal(signal.SIGTERM))
    del thing
    time.sleep(30)
"""


def test_a_signal_that_comes_where_no_exception_gets_out() -> None:
    """A command on a simulated machine ends with the signal's code also where Python was in the callback of a weak
    reference, out of which no exception comes; nobody is shown a traceback, and no file is left."""
    process = subprocess.Popen([sys.executable, "-c", DEAF], env=own_environment(), stderr=subprocess.PIPE, text=True)
    try:
        _, told = process.communicate(timeout=LONG_S)
    finally:
        process.kill()
    assert (process.returncode, told) == (143, "")
    assert list(Path("/dev/shm").glob(f"nodescope-simulate-{process.pid}-*")) == []
