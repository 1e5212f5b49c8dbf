"""Users and Slurm jobs of containers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nodescope.collectors.container.owning import with_owners
from nodescope.containers.cgroup.path import ContainerPath
from nodescope.records.container import Container
from tests.collectors.container.sampled import of, sampled
from tests.collectors.container.test_source import parts, root
from tests.containers.engine.fake_engine import FakeEngine

__all__ = ["root"]

ID = "c" * 64
USERS = {1000: "ada"}


def owned(cgroup: str | None, found: str | None = None, **more: Any) -> tuple[str | None, str | None]:
    container = Container(runtime="podman", id=ID, name="train", cgroup=cgroup, **more)
    paths = {ID: ContainerPath("podman", ID, cgroup=found)} if found else {}
    (told,) = with_owners([container], paths, USERS.get)
    return told.user, told.slurm_job


@pytest.mark.parametrize(
    ("cgroup", "expected"),
    [
        (f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope", ("ada", None)),
        (f"/system.slice/slurmstepd.scope/job_42/step_0/user/task_0/docker/{ID}", (None, "42")),
        (f"/slurm/uid_1000/job_42/step_0/{ID}", ("ada", "42")),
        (f"/system.slice/docker-{ID}.scope", (None, None)),
        (None, (None, None)),
    ],
)
def test_by_the_cgroup(cgroup: str | None, expected: tuple[str | None, str | None]) -> None:
    """A user's slice and a job's cgroup tell whose a container in them is, told by a runtime or found."""
    assert owned(cgroup) == owned(None, cgroup) == expected


def test_the_cgroup_goes_before_the_label() -> None:
    """What a label says holds only where no slice tells, and where its user has no name."""
    slice_ = f"/user.slice/user-1000.slice/libpod-{ID}.scope"
    assert owned(slice_, user="bob") == ("ada", None)
    assert owned(slice_.replace("1000", "7"), user="bob") == ("bob", None)
    assert owned(f"/system.slice/docker-{ID}.scope", user="bob") == ("bob", None)


def test_whose_engine_it_is() -> None:
    """What no slice tells of, the user has whose engine tells of it; of what is in another's slice it tells nothing."""
    assert owned(None, engine_uid=1000) == owned(f"/docker/{ID}", engine_uid=1000) == ("ada", None)
    slice_ = f"/user.slice/user-1000.slice/docker-{ID}.scope"
    assert owned(slice_, engine_uid=1000) == ("ada", None)
    forged = Container(runtime="docker", id=ID, name="mine", engine_uid=7)
    assert list(with_owners([forged], {ID: ContainerPath("docker", ID, cgroup=slice_)}, USERS.get)) == []


def test_in_a_sample(root: Path, sampler: Any) -> None:
    """The user of a label is the container's, and the label itself is in no record."""
    with FakeEngine(root / "run/docker.sock") as engine:
        engine.start(engine.create(1, "a", Labels={"ds01.user": "ada", "ds01.project": "hunter2"}))
        records = sampled(sampler(parts(root, [])), lambda all_: bool(of(all_, Container)))
    assert [(one.user, one.labels) for one in of(records, Container)] == [("ada", {})]
    assert "hunter2" not in repr(records)
