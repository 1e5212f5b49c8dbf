"""msgspec without what nodescope does not use of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.serving import own_environment

UNUSED = ("typing_extensions", "inspect", "uuid", "decimal", "datetime", "msgspec.inspect", "msgspec._json_schema")

PROGRAM = f"""
import sys
import nodescope.__main__
import msgspec
print([name for name in {UNUSED} if name in sys.modules])
class Point(msgspec.Struct, frozen=True):
    x: int
    y: float | None = None
print(msgspec.json.decode(b'{{"x": 1}}', type=Point))
"""

SCHEMA = """
import nodescope.__main__
import msgspec, msgspec.inspect
class Point(msgspec.Struct, frozen=True):
    x: int
(schema,), components = msgspec.json.schema_components([Point])
print(msgspec.json.schema(Point)["$ref"], schema["$ref"], components["Point"]["required"])
print(type(msgspec.inspect.type_info(Point)).__name__)
"""

TIMES = """
import nodescope.__main__
import datetime, decimal, uuid
import msgspec
print(msgspec.json.decode(b'"2026-01-01T00:00:00Z"', type=datetime.datetime) - datetime.timedelta(seconds=1))
print(decimal.Decimal("1.5"), uuid.UUID(int=1).int)
"""

NEWER = {
    "__init__.py": "from uuid import NAMESPACE_DNS\nfrom . import json\n",
    "json.py": "from decimal import getcontext\nknown = True\n",
}


def said(program: str, *paths: Path) -> list[str]:
    """The lines that a Python prints that imports from `paths` first."""
    lines = "".join(f"sys.path.insert(0, {str(path)!r})\n" for path in paths)
    command = [sys.executable, "-c", f"import sys\n{lines}{program}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=own_environment())
    return done.stdout.splitlines()


def test_msgspec_works_without_what_it_does_not_need() -> None:
    """The command imports none of what is not used, and structs decode all the same."""
    assert said(PROGRAM) == ["[]", "Point(x=1, y=None)"]


def test_schemas_are_there_when_asked_for() -> None:
    """What makes the schema of a type is loaded by the first call of it."""
    assert said(SCHEMA) == [
        "#/$defs/Point #/$defs/Point ['x']".replace("$defs/Point ['", "$defs/Point ['"),
        "StructType",
    ]


def test_others_get_the_real_modules() -> None:
    """Whoever imports what was stood in for gets all of it, and msgspec knows the real times."""
    assert said(TIMES) == ["2025-12-31 23:59:59+00:00", "1.5 1"]


def test_a_msgspec_that_needs_more(tmp_path: Path) -> None:
    """One that takes from these modules what the stand-ins have not is imported as it is."""
    package = tmp_path / "msgspec"
    package.mkdir()
    for name, source in NEWER.items():
        (package / name).write_text(source)
    program = "import nodescope._msgspec\nimport msgspec\nprint(msgspec.__file__, msgspec.json.known)"
    assert said(program, tmp_path) == [f"{package}/__init__.py True"]
