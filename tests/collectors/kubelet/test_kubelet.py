"""The kubelet's metrics under the native names, from settings to text, against a fake kubelet."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from nodescope.collectors import AMD
from nodescope.collectors.kubelet import pods_source
from nodescope.collectors.kubelet.access import access
from nodescope.collectors.kubelet.kubelet import KubeletCollector, build
from nodescope.collectors.kubelet.pods_source import gpus_of
from nodescope.collectors.parts import Parts
from nodescope.containers.kubelet.client import KubeletFailed
from nodescope.containers.kubelet.gpu_resources import NodeGpus
from nodescope.exposition.text import TextEncoder
from nodescope.host import Absent, Host
from nodescope.records.kubelet import GpuAllocation
from nodescope.sampling import SamplerLoop
from nodescope.settings import SettingsError
from tests.collectors.gpu.gpu_snapshot import gpu, instance, loop_of
from tests.collectors.kubelet.built import WAIT_S, loops, settings_for, settings_with
from tests.containers.kubelet.conftest import Start
from tests.containers.kubelet.fake_kubelet import FakeKubelet, container, pod, pod_list, pod_storage, summary

FS = {"usedBytes": 25, "availableBytes": 60, "capacityBytes": 100}


def told(kubelet: FakeKubelet) -> None:
    """Two pods, one of them with a GPU."""
    kubelet.bodies["/pods"] = pod_list(
        pod("train-0", [container("main", {"amd.com/gpu": "4"})]), pod("web", phase="Pending")
    )
    kubelet.bodies["/stats/summary"] = summary(pod_storage("train-0", 5), pod_storage("web"), fs=FS)


def text(collector: KubeletCollector) -> list[str]:
    lines = TextEncoder().encode(collector.collect()).decode().splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_as_metrics(start: Start, cluster: Path) -> None:
    """Every family has its labels and numbers; the percent of storage is 0 to 100, and the unknown has no series."""
    kubelet = start()
    told(kubelet)
    settings = settings_for(kubelet, cluster)
    with loops(settings) as joined:
        collector = build(Host(), settings, joined)
        assert text(collector) == [
            'node_ephemeral_storage_available_bytes{node="node-1"} 60',
            'node_ephemeral_storage_capacity_bytes{node="node-1"} 100',
            'node_ephemeral_storage_usage_bytes{node="node-1"} 25',
            'node_ephemeral_storage_usage_percent{node="node-1"} 25',
            'nodescope_kubelet_pods{node="node-1",phase="Pending"} 1',
            'nodescope_kubelet_pods{node="node-1",phase="Running"} 1',
            'nodescope_kubelet_pods{node="node-1",phase="Succeeded"} 0',
            'nodescope_kubelet_pods{node="node-1",phase="Failed"} 0',
            'nodescope_kubelet_pods{node="node-1",phase="Unknown"} 0',
            'nodescope_pod_gpu_limits{namespace="jobs",node="node-1",pod="train-0",resource="amd.com/gpu"} 4',
            'nodescope_pod_gpu_requests{namespace="jobs",node="node-1",pod="train-0",resource="amd.com/gpu"} 4',
            'pod_ephemeral_storage_usage_bytes{namespace="jobs",node="node-1",pod="train-0"} 5',
        ]
        assert collector.left_out == 0
        families = {family.metric.name for family in collector.collect()}
        assert families <= {metric.name for metric in collector.metrics}


def test_the_allocation_rate_of_a_node_without_requests(start: Start, cluster: Path) -> None:
    """Where no pod requests a GPU the rate is 0, and the given name of the node is shown."""
    settings = settings_for(start(), cluster, node_name="mine")
    with loops(settings) as joined:
        shown = text(build(Host(), settings, joined))
    assert "node_k8s_gpu_allocation_rate 0" in shown
    assert 'nodescope_kubelet_pods{node="mine",phase="Running"} 0' in shown


def test_no_secret_is_shown(start: Start, cluster: Path) -> None:
    """No value of an environment, command, label or annotation comes out."""
    kubelet = start()
    told(kubelet)
    settings = settings_for(kubelet, cluster)
    with loops(settings) as joined:
        assert "SECRET" not in TextEncoder().encode(build(Host(), settings, joined).collect()).decode()


def test_one_of_the_two_answers(start: Start, cluster: Path) -> None:
    """Where only one path may be read its families are there, the other's are not, and that is counted."""
    kubelet = start()
    told(kubelet)
    del kubelet.bodies["/pods"]
    settings = settings_for(kubelet, cluster)
    with loops(settings) as joined:
        collector = build(Host(), settings, joined)
        names = {line.partition("{")[0] for line in text(collector)}
    assert "pod_ephemeral_storage_usage_bytes" in names
    assert not {"node_k8s_gpu_allocation_rate", "nodescope_kubelet_pods"} & names
    assert collector.left_out == 1


def test_an_unreachable_kubelet_is_no_zero(start: Start, cluster: Path) -> None:
    """Where the kubelet does not answer there are no families but an error that says why."""
    kubelet = start()
    kubelet.tokens = {"another"}
    settings = settings_for(kubelet, cluster)
    with loops(settings) as joined, pytest.raises(KubeletFailed, match="401"):
        build(Host(), settings, joined).collect()


def test_broken_pods_are_counted(start: Start, cluster: Path) -> None:
    """What is not as documented is left out and counted."""
    kubelet = start()
    kubelet.bodies["/pods"] = b'{"items":[{},7]}'
    settings = settings_for(kubelet, cluster)
    with loops(settings) as joined:
        collector = build(Host(), settings, joined)
        collector.collect()
    assert collector.left_out == 2


@pytest.mark.parametrize("address", ["", "0.0.0.0"])
def test_where_there_is_no_kubelet(address: str) -> None:
    """Without an address the collector is absent, and no file is looked for."""
    settings = settings_with(address=address)
    with loops(settings) as joined, pytest.raises(Absent, match="NODE_IP"):
        build(Host(), settings, joined).collect()


def test_an_address_that_is_none() -> None:
    """A wrong address is an error of the settings that says where it came from."""
    with pytest.raises(SettingsError, match=r"flag: collector\.kubelet\.address: expected"):
        access(settings_with(address="http://node"))


@pytest.mark.parametrize(
    ("given", "token_file"),
    [
        ({}, "/var/run/secrets/kubernetes.io/serviceaccount/token"),
        ({"client_certificate": "/c.crt"}, ""),
        ({"client_certificate": "/c.crt", "token_file": "/t"}, "/t"),
    ],
)
def test_which_token_is_shown(given: dict[str, Any], token_file: str) -> None:
    """The service account's token is shown unless a certificate is, and the one that was asked for always."""
    found = access(settings_with(address="node", **given))
    assert found is not None
    assert found.token_file == token_file


def test_the_samplers_of_gpus_that_run(start: Start, cluster: Path) -> None:
    """GPUs are those that samplers which run for others have found; none is made on the kubelet's account."""
    kubelet = start()
    told(kubelet)
    parts = Parts(Host(), settings_for(kubelet, cluster))
    made = pods_source.loop(parts)
    sampler = made.sampler
    assert parts.loops == {}
    assert [record.rate_percent for record in sampler.sample() if type(record) is GpuAllocation] == [None]
    with loop_of(*(gpu(number) for number in range(8))) as shown:
        parts.loops[AMD] = shown
        assert [record.rate_percent for record in sampler.sample() if type(record) is GpuAllocation] == [50.0]
    made.stop()


@pytest.mark.parametrize(
    ("records", "known"),
    [
        ((gpu(0), gpu(1), instance(gpu(0), 0), instance(gpu(0), 1)), NodeGpus(2, {})),
        ((gpu(0), instance(gpu(0), 0)), NodeGpus(1, {"nvidia": 1.0})),
        ((gpu(0), instance(gpu(0), 0), instance(gpu(0), 1)), NodeGpus(1, {"nvidia": 0.5})),
        (("else",), NodeGpus(0, {})),
    ],
)
def test_which_gpus_there_are(records: tuple[Any, ...], known: NodeGpus) -> None:
    """All GPUs count, and a partition is a part of one where all of its vendor's are partitioned."""
    with loop_of(*records) as shown:
        shown.first(time.monotonic() + WAIT_S)
        assert gpus_of([shown]) == known


def test_gpus_before_a_sample() -> None:
    """How many GPUs there are is not known before there is a sample, nor where nobody looks for them."""
    with loop_of(gpu(0)) as shown:
        assert gpus_of([SamplerLoop(shown.sampler)]) is None
    assert gpus_of([]) is None
