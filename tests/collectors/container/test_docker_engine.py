"""dockerd's process: what it uses, where it is not, and what is not its."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodescope.collectors.container.docker_engine import EngineProcess, Usage, parse_usage
from nodescope.host import Host, Malformed

PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
TICKS: Final = os.sysconf("SC_CLK_TCK")
STAT: Final = "{0} (dockerd) S 1 {0} {0} 0 -1 4194304 9 0 0 0 {1} {2} 0 0 20 0 14 0 {3} 2119036928 {4} 1 2 3\n"
GIB: Final = 2**30


def write_engine(root: Path, pid: int = 77, user: int = 5, system: int = 7, start: int = 900, pages: int = 256) -> None:
    """A host with dockerd, procfs and all in one folder."""
    for folder in ("run", str(pid)):
        (root / folder).mkdir(exist_ok=True)
    (root / "run/docker.pid").write_text(f"{pid}")
    (root / f"{pid}/comm").write_text("dockerd\n")
    (root / f"{pid}/stat").write_text(STAT.format(pid, user, system, start, pages))


def engine_of(root: Path, times: list[float]) -> EngineProcess:
    return EngineProcess(Host(str(root), rootfs=str(root)), lambda: times.pop(0))


def test_what_it_uses(tmp_path: Path) -> None:
    """Memory and its share of the host's at once; CPU from the second read of the same process on."""
    engine = engine_of(tmp_path, [10.0, 12.0, 14.0])
    write_engine(tmp_path)
    first = engine.read(GIB)
    assert first is not None
    assert (first.cpu_percent, first.memory_bytes) == (None, 256 * PAGE_BYTES)
    assert first.memory_percent == 100 * 256 * PAGE_BYTES / GIB
    write_engine(tmp_path, user=5 + TICKS, system=7 + TICKS // 2)
    second = engine.read(None)
    assert second is not None
    assert (second.cpu_percent, second.memory_percent) == (75.0, None)
    write_engine(tmp_path, start=901)
    again = engine.read(None)
    assert again is not None
    assert again.cpu_percent is None


@pytest.mark.parametrize(
    ("path", "content"),
    [("run/docker.pid", None), ("run/docker.pid", "x"), ("77/comm", "sleep\n"), ("77/stat", None), ("77/stat", "odd")],
)
def test_where_it_is_not(tmp_path: Path, path: str, content: str | None) -> None:
    """Without its file, with another process under its pid, or with files of another form there is nothing to tell."""
    write_engine(tmp_path)
    (tmp_path / path).unlink()
    if content is not None:
        (tmp_path / path).write_text(content)
    assert engine_of(tmp_path, [1.0]).read(GIB) is None


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    """Whatever the file holds is numbers or refused."""
    try:
        usage = parse_usage(data, "stat")
    except Malformed:
        return
    assert min(usage) >= 0


def test_this_process() -> None:
    """A real kernel's file has them all."""
    path = f"/proc/{os.getpid()}/stat"
    usage = parse_usage(Host().read_once(path), path)
    assert isinstance(usage, Usage)
    assert usage.pages > 0
