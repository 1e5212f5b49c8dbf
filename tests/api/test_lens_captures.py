"""/gpus of what amd-smi really said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from nodescope.devices.amd.smi_json import gpu_entries
from nodescope.devices.amd.smi_static import static
from tests.api.records import MI300X, Node, ask, gpu

CAPTURE: Final = "captures/amd/amd_smi_json/static_mi210_gpu_data.json"
NOT_SHOWN: Final = frozenset({"clock", "cpu_affinity", "socket_affinity"})
"""What Primus-Lens' types have no field for."""
NOTHING: Final[tuple[Any, ...]] = ("N/A", "", {"value": "N/A", "unit": "GB/s"})


def differences(said: Any, answered: Any, where: str) -> list[str]:
    """Where an answer is another than what the tool said; what it does not know is null."""
    if said in NOTHING:
        return [] if answered is None else [f"{where}: {answered!r}, said {said!r}"]
    if isinstance(said, dict) and isinstance(answered, dict):
        return [
            line
            for key in said.keys() - NOT_SHOWN
            for line in differences(said[key], answered.get(key), f"{where}.{key}")
        ]
    if isinstance(said, list) and isinstance(answered, list) and len(said) == len(answered):
        return [line for at, one in enumerate(said) for line in differences(one, answered[at], f"{where}[{at}]")]
    return [] if answered == said else [f"{where}: {answered!r}, said {said!r}"]


def test_a_capture_is_answered_as_it_was_said(shared: Path) -> None:
    """/gpus is amd-smi's document again, key for key, whether or not the driver knows the GPU too."""
    raw = (shared / CAPTURE).read_bytes()
    statics = tuple(filter(None, map(static, gpu_entries(raw, "amd-smi static"))))
    said = json.loads(raw)["gpu_data"]
    alone = json.loads(ask(Node(amd_static=statics), "/gpus").body)["data"]
    assert differences(said, alone, "gpus") == []
    known = Node(gpus=(gpu(MI300X),), amd_static=statics)
    (item,) = json.loads(ask(known, "/gpus").body)["data"]
    assert item["asic"]["market_name"] == "AMD Instinct MI210"
    assert (item["bus"]["bdf"], item["uuid"]) == (MI300X.pci_address, MI300X.uuid)
