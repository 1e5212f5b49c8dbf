"""The sampler of containers with a filter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nodescope.collectors.container.source import ContainerSampler
from nodescope.records.container import Container, ContainerUse
from nodescope.records.container_choice import ContainersLeftOut
from tests.collectors.container.sampled import of, sampled
from tests.collectors.container.test_source import cgroup, parts, root
from tests.containers.engine.fake_engine import FakeEngine

__all__ = ["root"]


def test_a_filter(root: Path, sampler: Any) -> None:
    """Those that the filter leaves out are in no record and no event, and are counted."""
    heard: list[tuple[str, str]] = []
    with FakeEngine(root / "run/docker.sock") as engine:
        trains, web = engine.create(1, "train", Env=["NVIDIA_VISIBLE_DEVICES=0,hunter2"]), engine.create(2, "web")
        for one in (trains, web):
            engine.start(one)
            cgroup(root, one)
        made = sampler(
            parts(root, heard, **{"collector.container.show": "gpu", "collector.container.interval": "0.5s"})
        )
        left_out = ContainersLeftOut(containers=1, events=0)
        records = sampled(made, lambda all_: left_out in all_ and bool(of(all_, ContainerUse)))
        assert [one.name for one in of(records, Container)] == ["train"]
        assert {one.id for one in of(records, ContainerUse)} == {trains}
        assert "hunter2" not in repr(records)
        engine.die(web, 1)
        engine.die(trains, 1)
        sampled(made, lambda all_: of(all_, ContainersLeftOut)[0].events == 1)
    assert ("container.exited", trains) in heard
    assert web not in {id_ for _, id_ in heard}


def test_a_filter_by_labels_that_are_not_shown(root: Path, sampler: Any) -> None:
    """A label that is looked at and not allowed is in no record."""
    with FakeEngine(root / "run/docker.sock") as engine:
        engine.start(engine.create(1, "a", Labels={"secret.name": "hunter2", "team": "x"}))
        engine.start(engine.create(2, "b", Labels={"team": "x"}))
        given = {"collector.container.label-include": "secret.name=^hunter", "collector.container.labels": "team"}
        made = sampler(parts(root, [], **given))
        records = sampled(made, lambda all_: bool(of(all_, Container)))
    assert [(one.name, one.labels) for one in of(records, Container)] == [("a", {"team": "x"})]
    assert "hunter2" not in repr(records)
    assert isinstance(made.sampler, ContainerSampler)
