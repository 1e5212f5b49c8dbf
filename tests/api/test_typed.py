"""/api/v1: nodescope's own types."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nodescope.api import selection
from nodescope.api.node import NoNode
from nodescope.records.gpu import GpuReading
from nodescope.records.gpu_snapshot import GpuSource
from nodescope.records.health import DeviceHealth
from nodescope.records.pci import PciDevice
from tests.api import records
from tests.api.records import AGE_S, ARC, H200, MI300X, Node, ask, gpu, verdict, whole


def data(node: Any, path: str, **query: Any) -> Any:
    answered = ask(node, f"/api/v1/{path}", **query)
    assert answered.status == 200, answered.body
    return json.loads(answered.body)


def test_gpus() -> None:
    """A GPU has identity, state, reading, window, processes, links and health; what is unknown is left out."""
    body = data(whole(), "gpus")
    assert (body["sampled_age_seconds"], body["left_out"], len(body["sources"])) == (AGE_S, 0, 2)
    amd, nvidia, intel = body["gpus"]
    assert (amd["identity"]["uuid"], amd["state"], amd["up"], amd["sampled_age_seconds"]) == (
        MI300X.uuid,
        "ok",
        True,
        0.5,
    )
    assert amd["window"]["utilization_percent"] == {"min": 70, "max": 80, "mean": 75}
    assert [process["pid"] for process in amd["processes"]] == [73, 71, 72]
    assert amd["throttle_reasons"] == ["power_cap"]
    assert amd["links"] == {"total": 2, "active": 1}
    assert amd["health"] == {"state": "warning", "components": {"thermal": "ok", "memory": "warning"}}
    assert "fan_speed_percent" not in nvidia["reading"]
    assert (intel["state"], intel["reason"], intel["up"]) == ("lost", "it no longer answers", False)
    assert (intel["sampled_age_seconds"], intel["reading"]) == (None, {})


def test_gpus_that_are_asked_for() -> None:
    """vendor and uuid choose GPUs and sources; both together must fit."""
    body = data(whole(), "gpus", vendor="nvidia")
    assert [one["identity"]["vendor"] for one in body["gpus"]] == ["nvidia"]
    assert [one["vendor"] for one in body["sources"]] == ["nvidia"]
    assert len(data(whole(), "gpus", vendor="amd", uuid=MI300X.uuid)["gpus"]) == 1
    assert ask(whole(), "/api/v1/gpus", vendor="intel", uuid=MI300X.uuid).status == 404


def test_partitions() -> None:
    """A partition is shown under its GPU, with its own reading."""
    body = data(Node(gpus=(gpu(MI300X), records.partition(1), records.partition(2))), "gpus")
    first, second = body["gpus"][0]["instances"]
    assert (first["identity"]["profile"], first["first"]) == ("CPX", True)
    assert second["reading"]["utilization_percent"] == 20.0


def test_processes_that_are_not_told() -> None:
    """Where the driver does not say who uses a GPU, or the GPU does not answer, no process is not said to be none."""
    for changes, expected in (({}, True), ({"processes_told": False}, False), ({"up": 0, "state": "lost"}, False)):
        (one,) = data(Node(gpus=(gpu(MI300X, **changes),)), "gpus")["gpus"]
        assert (one["processes"], one["processes_told"]) == ([], expected)


def test_answers_are_bounded_and_say_so() -> None:
    """What is beyond a limit is not shown but counted, in the body and in a header field."""
    many = selection.MAX_PROCESSES + 3
    processes = tuple(records.process(MI300X, pid, pid) for pid in range(many))
    parts = tuple(records.partition(number) for number in range(selection.MAX_INSTANCES + 2))
    one = data(Node(gpus=(gpu(MI300X), *processes, *parts)), "gpus")["gpus"][0]
    assert (len(one["processes"]), one["processes_left_out"]) == (selection.MAX_PROCESSES, 3)
    assert one["processes"][0]["pid"] == many - 1
    assert (len(one["instances"]), one["instances_left_out"]) == (selection.MAX_INSTANCES, 2)
    crowd = Node(gpus=tuple(gpu(H200, GpuReading()) for _ in range(selection.MAX_GPUS + 1)))
    for path in ("/api/v1/gpus", "/gpus", "/cardMetrics"):
        assert ("X-Left-Out", "1") in ask(crowd, path).headers
    assert data(crowd, "gpus")["left_out"] == 1


def test_links() -> None:
    """GPU links name the GPU at their other end, RDMA ports are listed, and a slow PCIe link is degraded."""
    body = data(whole(), "links")
    first, second = body["gpu_links"]
    assert (first["kind"], first["gpu_uuid"], first["remote_uuid"]) == ("xgmi", MI300X.uuid, H200.uuid)
    assert second["remote_uuid"] is None
    assert [(port["device"], port["port"]) for port in body["rdma_ports"]] == [("mlx5_0", 2), ("mlx5_0", 1)]
    (pcie,) = body["pcie_links"]
    assert (pcie["address"], pcie["width_lanes"], pcie["degraded"]) == ("0000:c1:00.0", 16, True)


def test_a_link_is_as_good_as_both_of_its_ends() -> None:
    """A card in a lesser slot is not degraded, nor is the port above a lesser card; one that is below both is."""

    def device(address: str, kind: str, now: int, most: int, parent: str | None = None) -> PciDevice:
        lanes: dict[str, Any] = {"link_width_lanes": now, "max_link_width_lanes": most}
        return PciDevice(address=address, kind=kind, parent=parent, **lanes)

    devices = (
        device("0000:00:01.0", "root_port", 8, 8),
        device("0000:01:00.0", "switch", 8, 16, "0000:00:01.0"),
        device("0000:02:00.0", "switch", 4, 16, "0000:01:00.0"),
        device("0000:03:00.0", "nvme", 4, 4, "0000:02:00.0"),
        device("0000:02:01.0", "switch", 2, 16, "0000:01:00.0"),
        device("0000:04:00.0", "rdma", 2, 4, "0000:02:01.0"),
    )
    found = {one["address"]: one["degraded"] for one in data(Node(pci=devices), "links")["pcie_links"]}
    assert [address for address, degraded in found.items() if degraded] == ["0000:02:01.0", "0000:04:00.0"]


def test_links_of_a_gpu() -> None:
    """With uuid only the links of that GPU are shown, PCIe's with them."""
    body = data(whole(), "links", uuid=MI300X.uuid)
    assert (len(body["gpu_links"]), body["rdma_ports"], len(body["pcie_links"])) == (2, [], 1)
    body = data(whole(), "links", uuid=H200.uuid)
    assert (body["gpu_links"], body["rdma_ports"], body["pcie_links"]) == ([], [], [])


def test_topology() -> None:
    """Devices know the bridge above them, distances name the GPU, and a NUMA node lists what it has."""
    body = data(whole(), "topology")
    assert [device.get("parent") for device in body["devices"]] == [None, "0000:c0:01.0", "0000:c0:01.0"]
    (near,) = body["distances"]
    assert (near["uuid"], near["other"], near["other_uuid"], near["distance"]) == (
        MI300X.uuid, "0000:c3:00.0", None, "PIX",
    )  # fmt: skip
    (nearest,) = body["gpu_rdma"]
    assert (nearest["gpu_uuid"], nearest["rdma"], nearest["nearest"]) == (MI300X.uuid, "mlx5_0", True)
    (numa,) = body["numa_nodes"]
    assert (numa["node"], numa["cpus"]) == (1, "48-95")
    assert numa["devices"] == {"root_port": ["0000:c0:01.0"], "gpu": ["0000:c1:00.0"], "rdma": ["0000:c3:00.0"]}


def test_health() -> None:
    """The worst verdict is the node's state and comes first; the HTTP status is 200 all the same."""
    body = data(whole(), "health")
    assert (body["state"], body["counts"]) == ("critical", {"critical": 1, "warning": 2, "ok": 2})
    assert [verdict["state"] for verdict in body["verdicts"]] == ["critical", "warning", "warning", "ok", "ok"]
    worst, _, flapping = body["verdicts"][:3]
    assert (flapping["subject"], flapping["uuid"], flapping["reason"]) == ("mlx5_0/1", None, "it flaps")
    assert (worst["uuid"], worst["component"], worst["reason"], worst["evidence"], worst["action"]) == (
        ARC.uuid, "device", "device is critical", "x = 1", "look at it",
    )  # fmt: skip


def test_health_that_is_asked_for() -> None:
    """vendor, uuid and state choose verdicts, and the state is of those alone; of none it is unknown."""
    assert data(whole(), "health", vendor="nvidia")["state"] == "ok"
    assert data(whole(), "health", uuid=MI300X.uuid)["state"] == "warning"
    assert [one["component"] for one in data(whole(), "health", state="ok")["verdicts"]] == ["thermal", "memory"]
    assert data(NoNode(), "health")["state"] == "unknown"
    assert ask(whole(), "/api/v1/health", uuid="GPU-none").status == 404


def test_what_was_not_judged_makes_no_gpu_unknown() -> None:
    """A GPU that is well but for a component that was not judged is well in both answers, as for `nodescope check`."""
    node = Node(gpus=(gpu(H200),), health=(verdict(H200, "memory", "unknown", 3), verdict(H200, "all", "ok", 0)))
    assert data(node, "health")["state"] == "ok"
    assert data(node, "health", state="unknown")["state"] == "unknown"
    (one,) = data(node, "gpus")["gpus"]
    assert one["health"] == {"state": "ok", "components": {"memory": "unknown", "all": "ok"}}


def test_a_driver_that_tells_of_no_gpu() -> None:
    """A driver that cannot be read has a verdict of its own, so that the node is not as well as its links are."""
    failed = GpuSource(vendor="nvidia", kind="nvml", state="failed", reason="Driver Not Loaded")
    link = DeviceHealth(component="rdma", subject="mlx5_0/1", state="ok", value=0)
    node = Node(gpus=(gpu(MI300X), failed), health=(verdict(MI300X, "all", "ok", 0), link))
    body = data(node, "health")
    assert (body["state"], body["counts"]) == ("critical", {"critical": 1, "ok": 2})
    worst = body["verdicts"][0]
    assert (worst["subject"], worst["vendor"], worst["uuid"], worst["component"]) == (
        "nvidia",
        "nvidia",
        None,
        "driver",
    )
    assert worst["evidence"] == "source_state=failed, source_reason=Driver Not Loaded"
    assert (worst["reason"], bool(worst["action"])) == ("the driver cannot be read on this node", True)
    assert data(node, "health", vendor="nvidia")["state"] == "critical"
    assert data(node, "health", vendor="amd")["state"] == data(node, "health", uuid=MI300X.uuid)["state"] == "ok"


def test_rdma() -> None:
    """A device is shown with its ports and counters, in the kernel's own spelling."""
    body = data(whole(), "rdma")
    assert [source["kind"] for source in body["sources"]] == ["sysfs"]
    first, second = body["devices"]
    assert first["device"]["node_guid"] == "9803:9bff:fe12:3456"
    assert [port["port"] for port in first["ports"]] == [2, 1]
    assert first["counters"] == [
        {"device": "mlx5_0", "port": 1, "group": "hw_counters", "counter": "rx_write_requests", "value": 7}
    ]
    assert (second["device"], second["ports"]) == ({"name": "bnxt_re3"}, [])
    assert len(data(whole(), "rdma", device="bnxt_re3")["devices"]) == 1


@pytest.mark.parametrize("path", ["gpus", "links", "topology", "health", "rdma"])
def test_a_node_of_which_nothing_is_known(path: str) -> None:
    """Before the first sample every list is empty and the age is null."""
    body = data(NoNode(), path)
    assert body["sampled_age_seconds"] is None
    assert [value for value in body.values() if isinstance(value, list) and value] == []
