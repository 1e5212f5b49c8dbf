"""Whole machines in software, which are measured through `Host` like real ones.

A simulation is a machine (`machine.py`), a virtual clock, a tree of files that follows both, and, on request, a file
that says what is true. The readings of its GPUs are in no file: a child process tells them (`gpu_child.py`).
"""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from itertools import chain
from typing import Final, Protocol

from nodescope import _msgspec  # noqa: F401 before msgspec, which is smaller then
from nodescope.simulate.clock import VirtualClock
from nodescope.simulate.directory import Directory, remove_abandoned
from nodescope.simulate.machine import (
    START_SECONDS,
    Machine,
    cpu_machine,
    h200_machine,
    h200_mig_machine,
    mi300x_cpx_machine,
    mi300x_machine,
)
from nodescope.simulate.tree import Roots, Tree
from nodescope.simulate.truth import TruthFile

__all__ = ["SIMULATIONS", "START_SECONDS", "UPDATE_S", "Simulation"]


class Build(Protocol):
    """Makes a machine. Raises `ValueError` where it cannot have such faults."""

    def __call__(self, seed: int, faults: str = "") -> Machine: ...


SIMULATIONS: Final[dict[str, Build]] = {
    "cpu": cpu_machine,
    "h200x8": h200_machine,
    "h200x8-mig": h200_mig_machine,
    "mi300x8": mi300x_machine,
    "mi300x8-cpx": mi300x_cpx_machine,
}
"""Name -> the machine for a seed."""

PARTITIONED: Final = frozenset({"h200x8-mig"})

UPDATE_S: Final = 0.5
STOP_S: Final = 1.0

SHARED_MEMORY: Final = "/dev/shm"

log = logging.getLogger(__name__)


class Simulation:
    """The machine `name`, from its first file to its last.

    The same seed gives the same bytes at the same virtual time, at any `speed` (virtual seconds in a real one; 0 for
    a machine that only `step` moves). `truth_file`: where to say what is true, a moment before the files say it.
    `shared_memory`: where the tree is put if that can be written, else it goes to the default temporary directory.
    `faults`: what is to go wrong, see `faults.py`.
    Raises `ValueError` where there is no such simulation, `speed` is negative or there can be no such faults.
    """

    def __init__(
        self,
        name: str,
        seed: int,
        speed: float = 1.0,
        truth_file: str | None = None,
        shared_memory: str = SHARED_MEMORY,
        faults: str = "",
    ) -> None:
        if name not in SIMULATIONS:
            raise ValueError(f"simulate: expected one of {', '.join(SIMULATIONS)}, got {name!r}")
        self.machine = SIMULATIONS[name](seed, faults)
        self._gpus: dict[str, object] = {"seed": seed, "faults": faults, "partitioned": name in PARTITIONED}
        self._clock = VirtualClock(START_SECONDS, speed)
        self._speed = speed
        self._truth_path = truth_file
        self._shared_memory = shared_memory
        self._truth: TruthFile | None = None
        self._directory: Directory | None = None
        self._tree: Tree | None = None
        self._updating = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed = False

    def start(self) -> Roots:
        """The first tree, and a daemon thread that updates it each `UPDATE_S`. Raises what `prepare` raises."""
        roots = self.prepare()
        if self._thread is None:
            # An event of its own: a thread that was left behind must not come back to life.
            self._stopping = threading.Event()
            self._thread = threading.Thread(target=self._run, args=(self._stopping,), name="simulate", daemon=True)
            self._thread.start()
        return roots

    def prepare(self) -> Roots:
        """The first tree, in a private directory; virtual time begins. For tests, which then use `step`.

        Raises `OSError` where neither memory nor the default temporary directory takes the tree, or the truth file
        cannot be opened.
        """
        if self._tree is None:
            if self._truth_path:
                self._truth = TruthFile(self._truth_path)
            self._clock = VirtualClock(START_SECONDS, self._speed)
            try:
                self._tree = self._first_tree()
                self.step(0.0)
            except OSError:
                self.stop()
                raise
        return self._tree.roots

    def step(self, virtual_seconds: float) -> float:
        """Jump ahead by so many virtual seconds, and update the tree; the virtual time it shows now.

        Raises `RuntimeError` where the simulation is not prepared, `OSError` where the tree cannot be written.
        """
        with self._updating:
            tree, truth = self._tree, self._truth
            if tree is None:
                raise RuntimeError("a simulation is stepped after start() or prepare(), and before stop()")
            self._clock.step(virtual_seconds)
            now = self._clock.now()
            if truth is not None:
                truth.write(now, chain(self.machine.truths(now), self.machine.gpu_truths(now)))
            tree.update(self.machine.files(now))
            return now

    def gpu_options(self) -> dict[str, object] | None:
        """What `gpu_child.py` needs to tell of the same GPUs at the same virtual time, under "simulate".

        None: the machine has no GPUs. Good until the simulation is stepped or starts again, and for any number of
        children. Raises `RuntimeError` where it is not prepared.
        """
        if self._tree is None:
            raise RuntimeError("the GPUs of a simulation can be read after start() or prepare(), and before stop()")
        if self.machine.gpus is None:
            return None
        clock = {"virtual_seconds": self._clock.now(), "monotonic_seconds": time.monotonic(), "speed": self._speed}
        return {**self._gpus, "start_seconds": START_SECONDS, **clock}

    def stop(self) -> None:
        """End the thread and remove the tree. Does nothing where there is none."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_S)
            if self._thread.is_alive():
                log.warning("simulate: the thread that writes the tree does not end; it is left behind")
            self._thread = None
        if self._truth is not None:
            self._truth.close()
            self._truth = None
        if self._directory is not None:
            self._directory.remove()
            self._directory = self._tree = None

    def _first_tree(self) -> Tree:
        """In memory where that can be had, for the tree is rewritten twice a second."""
        files = self.machine.files(START_SECONDS)
        try:
            return self._tree_in(self._shared_memory, files)
        except OSError as error:
            log.debug("simulate: no tree in %s: %s", self._shared_memory, error)
        return self._tree_in(tempfile.gettempdir(), files)

    def _tree_in(self, parent: str, files: dict[str, bytes]) -> Tree:
        """Leaves nothing behind where it cannot be written; else `stop` removes it, also where a signal came."""
        remove_abandoned(parent)
        self._directory = directory = Directory(parent)
        try:
            directory.make()
            tree = Tree(directory.path)
            tree.update(files)
        except OSError:
            directory.remove()
            raise
        return tree

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(UPDATE_S):
            try:
                self.step(0.0)
            except OSError as error:
                if not self._failed:
                    log.warning("simulate: the tree cannot be written, and stays as it was: %s", error)
                self._failed = True
            else:
                self._failed = False
