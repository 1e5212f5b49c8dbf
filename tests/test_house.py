"""The house rules that a machine can keep: directions of imports, sizes, names, docs, the wheel."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import zipfile
from collections.abc import Collection, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

import pytest

from nodescope import collectors
from tools import generate_docs

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = ROOT / "src/nodescope"
MAX_FILE_LINES: Final = 350
MAX_FUNCTION_LINES: Final = 60

# Room -> what it may import: rooms, or single modules in them. agent alone may import every room; nothing imports cli.
ALLOWED: Final = {
    "__init__": "",
    "__main__": "_interrupt _msgspec cli",
    "_interrupt": "",
    "_msgspec": "",
    "api": "health records",
    "answers": "api configuration devices.nvidia.pause events listening measurement metric runner scraping "
    "self_metrics settings status web",
    "cli": "agent command configuration devices.nvidia garbage health host listening logs malloc measurement records "
    "roles runner settings simulated status systemd threads web.web_config",
    "collector": "metric",
    "collectors": "collector containers devices exposition.number health host kernel metric ownership profiles records "
    "sampler sampling settings",
    "command": "",
    "configuration": "settings",
    "containers": "_msgspec command host kernel malloc records threads",
    "devices": "_msgspec command host kernel malloc records threads",
    "events": "",
    "exposition": "host metric",
    "health": "devices.nvidia.throttle devices.nvidia.xid.catalog records",
    "host": "kernel.descriptors kernel.file",
    "kernel": "host threads",
    "listening": "kernel.descriptors roles settings systemd threads web",
    "logs": "",
    "garbage": "",
    "malloc": "",
    "measurement": "collector collectors host metric roles runner sampling scraping self_metrics settings",
    "metric": "",
    "node": "api collectors measurement records sampler",
    "ownership": "containers.cgroup containers.kubelet.gpu_resources host records",
    "profiles": "metric records",
    "records": "",
    "roles": "settings",
    "runner": "collector host metric threads",
    "sampler": "",
    "sampling": "host metric profiles records sampler threads",
    "scraping": "exposition metric runner",
    "self_metrics": "metric runner",
    "settings": "",
    "simulate": "_msgspec devices.amd devices.nvidia.frame host records settings",
    "simulated": "collectors.parts settings simulate",
    "status": "runner",
    "systemd": "",
    "threads": "",
    "web": "threads",
}
FORBIDDEN_NAMES: Final = frozenset({"base", "helper", "helpers", "manager", "util", "utils"})
UNFINISHED: Final = re.compile(r"\b(TO[D]O|FIX[M]E|XX[X])\b")


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def where(path: Path, node: ast.stmt | None = None) -> str:
    return f"{path.relative_to(ROOT)}" + (f":{node.lineno}" if node else "")


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Modules of nodescope that a file imports, anywhere in it, without the leading `nodescope.`."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{where(path)}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            if name.startswith("nodescope.") and name != "nodescope.__version__":
                yield name.removeprefix("nodescope."), getattr(node, "lineno", 0)


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def longest(name: str, files: Collection[str]) -> str:
    """The module that an imported name is, or is in; empty for the package itself."""
    while name and name not in files:
        name = name.rpartition(".")[0]
    return name


def test_imports_run_one_way() -> None:
    """A room imports only what its row of the table allows; agent may import every room but cli."""
    wrong = []
    for path in python_files("src/nodescope"):
        room = room_of(path)
        assert room == "agent" or room in ALLOWED, f"{room} is a new room: give it a row in ALLOWED"
        allowed = [other for other in ALLOWED if other not in ("cli", "__main__")] if room == "agent" else []
        allowed += [room, *ALLOWED.get(room, "").split()]
        wrong += [
            f"{where(path)}:{line} imports {name}"
            for name, line in imported(path)
            if not any(f"{name}.".startswith(f"{prefix}.") for prefix in allowed)
        ]
    assert wrong == []


def test_no_circle_of_imports() -> None:
    """No file imports another that, over however many, imports it, not for its types either."""
    files = {module_of(path): path for path in python_files("src/nodescope")}
    graph = {
        name: {found for imports, _ in imported(path) if (found := longest(imports, files)) and found != name}
        for name, path in files.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_the_table_of_imports_is_current() -> None:
    """The table names no room that is gone, and allows nothing that it does not name."""
    rooms = {path.stem if path.is_file() else path.name for path in PACKAGE.iterdir()}
    named = {word.split(".")[0] for allowed in ALLOWED.values() for word in allowed.split()}
    assert (set(ALLOWED) | named) - {"agent"} <= rooms


def test_files_are_short() -> None:
    """No Python file has more than 350 lines."""
    lengths = {where(path): len(path.read_text().splitlines()) for path in python_files("src", "tests", "tools")}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_functions_are_short() -> None:
    """No function has more than 60 lines."""
    long = [
        f"{where(path, node)} {node.name}"
        for path in python_files("src", "tests", "tools")
        for node in functions(path)
        if (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_names_say_what_a_thing_is() -> None:
    """No folder, file or class is called utils, helpers, manager or base."""
    wrong = []
    for path in python_files("src", "tests", "tools"):
        names = [(part, path) for part in path.relative_to(ROOT).with_suffix("").parts]
        tree = ast.parse(path.read_bytes())
        names += [(node.name, path) for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        wrong += [f"{where(at)}: {name}" for name, at in names if FORBIDDEN_NAMES & words(name)]
    assert wrong == []


def words(name: str) -> set[str]:
    """snake_case and CamelCase -> words in lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def test_nothing_is_left_unfinished() -> None:
    """No file holds a note that something is still to be done."""
    files = [*python_files("src", "tests", "tools"), *(ROOT / "docs").rglob("*.md"), ROOT / "Makefile"]
    assert [where(path) for path in files if UNFINISHED.search(path.read_text())] == []


def test_modules_have_docstrings() -> None:
    """Every module that holds anything says in a docstring what it is."""
    files = [path for path in python_files("src", "tools") if path.stat().st_size]
    assert [where(path) for path in files if not ast.get_docstring(ast.parse(path.read_bytes()))] == []


def test_every_test_states_its_expectation() -> None:
    """Every test has a docstring."""
    missing = [
        f"{where(path, node)} {node.name}"
        for path in python_files("tests")
        for node in functions(path)
        if node.name.startswith("test_") and not ast.get_docstring(node)
    ]
    assert missing == []


def test_every_collector_has_a_test_file() -> None:
    """For each line of the table of collectors there is a tests/collectors/.../test_NAME.py."""
    files = {path.stem for path in python_files("tests/collectors")}
    assert [entry.name for entry in collectors.TABLE if f"test_{entry.name}" not in files] == []


def test_generated_pages_are_current() -> None:
    """Every setting, metric and route is in its page: docs/ holds what `make docs` would write."""
    assert generate_docs.differences() == []


def test_wheel_holds_the_package_alone(tmp_path: Path) -> None:
    """The wheel has the files of src/nodescope and its metadata, and nothing else."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed: the wheel cannot be built here (make test installs it)")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = {path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert names == {path.relative_to(PACKAGE.parent).as_posix() for path in files}
