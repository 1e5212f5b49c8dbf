"""Verdicts on RDMA ports, PCI Express links and NVMe controllers, as a sampler and as metrics."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from nodescope import configuration
from nodescope.collectors.link_health.link_health import build
from nodescope.collectors.link_health.source import SAMPLERS, LinkHealthSampler, LinkPast, loop
from nodescope.collectors.parts import Parts, Surroundings
from nodescope.exposition.text import TextEncoder
from nodescope.health.links import LinkHealthRules
from nodescope.host import Absent, Host
from nodescope.records.nvme import NvmeController
from nodescope.records.rdma import RdmaPort
from nodescope.sampler import Sampler, Snapshot
from nodescope.simulate.rdma_tree import write_rdma


class Published(list[tuple[str, str]]):
    """Kinds and subjects of events."""

    def __call__(self, kind: str, subject: str, attributes: Mapping[str, str]) -> None:
        self.append((kind, subject))


LONG_S = 20.0


def parts(root: Path, published: Published, **flags: str) -> Parts:
    host = Host(f"{root}/proc", f"{root}/sys", str(root))
    return Parts(host, configuration.load(flags, {}), Surroundings(published, {}))


def states(sampler: Sampler) -> dict[str, str]:
    """By subject."""
    return {verdict.subject: verdict.state for verdict in sampler.sample()}


def stop(made: Parts) -> None:
    for each in made.loops.values():
        each.stop()


def test_a_port_that_goes_down(tmp_path: Path) -> None:
    """A port that was up and is down is critical, is a series of its own, and its change is published once."""
    write_rdma(tmp_path, 2)
    published = Published()
    made = parts(tmp_path, published, **{"collector.rdma.interval": "0.5s"})
    sampler = loop(made).sampler
    assert {verdict.state for verdict in sampler.sample()} == {"ok"}
    state = tmp_path / "sys/class/infiniband/mlx5_1/ports/1/state"
    state.unlink()
    state.write_bytes(b"1: DOWN\n")
    for _ in range(200):
        found = {verdict.subject: verdict.state for verdict in sampler.sample()}
        if found.get("mlx5_1/1") == "critical":
            break
        time.sleep(0.1)
    assert found["mlx5_1/1"] == "critical"
    sampler.sample()
    assert published.count(("link.health", "mlx5_1/1")) == 1
    stop(made)


def test_as_metrics(tmp_path: Path) -> None:
    """Each verdict is one number, by component and device."""
    write_rdma(tmp_path, 1)
    made = parts(tmp_path, Published(), **{"collector.link_health.interval": "1s"})
    shown = loop(made)
    shown.start()
    collector = build(made.host, made.settings, shown)
    text = ""
    for _ in range(200):
        try:
            text = TextEncoder().encode(collector.collect()).decode()
        except Absent:
            text = ""
        if 'subject="mlx5_0/1"' in text:
            break
        time.sleep(0.1)
    assert 'nodescope_link_health{component="rdma",subject="mlx5_0/1"} 0\n' in text
    shown.stop()
    stop(made)


def test_what_is_switched_off_is_not_looked_at(tmp_path: Path) -> None:
    """A sampler whose collector is off is not started for the verdicts."""
    off = {f"collector.{name}.enabled": "false" for name in ("rdma", "pci", "memory_modules")}
    made = parts(tmp_path, Published(), **off)
    loop(made)
    assert list(made.loops) == [SAMPLERS["nvme_fabrics"]]


def test_a_port_that_was_up_before_a_reload(tmp_path: Path) -> None:
    """A port that is down stays critical over a reload of the settings, which publishes nothing again."""
    write_rdma(tmp_path, 1)
    published = Published()
    before = parts(tmp_path, published, **{"collector.rdma.interval": "0.5s"})
    sampler = loop(before).sampler
    assert states(sampler)["mlx5_0/1"] == "ok"
    state = tmp_path / "sys/class/infiniband/mlx5_0/ports/1/state"
    state.unlink()
    state.write_bytes(b"1: DOWN\n")
    deadline = time.monotonic() + LONG_S
    while states(sampler)["mlx5_0/1"] != "critical":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stop(before)
    after = Parts(before.host, before.settings, before.surroundings)
    assert states(loop(after).sampler)["mlx5_0/1"] == "critical"
    stop(after)
    assert published == [("link.health", "mlx5_0/1")]


class Given:
    """A loop that has what it is given."""

    def __init__(self, *records: RdmaPort | NvmeController) -> None:
        self.snapshot: Snapshot | None = Snapshot(records, 0.0, 0.0)

    def first(self, deadline: float) -> bool:
        return self.snapshot is not None


def test_a_sampler_that_is_late_after_a_reload() -> None:
    """What was told of its devices is not told again when it comes, and that one is well again is."""
    port = RdmaPort(device="mlx5_0", port=1, state="ACTIVE", state_value=4)
    down = msgspec.structs.replace(port, state="DOWN", state_value=1)
    published, past = Published(), LinkPast()
    past.rules = LinkHealthRules(clock=lambda: clock[0])
    clock = [1000.0]
    rdma, nvme = Given(port), Given(NvmeController(name="nvme0", state="live"))
    loops: Any = (rdma, nvme)
    before, after = (LinkHealthSampler(loops, published, 1.0, past) for _ in range(2))
    for one in (port, down):
        rdma.snapshot = Snapshot((one,), 0.0, 0.0)
        assert before.sample()
    assert published == [("link.health", "mlx5_0/1")]
    rdma.snapshot = None
    assert [verdict.subject for verdict in after.sample()] == ["nvme0"]
    rdma.snapshot = Snapshot((down,), 0.0, 0.0)
    after.sample()
    assert len(published) == 1
    clock[0] += LONG_S * 10
    rdma.snapshot = Snapshot((port,), 0.0, 0.0)
    after.sample()
    assert len(published) == 2
