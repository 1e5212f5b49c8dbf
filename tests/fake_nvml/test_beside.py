"""The script beside the library."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.fake_nvml import SCRIPT, Script, beside, build

COUNT = """
import sys, pynvml
pynvml.nvmlLib = pynvml.CDLL(sys.argv[1])
pynvml.nvmlInit()
print(pynvml.nvmlDeviceGetCount())
"""


def test_a_clean_environment(builds: Path, tmp_path: Path) -> None:
    """Without FAKE_NVML the file beside the library is the script."""
    copy = beside(build(builds), tmp_path / "driver")
    Script(copy.parent / SCRIPT, count=3).write()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FAKE_NVML")}
    command = [sys.executable, "-c", COUNT, str(copy)]
    environment["LD_LIBRARY_PATH"] = str(copy.parent)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["3"]
