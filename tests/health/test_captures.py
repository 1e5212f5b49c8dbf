"""What real GPUs said of themselves, through nvidia-smi, is plausible and is judged as they were: well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from nodescope.devices.nvidia.smi.log import Log
from nodescope.devices.nvidia.smi.records import told
from nodescope.devices.nvidia.smi.text import Listing, parse_text
from nodescope.devices.nvidia.smi.xml import parse_xml
from nodescope.devices.plausible import Plausible
from nodescope.records.gpu_snapshot import Gpu, GpuEcc
from tests.health.gpus import Judge

COMMAND = b"# $ nvidia-smi -q\n"
HALF_THE_LANES = {"NVIDIA A10G", "Quadro P2000", "Tesla T4"}
"""GPUs that sat in a slot with eight lanes, or were given so by a cloud."""


def logs(shared: Path) -> Iterator[Log]:
    for file in sorted((shared / "captures/nvidia/nvidia_smi_captures").glob("*.txt")):
        for part in file.read_bytes().split(COMMAND)[1:]:
            yield parse_text(part.partition(b"\n# $ ")[0], str(file))
    for file in sorted((shared / "captures/nvidia/telegraf_nvidia_smi_xml").glob("*.xml")):
        yield parse_xml(file.read_bytes(), str(file))


def test_real_gpus_are_plausible_and_well(shared: Path) -> None:
    """Of no capture a reading is dropped; each GPU is well, but for the lanes that some did not have."""
    models = set()
    for log in logs(shared):
        for identity, _, report in told(log, Listing({}, {}), 100.0):
            plausible = Plausible("nvidia")
            assert plausible.checked(report) is report, (identity.model, plausible.dropped)
            eccs = [GpuEcc(identity=identity, reading=ecc) for ecc in report.ecc]
            gpu = Gpu(identity=identity, state=report.state, reason=report.reason, up=1, reading=report.reading)
            verdicts = Judge().verdicts(gpu, eccs=eccs)
            bad = [one.component for one in verdicts.values() if one.state in ("warning", "critical")]
            assert bad == (["pcie", "all"] if identity.model in HALF_THE_LANES else []), (identity.model, verdicts)
            memory = verdicts[identity.uuid, "memory"]
            assert ("(MIG)" in memory.reason) == (report.reading.mig_mode == 1)
            models.add(identity.model)
    assert len(models) >= 10
