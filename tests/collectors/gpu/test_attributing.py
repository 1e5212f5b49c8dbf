"""What is observed of GPUs, with the parts of whoever holds them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, ClassVar

import pytest

from nodescope import configuration
from nodescope.collectors.gpu.attributing import CONTAINERS, attributing, ledger
from nodescope.collectors.gpu.gpu import GpuCollector
from nodescope.collectors.parts import Parts, Surroundings, unheard
from nodescope.exposition.text import TextEncoder
from nodescope.host import Absent, Host
from nodescope.sampling import SamplerLoop
from nodescope.simulate.process_files import Process, process_files
from nodescope.simulate.written import write_files
from tests.ownership.gpus import NVIDIA, A, container, gpu, process

LONG_S = 20.0
ID = "4f0c1d2e" * 8


class Observer:
    """Says the same each time, or raises."""

    def __init__(self, *records: Any) -> None:
        self.records = records
        self.error: Exception | None = None
        self.closed = False

    def sample(self) -> tuple[Any, ...]:
        if self.error is not None:
            raise self.error
        return self.records

    def close(self) -> None:
        self.closed = True


class Sampler:
    """Samples an observer."""

    name: ClassVar[str] = "gpu"
    interval_s = rest_s = 60.0
    demand_wait_s = 0.0

    def __init__(self, observer: Any) -> None:
        self._observer = observer

    def sample(self) -> tuple[Any, ...]:
        found: tuple[Any, ...] = self._observer.sample()
        return found


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    """A host on which process 1 is a container's, and 2 a person's."""
    write_files(tmp_path, process_files(Process(1, "python3", 0, f"/docker/{ID}")))
    write_files(tmp_path, process_files(Process(2, "python3", 1000, "/user.slice/user-1000.slice/session-3.scope")))
    write_files(tmp_path, {"etc/passwd": b"ada:x:1000:1000::/:/bin/sh\n"})
    host = Host(f"{tmp_path}/proc", f"{tmp_path}/sys", str(tmp_path))
    return Parts(host, configuration.load({}, {}), Surroundings(unheard, {}))


def busy() -> Observer:
    return Observer(
        gpu(NVIDIA[0], memory_used_bytes=1000, utilization_percent=70, power_milliwatts=300_000),
        process(NVIDIA[0], 1, memory_used_bytes=600, sm_utilization_percent=40),
        process(NVIDIA[0], 2, memory_used_bytes=300, sm_utilization_percent=20),
        process(NVIDIA[0], 3, memory_used_bytes=50, sm_utilization_percent=10),
    )


def test_nothing_is_added_where_nobody_looks_at_containers(parts: Parts) -> None:
    """Without the sampler of containers the observer stays as it is."""
    observer = busy()
    assert attributing(parts, "nvidia", observer) is observer


def test_the_page_has_the_parts(parts: Parts) -> None:
    """Holders are named as they are known, and have what the GPU says on the same page."""
    observer = busy()
    parts.loops[CONTAINERS] = SamplerLoop(Sampler(observer))
    ledger(parts).tell([container(id=ID, pod_name="p", pod_namespace="n", pod_container="main")], ())
    loop = SamplerLoop(Sampler(attributing(parts, "nvidia", observer)))
    assert loop.first(time.monotonic() + LONG_S)
    text = TextEncoder().encode(GpuCollector(loop).collect()).decode()
    loop.stop()
    head = 'nodescope_gpu_attributed_memory_bytes{attribution="measured",'
    assert (
        f'{head}container="main",holder="{ID}",hw_id="{A}",pod_name="p",pod_namespace="n",slurm_job="",user=""}} 600\n'
        in text
    )
    assert (
        f'{head}container="",holder="user:ada",hw_id="{A}",pod_name="",pod_namespace="",slurm_job="",user="ada"}} 300\n'
        in text
    )
    assert f'{head}container="",holder="unattributed",hw_id="{A}"' in text
    shares = [
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("nodescope_gpu_attributed_utilization_ratio")
    ]
    assert sum(shares) == 0.7
    assert len(shares) == 3


def test_what_is_wrong_is_the_observers(parts: Parts) -> None:
    """An observer that fails, or has nothing, does so here too; closing closes it; the ledger outlives them."""
    observer = busy()
    parts.loops[CONTAINERS] = SamplerLoop(Sampler(observer))
    made = attributing(parts, "nvidia", observer)
    observer.error = Absent("gone")
    with pytest.raises(Absent):
        made.sample()
    made.close()
    assert observer.closed
    kept = ledger(parts)
    assert ledger(Parts(parts.host, parts.settings, parts.surroundings)) is kept
    parts.surroundings.end()
    assert ledger(parts) is not kept
