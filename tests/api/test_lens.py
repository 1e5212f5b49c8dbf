"""Primus-Lens' routes: the examples of its documentation, and what its code's types need."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from nodescope.api.node import NoNode
from nodescope.records.amd_static import AmdAsic, AmdBus, AmdStatic
from nodescope.records.container import Container
from nodescope.records.dri import DriDevice
from tests.api import records
from tests.api.lens_example import PODS
from tests.api.records import ARC, DRI, GPUS, H200, H200_READING, MI300X, MI300X_READING, Node, ask, gpu, whole

DOCUMENT: Final = "source-documents/primus-lens-node-exporter.md"
EXAMPLE: Final = re.compile(r"#### GET (/\w+)\n.*?```json\n(.*?)```", re.DOTALL)

EXPECTED: Final[dict[str, Any]] = {
    "/gpus": [
        {
            "gpu": 0,
            "asic": {"market_name": "AMD Instinct MI300X", "device_id": "0x74a1", "asic_serial": "0x123456789"},
            "bus": {"bdf": "0000:c1:00.0"},
            "dri_device": {"card": "/dev/dri/card0", "render": "/dev/dri/renderD128", "pci_addr": "0000:c1:00.0"},
        }
    ],
    "/gpuDriverVersion": "6.2.4",
    "/cardMetrics": [{"gpu": 0, "gpu_use_percent": 75.5, "memory_use_percent": 60.2}],
    "/driMapping": {
        "/dev/dri/card0": {
            "card": "/dev/dri/card0",
            "render": "/dev/dri/renderD128",
            "pci_addr": "0000:c1:00.0",
            "card_id": 0,
        }
    },
    "/rdma": [
        {
            "if_index": 0,
            "if_name": "mlx5_0",
            "node_guid": "98:03:9b:ff:fe:12:34:56",
            "sys_image_guid": "98:03:9b:ff:fe:12:34:56",
            "port_guid": "98:03:9b:12:34:56:78:90",
            "link_layer": "InfiniBand",
        }
    ],
}
"""What the documentation shows for the node of `example`."""

CODE_FIELDS: Final = {
    "/gpus": "gpu asic bus vbios limit driver board ras partition soc_pstate xgmi_plpd process_isolation numa vram "
    "cache_info dri_device",
    "/cardMetrics": "gpu temperature_junction temperature_memory socket_graphics_power_watts gpu_use_percent "
    "gfx_activity gpu_memory_allocated_percent gpu_memory_rw_activity_percent memory_activity avg_memory_bandwidth "
    "memory_use_percent",
    "/rdma": "ifindex ifname node_type fw node_guid sys_image_guid",
}
DRI_FIELDS: Final = {"pciAddr", "card", "cardId", "render", "pci_addr", "card_id"}


def example(static: bool = True) -> Node:
    """The node of the documentation; without `static` amd-smi was not asked."""
    node = Node(
        gpus=(gpu(MI300X, MI300X_READING),),
        rdma=records.RDMA[:4],
        dri=DRI,
        amd_static=(records.STATIC,) if static else (),
    )
    node.versions = {"amd": "6.2.4"}
    return node


def data(node: Any, path: str, **query: Any) -> Any:
    answered = ask(node, path, **query)
    assert answered.status == 200, answered.body
    body = json.loads(answered.body)
    assert list(body) == ["code", "data", "message"]
    assert (body["code"], body["message"]) == (0, "success")
    return body["data"]


def lacking(wanted: Any, found: Any, where: str = "") -> list[str]:
    """What `wanted` has and `found` has not, or has otherwise."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [line for key in wanted for line in lacking(wanted[key], found.get(key), f"{where}.{key}")]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [line for at, one in enumerate(wanted) for line in lacking(one, found[at], f"{where}[{at}]")]
    return [] if wanted == found else [f"{where}: {found!r}, expected {wanted!r}"]


def test_the_examples_are_those_of_the_documentation(shared: Path) -> None:
    """The expected values below are what the source document shows."""
    shown = {path: json.loads(text) for path, text in EXAMPLE.findall((shared / DOCUMENT).read_text())}
    assert {path: body["data"] for path, body in shown.items() if path in EXPECTED} == EXPECTED
    assert {key: value for key, value in shown["/gpus"].items() if key != "data"} == {"code": 0, "message": "success"}
    assert shown["/pods"] == PODS


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("path", sorted(EXPECTED))
def test_answers_equal_the_documentations_examples(path: str, static: bool, prefix: str) -> None:
    """Each example is answered field for field, with and without /v1, and with and without amd-smi."""
    assert lacking(EXPECTED[path], data(example(static), prefix + path)) == []


@pytest.mark.parametrize("path", sorted(CODE_FIELDS))
def test_answers_carry_the_fields_of_the_code(path: str) -> None:
    """Every field that the client's types read is there, whether it is known or null, for every vendor."""
    for item in data(whole(), path):
        assert set(CODE_FIELDS[path].split()) <= set(item)


def test_dri_has_both_spellings() -> None:
    """/driMapping and dri_device spell each field both ways, with the same value."""
    entry = data(example(), "/driMapping")["/dev/dri/card0"]
    assert set(entry) == DRI_FIELDS
    assert (entry["pciAddr"], entry["cardId"]) == (entry["pci_addr"], entry["card_id"]) == ("0000:c1:00.0", 0)
    assert data(example(), "/gpus")[0]["dri_device"] == entry


def test_rdma_has_both_spellings_and_no_guess() -> None:
    """/rdma says index and name both ways, the type in lower case, and null for what a device does not tell."""
    known, bare = data(whole(), "/rdma")
    assert (known["ifindex"], known["ifname"], known["node_type"], known["fw"]) == (0, "mlx5_0", "ca", "28.39.1002")
    assert {key: value for key, value in bare.items() if value is not None} == {
        "if_name": "bnxt_re3",
        "ifname": "bnxt_re3",
    }


def test_gpus_of_every_vendor_say_what_they_have() -> None:
    """NVIDIA's and Intel's GPUs are listed in the same words, with null for what is not known."""
    _, nvidia, intel = data(whole(), "/gpus")
    assert nvidia["asic"]["device_id"] == "0x2335"
    assert nvidia["asic"]["subsystem_id"] == "0x18be"
    assert nvidia["asic"]["subvendor_id"] == "0x10de"
    assert (nvidia["asic"]["vendor_id"], nvidia["asic"]["asic_serial"]) == ("0x10de", H200.serial)
    assert nvidia["vram"]["size"] == {"value": 141 * 1024, "unit": "MB"}
    assert nvidia["vbios"]["version"] == "96.00.BC.00.01"
    assert nvidia["driver"] == {"name": "nvidia", "version": "570.124.06"}
    assert (intel["vendor"], intel["bus"]["bdf"], intel["asic"]["device_id"]) == ("intel", ARC.pci_address, "0x56c0")
    assert intel["vram"] == {"type": None, "vendor": None, "size": None, "bit_width": None, "max_bandwidth": None}
    assert intel["dri_device"] is None
    assert [item["gpu"] for item in data(whole(), "/gpus")] == [0, 1, 2]


def test_card_metrics_of_every_vendor() -> None:
    """Unknown is null and never 0; a GPU that is lost is listed with nothing but nulls."""
    amd, nvidia, intel = data(whole(), "/cardMetrics")
    assert (amd["temperature_junction"], amd["socket_graphics_power_watts"]) == (61.0, 652.5)
    assert (amd["gpu_memory_allocated_percent"], amd["gpu_memory_rw_activity_percent"]) == (60.2, 12.0)
    assert (amd["gfx_activity"], amd["memory_activity"], amd["avg_memory_bandwidth"]) == (538_658_132, None, None)
    assert (nvidia["gpu_use_percent"], nvidia["socket_graphics_power_watts"]) == (97.0, 400.25)
    assert (nvidia["temperature"], nvidia["temperature_junction"]) == (55.0, None)
    assert {value for key, value in intel.items() if key not in ("gpu", "vendor", "uuid")} == {None}


def test_amd_smis_words_come_first() -> None:
    """What amd-smi says is kept, what it leaves out is filled from the driver; an address is as the kernel's."""
    item = data(example(), "/gpus")[0]
    assert (item["bus"]["bdf"], item["asic"]["rev_id"]) == ("0000:c1:00.0", "0x00")
    assert item["asic"]["num_compute_units"] == 304
    assert item["bus"]["max_pcie_speed"] == {"value": 32, "unit": "GT/s"}
    assert item["limit"]["socket_power"] == {"value": 750, "unit": "W"}
    assert item["vbios"]["part_number"] == "113-M3000100-102"


def test_partitions_are_listed_under_amd_smis_numbers() -> None:
    """In CPX each partition has its number, its own nodes and readings; its GPU keeps the first."""
    statics = tuple(
        AmdStatic(gpu=number, asic=AmdAsic(asic_serial="0x123456789"), bus=AmdBus(bdf=f"0000:c1:00.{number}"))
        for number in range(3)
    )
    parts = (records.partition(1), records.partition(2))
    xcp = DriDevice(platform="amdgpu_xcp.1", card="/dev/dri/card1", card_id=1, render="/dev/dri/renderD129")
    node = Node(gpus=(gpu(MI300X, MI300X_READING), *parts), dri=(*DRI, xcp), amd_static=statics)
    items = data(node, "/gpus")
    assert [item["gpu"] for item in items] == [0, 1, 2]
    assert items[1]["dri_device"]["card"] == "/dev/dri/card1"
    assert items[2]["dri_device"] is None
    metrics = data(node, "/cardMetrics")
    assert [(item["gpu"], item["gpu_use_percent"]) for item in metrics] == [(0, 75.5), (1, 10.0), (2, 20.0)]
    assert metrics[1]["memory_use_percent"] == 50.0


def test_amd_smi_without_addresses_is_joined_by_number() -> None:
    """A release that tells no PCI address is joined to the GPU of the same index, and to that one alone."""
    node = Node(
        gpus=(gpu(MI300X), gpu(H200)),
        amd_static=(
            AmdStatic(
                gpu=0,
                asic=AmdAsic(market_name="MI"),
            ),
        ),
    )
    assert [item["asic"]["market_name"] for item in data(node, "/gpus")] == ["MI", "NVIDIA H200"]


def test_dri_nodes_known_of_the_gpu_alone() -> None:
    """Where no DRM nodes were enumerated those that the GPU's own record has are told."""
    node = Node(gpus=(gpu(MI300X),))
    assert lacking(EXPECTED["/driMapping"], data(node, "/driMapping")) == []
    only_render = Node(dri=(DriDevice(render="/dev/dri/renderD140", render_id=140),))
    assert list(data(only_render, "/driMapping")) == ["/dev/dri/renderD140"]


def test_driver_version_by_vendor() -> None:
    """AMD's driver comes first, another's on request, null where there is none."""
    assert data(whole(), "/gpuDriverVersion") == "6.2.4"
    assert data(whole(), "/gpuDriverVersion", vendor="nvidia") == "570.124.06"
    assert data(whole(), "/gpuDriverVersion", vendor="intel") is None


@pytest.mark.parametrize("envelope", ["standard", "lens"])
def test_pods_are_bare(envelope: str) -> None:
    """/pods is a list in no envelope, also where there is nothing."""
    assert json.loads(ask(NoNode(), "/pods", envelope=envelope).body) == []
    one = Container(runtime="docker", id="abc", name="main", pod_name="job")
    assert [pod["id"] for pod in json.loads(ask(Node(pods=(one,)), "/v1/pods", envelope).body)] == ["abc"]


def test_the_envelope_of_the_code() -> None:
    """?envelope=lens and the setting give the code's envelope; the request's word is the last."""
    for answered in (ask(example(), "/rdma", envelope="lens"), ask(example(), "/rdma", "lens")):
        body = json.loads(answered.body)
        assert list(body) == ["meta", "data", "tracing"]
        assert (body["meta"], body["tracing"]) == ({"code": 2000, "message": "OK"}, None)
        assert body["data"][0]["ifname"] == "mlx5_0"


@pytest.mark.parametrize("path", [*EXPECTED, "/pods"])
def test_a_node_of_which_nothing_is_known(path: str) -> None:
    """Before the first sample lists are empty, a version is null, and no age is told."""
    answered = ask(NoNode(), path)
    assert (answered.status, answered.headers) == (200, ())
    body = json.loads(answered.body)
    assert (body["data"] if isinstance(body, dict) else body) in ([], {}, None)


def test_a_selected_gpu() -> None:
    """vendor and uuid choose; a vendor without GPUs is an empty list."""
    assert [item["uuid"] for item in data(whole(), "/gpus", uuid=H200.uuid)] == [H200.uuid]
    assert [item["vendor"] for item in data(whole(), "/cardMetrics", vendor="intel")] == ["intel"]
    assert data(Node(gpus=(gpu(H200, H200_READING),)), "/gpus", vendor="amd") == []


def test_ages_are_told_in_a_header() -> None:
    """The envelope has no room for the age of the data, so a header field has it."""
    assert ask(whole(), "/cardMetrics").headers == (("X-Sampled-Age-Seconds", "1.25"),)
    assert len(GPUS) > 0


def test_limits_and_board_of_a_gpu_that_amd_smi_did_not_tell_of() -> None:
    """Each sensor's limits stand under its own name, and the board's words are those of its EEPROM."""
    celsius = {"edge": 100, "junction": 110, "mem": 94}
    crit = {f"{sensor}_temperature_crit_celsius": value for sensor, value in celsius.items()}
    emergency = {f"{sensor}_temperature_emergency_celsius": value + 5 for sensor, value in celsius.items()}
    reading = msgspec.structs.replace(
        MI300X_READING, temperature_slowdown_celsius=100, driver_fields={**crit, **emergency}
    )
    identity = msgspec.structs.replace(MI300X, brand="AMD", board_id="113-D65210-038", model="AMD Instinct MI210")
    (told,) = data(Node(gpus=(gpu(identity, reading),)), "/gpus")
    limits = {name: limit["value"] for name, limit in told["limit"].items() if name.endswith("_temperature")}
    assert limits == {
        **{f"slowdown_{spot}_temperature": value for spot, value in (("edge", 100), ("hotspot", 110), ("vram", 94))},
        **{f"shutdown_{spot}_temperature": value for spot, value in (("edge", 105), ("hotspot", 115), ("vram", 99))},
    }
    assert (told["board"]["fru_id"], told["board"]["product_name"]) == ("113-D65210-038", "AMD Instinct MI210")
    assert told["board"]["manufacturer_name"] == "AMD"
