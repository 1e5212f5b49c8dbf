"""A simulation from start to stop."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodescope.host import Host
from nodescope.sampling import SnapshotCollector
from nodescope.simulate import SIMULATIONS, START_SECONDS, UPDATE_S, Simulation
from nodescope.simulate.tree import Roots
from nodescope.simulate.truth import Truth
from tests.simulate.exposition import exposition
from tests.simulate.measured import DEFAULT, NOT_THERE, NOTHING_TO_SHOW, ON_REQUEST, built, differing, is_absent, shown

DEADLINE_S = 30.0
NOT_SIMULATED = {
    # The kernel's clock and name are those of the machine that runs the test.
    "node_time_seconds",
    "node_time_zone_offset_seconds",
    "node_uname_info",
    # The collector textfile says that of itself.
    "node_textfile_scrape_error",
    # Sizes are those of where the tree lies.
    "node_filesystem_size_bytes",
    "node_filesystem_free_bytes",
    "node_filesystem_avail_bytes",
    "node_filesystem_files",
    "node_filesystem_files_free",
    "node_filesystem_purgeable_bytes",
}


@pytest.fixture
def simulation() -> Iterator[Callable[..., Simulation]]:
    """simulation(seed=1, speed=0.0, truth_file=None): stopped after the test."""
    made: list[Simulation] = []

    def make(seed: int = 1, speed: float = 0.0, truth_file: str | None = None) -> Simulation:
        made.append(Simulation("cpu", seed, speed, truth_file))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def leftovers() -> set[str]:
    """Directories and threads of this process' simulations."""
    parents = {"/dev/shm", tempfile.gettempdir()}
    trees = {str(path) for parent in parents for path in Path(parent).glob(f"nodescope-simulate-{os.getpid()}-*")}
    return trees | {thread.name for thread in threading.enumerate() if thread.name == "simulate"}


def content(roots: Roots) -> dict[str, bytes]:
    """Of all files, and where links lead."""
    root = Path(roots.rootfs)
    files = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    links = {path: os.readlink(path).encode() for path in root.rglob("*") if path.is_symlink()}
    return {str(path.relative_to(root)): data for path, data in (files | links).items()}


def wait_until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_unknown_name() -> None:
    """A simulation that there is not is refused, naming those that there are."""
    with pytest.raises(
        ValueError, match=r"^simulate: expected one of cpu, h200x8, h200x8-mig, mi300x8, mi300x8-cpx, got 'gpu'$"
    ):
        Simulation("gpu", 1)


def test_negative_speed() -> None:
    """A speed below 0 is refused."""
    with pytest.raises(ValueError, match="speed of the virtual clock"):
        Simulation("cpu", 1, -1.0)


def test_the_tree_is_private(simulation: Callable[..., Simulation]) -> None:
    """The directory that holds the tree is its owner's alone."""
    directory = Path(simulation().prepare().rootfs).parent
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert directory.stat().st_uid == os.getuid()


def test_the_tree_is_the_machine(simulation: Callable[..., Simulation]) -> None:
    """The tree holds the machine's files of the time that step returns, and follows each step."""
    sim = simulation(seed=9)
    roots = sim.prepare()
    files = {path: data for path, data in sim.machine.files(START_SECONDS).items() if not path.endswith("/")}
    assert content(roots) == files
    assert sim.step(100.5) == START_SECONDS + 100.5
    assert content(roots)["proc/stat"] == sim.machine.files(START_SECONDS + 100.5)["proc/stat"] != files["proc/stat"]


@settings(max_examples=10)
@given(seed=st.integers(), steps=st.lists(st.floats(0.0, 1e6), max_size=5))
def test_reproducible(seed: int, steps: list[float]) -> None:
    """Two simulations of one seed that take the same steps have the same bytes."""
    contents = []
    for _ in range(2):
        simulation = Simulation("cpu", seed, 0.0)
        try:
            roots = simulation.prepare()
            for seconds in steps:
                simulation.step(seconds)
            contents.append(content(roots))
        finally:
            simulation.stop()
    assert contents[0] == contents[1]


def test_without_shared_memory(tmp_path: Path) -> None:
    """Where shared memory cannot be written, the tree lies in the default temporary directory, as private."""
    sim = Simulation("cpu", 1, 0.0, shared_memory=str(tmp_path / "nowhere"))
    try:
        directory = Path(sim.prepare().rootfs).parent
        assert directory.parent == Path(tempfile.gettempdir())
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    finally:
        sim.stop()
    assert not directory.exists()


def test_nothing_is_left_behind(simulation: Callable[..., Simulation], tmp_path: Path) -> None:
    """After stop there is neither thread nor directory; stop again does nothing, and start begins anew."""
    before = leftovers()
    sim = simulation(speed=1.0, truth_file=str(tmp_path / "truth.jsonl"))
    for _ in range(3):
        roots = sim.start()
        assert sim.start() == roots
        assert "simulate" in leftovers()
        assert sum("nodescope-simulate-" in name for name in leftovers() - before) == 1
        sim.stop()
        sim.stop()
        assert leftovers() == before


def test_stop_before_start(simulation: Callable[..., Simulation]) -> None:
    """Stopping what was never started does nothing; stepping it says what is missing."""
    sim = simulation()
    sim.stop()
    with pytest.raises(RuntimeError, match="is stepped after start"):
        sim.step(1.0)


def test_a_truth_file_that_cannot_be(simulation: Callable[..., Simulation], tmp_path: Path) -> None:
    """Where the truth file cannot be opened, start raises and leaves nothing behind."""
    before = leftovers()
    sim = simulation(truth_file=str(tmp_path / "nowhere/truth.jsonl"))
    with pytest.raises(FileNotFoundError, match=r"nowhere/truth\.jsonl"):
        sim.start()
    assert leftovers() == before


def test_truth_file(simulation: Callable[..., Simulation], tmp_path: Path) -> None:
    """The truth file's lines of a moment are what the tree says at that moment."""
    path = tmp_path / "truth.jsonl"
    sim = simulation(seed=3, truth_file=str(path))
    roots = sim.prepare()
    for seconds in (0.0, 0.5, 7_200.0):
        now = sim.step(seconds)
        truths = [msgspec.json.decode(line, type=Truth) for line in path.read_bytes().splitlines()]
        newest = [truth for truth in truths if truth.virtual_seconds == now]
        found = {(truth.metric, frozenset(truth.labels.items())): truth.value for truth in newest}
        said = exposition(Path(roots.rootfs))
        assert differing({key: value for key, value in found.items() if key in said}, said) == {}


def test_the_thread_follows_time(simulation: Callable[..., Simulation]) -> None:
    """Once started, the tree changes by itself, and its counters go forward."""
    sim = simulation(speed=1000.0)
    roots = sim.start()
    host = Host(*roots)

    def switches() -> int:
        lines = host.read(host.proc("stat")).splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(b"ctxt "))

    first = switches()
    assert wait_until(lambda: switches() > first)
    second = switches()
    assert wait_until(lambda: switches() > second)


def test_a_tree_that_vanishes(simulation: Callable[..., Simulation], caplog: pytest.LogCaptureFixture) -> None:
    """While the tree cannot be written the thread goes on, with one warning; once it can be, it follows time again."""
    sim = simulation(speed=1000.0)
    directory = Path(sim.start().rootfs).parent
    gone = directory.with_name(f"{directory.name}-gone")
    directory.rename(gone)
    try:
        assert wait_until(lambda: "the tree cannot be written" in caplog.text)
        time.sleep(2.5 * UPDATE_S)
    finally:
        gone.rename(directory)
    assert len(caplog.records) == 1
    before = (directory / "root/proc/stat").read_bytes()
    assert wait_until(lambda: (directory / "root/proc/stat").read_bytes() != before)


def test_a_tree_that_never_comes_back(simulation: Callable[..., Simulation]) -> None:
    """A simulation whose tree was removed says so when stepped, and stops like any other."""
    sim = simulation()
    shutil.rmtree(Path(sim.prepare().rootfs).parent)
    with pytest.raises(FileNotFoundError):
        sim.step(1.0)
    sim.stop()


@pytest.mark.parametrize("name", sorted(SIMULATIONS))
def test_every_collector_measures_it(name: str) -> None:
    """Every default collector finds its files, but of hardware that is not there, and what it shows is the truth."""
    simulation = Simulation(name, 6, 0.0)
    try:
        roots = simulation.prepare()
        now = simulation.step(4321.0)
        made = built(roots, DEFAULT)
        loops = [collector.loop for collector in made.values() if isinstance(collector, SnapshotCollector)]
        for loop in loops:
            loop.start()
        # A scrape waits only a little for the first sample of its life.
        assert wait_until(lambda: all(loop.snapshot for loop in loops))
        not_there = NOT_THERE - {"infiniband"} if name.startswith("mi300x") else NOT_THERE
        assert {each for each, collector in made.items() if is_absent(collector)} == not_there
        found = {each: collector.collect() for each, collector in made.items() if each not in not_there}
        rows = simulation.machine.truths(now)
        truths = {(metric, frozenset(labels.items())): value for metric, labels, value in rows}
    finally:
        simulation.stop()
    for loop in loops:
        loop.stop()
    assert {each for each, families in found.items() if not families} == NOTHING_TO_SHOW
    assert {each for each, collector in made.items() if collector.left_out} == set()
    rows_shown = shown(roots, (family for families in found.values() for family in families))
    assert differing({key: value for key, value in rows_shown.items() if key in truths}, truths) == {}
    others = {metric for metric, _ in rows_shown.keys() - truths.keys()}
    assert {metric for metric in others if not metric.startswith("node_timex_")} <= NOT_SIMULATED


def test_collectors_that_are_off_by_default(simulation: Callable[..., Simulation]) -> None:
    """Those that have files here understand all of them."""
    for name, collector in built(simulation().prepare(), ON_REQUEST).items():
        assert collector.collect(), name
        assert collector.left_out == 0, name
