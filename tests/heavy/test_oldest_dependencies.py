"""The oldest versions of the dependencies that pyproject.toml allows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
LIMIT_S: Final = 240
pytestmark = pytest.mark.timeout(3 * LIMIT_S)

REQUIREMENT: Final = re.compile(r"([A-Za-z0-9_-]+)>=([0-9.]+),<[0-9.]+")

IMPORTS: Final = """
import importlib, pkgutil, sys
import nodescope.__main__
for found in pkgutil.walk_packages(nodescope.__path__, "nodescope."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
importlib.import_module("nodescope.devices.nvidia.child.__main__")
import bcrypt, cheroot, msgspec, yaml
print(*(module.__file__ for module in (bcrypt, cheroot, msgspec, yaml)), sep="\\n")
"""


def oldest() -> list[str]:
    """NAME==VERSION of what is needed to run, and of the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    found = [REQUIREMENT.fullmatch(one) for one in wanted]
    assert None not in found, "a requirement that is not NAME>=OLDEST,<NEXT"
    return [f"{one[1]}=={one[2]}" for one in found if one is not None]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the oldest PyYAML has no wheels for Python 3.12 and newer")
@pytest.mark.usefixtures("index")
def test_the_oldest_dependencies_do(tmp_path: Path) -> None:
    """Every file of nodescope can be imported with them, and a scrape is printed."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--target"]
    subprocess.run([*command, str(tmp_path), *oldest()], check=True, timeout=LIMIT_S)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    def said(*arguments: str) -> str:
        whole = [sys.executable, *arguments]
        done = subprocess.run(whole, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert [line for line in said("-c", IMPORTS).splitlines() if not line.startswith(str(tmp_path))] == []
    assert "node_load1 " in said("-m", "nodescope", "metrics", "--collector", "loadavg")
