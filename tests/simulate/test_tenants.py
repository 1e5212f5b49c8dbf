"""Who the processes on the GPUs of simulated machines belong to."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodescope.containers.cgroup.path import holder_of
from nodescope.simulate import SIMULATIONS
from nodescope.simulate.machine import Machine

START: Final = 86_400.0
HOUR: Final = 3600.0
KINDS: Final = {"docker", "cri-containerd", "slurm", "user"}


@pytest.fixture(params=[name for name in SIMULATIONS if name != "cpu"])
def machine(request: pytest.FixtureRequest) -> Machine:
    return SIMULATIONS[request.param](3)


def owners(machine: Machine, seconds: float) -> dict[str, list[tuple[str, str, str]]]:
    """What is true: of each GPU the partition, the PID and the holder of each process."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for metric, labels, _ in machine.gpu_truths(seconds):
        if metric == "gpu_process_holder":
            gpu = labels.get("uuid") or labels["pci_address"]
            part = labels.get("instance") or labels.get("partition") or ""
            found.setdefault(gpu, []).append((part, labels["pid"], labels["holder"]))
    return found


def kind_and_holder(path: str) -> tuple[str, str]:
    place = holder_of(path)
    if place.container is not None:
        return place.container.runtime or "", place.container.id
    return ("slurm", f"job:{place.slurm_job}") if place.slurm_job else ("user", f"user:{place.uid}")


def test_every_kind_of_tenant(machine: Machine) -> None:
    """Over a few hours there are pods, containers of Docker's, a job and a person; someone's is not all there is."""
    seen: set[str] = set()
    everything: set[str] = set()
    for step in range(24):
        seconds = START + step * HOUR / 4
        files = machine.files(seconds)
        told = owners(machine, seconds)
        everything |= told.keys()
        for pid, holder in ((pid, holder) for processes in told.values() for _, pid, holder in processes):
            path = files[f"proc/{pid}/cgroup"].decode().removeprefix("0::").rstrip()
            kind, named = kind_and_holder(path)
            seen.add(kind)
            assert named == holder.replace("research", "10001")
            place = holder_of(path).container
            if place is not None:
                assert f"sys/fs/cgroup{place.cgroup}/memory.current" in files
    assert seen == KINDS
    assert len(everything) in (7, 8)


def test_something_is_nobodys() -> None:
    """The last GPU has no process, or, in parts, its last instance has none."""
    whole, parts = SIMULATIONS["h200x8"](3), SIMULATIONS["h200x8-mig"](3)
    assert whole.gpus is not None
    for gpu in whole.gpus.gpus[-1:]:
        assert all(gpu.board.uuid not in owners(whole, START + step * 600.0) for step in range(40))
    used = {part for processes in owners(parts, START).values() for part, _, _ in processes}
    assert len(used) == 55


def test_holders_come_and_go_with_jobs() -> None:
    """A container, and a scheduler's job, that comes with a GPU's jobs is another one each time; the pod stays."""
    machine = SIMULATIONS["h200x8"](3)
    held: dict[str, set[str]] = {}
    for step in range(0, 6 * 3600, 60):
        for processes in owners(machine, START + step).values():
            for _, pid, holder in processes:
                held.setdefault(pid, set()).add(holder)
    assert len(held["20000"]) == 1
    assert len(held["20400"]) > 2
    assert held["20400"] == held["20500"]
    assert len(held["20600"]) > 2


@settings(max_examples=20)
@given(seed=st.integers(0, 2**64), times=st.lists(st.floats(0.0, 1e7), min_size=2, max_size=4))
def test_a_containers_counters_never_go_back(seed: int, times: list[float]) -> None:
    """While a cgroup is there its CPU time grows, and is never below 0; a process has started before now."""
    machine = SIMULATIONS["h200x8"](seed)
    for before, after in pairwise(machine.files(seconds) for seconds in sorted(times)):
        for path in before.keys() & after.keys():
            if path.endswith("/cpu.stat"):
                counts = [int(files[path].split()[1]) for files in (before, after)]
                assert 0 <= counts[0] <= counts[1]
    files = machine.files(max(times))
    for path, said in files.items():
        if re.fullmatch("proc/2[0-9]{4}/stat", path):
            assert int(said.split()[21]) / 100 <= max(times)
