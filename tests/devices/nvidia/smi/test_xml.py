from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodescope.devices.nvidia.smi.log import MAX_CHARACTERS, MAX_PROCESSES, Log
from nodescope.devices.nvidia.smi.records import NO_LISTING, told
from nodescope.devices.nvidia.smi.xml import MAX_DEPTH, MAX_ELEMENTS, has_xml, parse_xml
from nodescope.host import Malformed
from nodescope.records.gpu import GpuReading
from tests.devices.nvidia.smi import captures as smi_captures
from tests.devices.nvidia.smi.fake_nvidia_smi import gpu_xml, log_xml, mig_xml

BOMB = """<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>
<nvidia_smi_log><gpu id="0000:01:00.0"><uuid>&c;</uuid></gpu></nvidia_smi_log>"""
EXTERNAL = """<!DOCTYPE nvidia_smi_log [<!ENTITY e SYSTEM "file:///etc/passwd">]>
<nvidia_smi_log><gpu id="0000:01:00.0"><uuid>&e;</uuid></gpu></nvidia_smi_log>"""


def parse(text: str) -> Log:
    return parse_xml(text.encode(), "nvidia-smi")


def test_values_by_path() -> None:
    """Values are known by their elements below the GPU; MIG devices and processes each have their own."""
    processes = "".join(
        f"<process_info><pid>{pid}</pid><process_name>a &amp; b</process_name></process_info>" for pid in (1, 2)
    )
    body = f"<mig_devices>{mig_xml(0, 1, 0)}{mig_xml(1, 2, 0)}</mig_devices><processes>{processes}</processes>"
    log = parse(log_xml(gpu_xml(0, body), gpu_xml(1)))
    assert log.values == {"driver_version": "570.1", "cuda_version": "12.8", "attached_gpus": "2"}
    first, second = log.gpus
    assert (first.address, second.address) == ("00000000:01:00.0", "00000000:02:00.0")
    assert first.values["temperature/gpu_temp"] == "40 C"
    assert first.values["fb_memory_usage/total"] == "1000 MiB"
    assert [one["fb_memory_usage/total"] for one in first.instances] == ["4864 MiB"] * 2
    assert first.processes == [{"pid": str(pid), "process_name": "a & b"} for pid in (1, 2)]
    assert second.instances == second.processes == []


def test_what_stands_around_it() -> None:
    """Warnings before and after the XML are no part of it."""
    log = parse(f"WARNING: something\n{log_xml(gpu_xml(0))}\nWARNING: infoROM is corrupted at gpu 0000:01:00.0\n")
    assert len(log.gpus) == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "<nvidia_smi_log>"), ("No devices were found", "<nvidia_smi_log>"), (BOMB, "undefined entity"),
        (EXTERNAL, "undefined entity"), (log_xml(gpu_xml(0))[:400], "an end"),
        ("<nvidia_smi_log><gpu id='x'></nvidia_smi_log>", "mismatched tag"),
        ("<nvidia_smi_log><gpu id=x></gpu></nvidia_smi_log>", "well-formed"),
        ("<nvidia_smi_log><!DOCTYPE a><gpu/></nvidia_smi_log>", "well-formed"),
        ("<nvidia_smi_log>" + "<a>" * MAX_DEPTH + "<a></nvidia_smi_log>", "in each other"),
        ("<nvidia_smi_log>" + "<a/>" * MAX_ELEMENTS + "</nvidia_smi_log>", "elements"),
        ("<nvidia_smi_log>" + " " * 16 * 1024 * 1024 + "</nvidia_smi_log>", "at most 16777216 bytes"),
    ],
    ids=["empty", "words", "bomb", "external", "cut", "tags", "attribute", "doctype", "deep", "many", "long"],
)  # fmt: skip
def test_malformed(text: str, complaint: str) -> None:
    """What is cut, broken, too much or wants an entity is malformed; the message names the source and shows little."""
    with pytest.raises(Malformed, match="nvidia-smi: expected ") as raised:
        parse(text)
    assert complaint in str(raised.value)
    assert len(str(raised.value)) < 500


def test_a_name_that_xml_cannot_hold() -> None:
    """Bytes in a process' name that are no UTF-8 or no character of XML cost nothing else."""
    process = "<processes><process_info><pid>5</pid><process_name>\x01NAME</process_name></process_info></processes>"
    data = log_xml(gpu_xml(0, process)).encode().replace(b"NAME", b"\xff\xfe\x00\x1b")
    (gpu,) = parse_xml(data, "nvidia-smi").gpus
    assert gpu.processes[0]["pid"] == "5"
    assert gpu.values["temperature/gpu_temp"] == "40 C"


def test_bounds() -> None:
    """More processes than there may be are left out and counted, and long values are cut."""
    process = f"<process_info><pid>5</pid><process_name>{'n' * 900}</process_name></process_info>"
    log = parse(log_xml(gpu_xml(0, f"<processes>{process * (MAX_PROCESSES + 3)}</processes>")))
    (gpu,) = log.gpus
    assert len(gpu.processes) == MAX_PROCESSES
    assert log.left_out == 3
    assert len(gpu.processes[0]["process_name"]) == MAX_CHARACTERS


def test_the_same_twice() -> None:
    """The first of two values stays, and so does the first of two GPUs with one address."""
    log = parse(log_xml(gpu_xml(0, "<uuid>GPU-first</uuid>"), gpu_xml(0, "<uuid>GPU-second</uuid>")))
    assert [gpu.values["uuid"] for gpu in log.gpus] == ["GPU-first"]
    assert log.left_out == 1


def test_long_lists_are_skipped() -> None:
    """Supported clocks and accounted processes are not kept, in either shape of the former."""
    clocks = (
        "<supported_mem_clock>5001 MHz<supported_graphics_clock>1 MHz</supported_graphics_clock></supported_mem_clock>"
    )
    log = parse(log_xml(gpu_xml(0, f"<supported_clocks>{clocks}</supported_clocks><fan_speed>3 %</fan_speed>")))
    assert not any("clock" in path for path in log.gpus[0].values)
    assert log.gpus[0].values["fan_speed"] == "3 %"


def test_has_xml() -> None:
    """Output with any of the XML in it is told from other output."""
    assert has_xml(log_xml().encode())
    assert not has_xml(b"==NVSMI LOG==")


def check_any(data: bytes) -> None:
    """Nothing but `Malformed`, and of what is read nothing is below 0 that cannot be."""
    try:
        log = parse_xml(data, "nvidia-smi")
    except Malformed:
        return
    for gpu in told(log, NO_LISTING, 1.0):
        reading = gpu.report.reading
        assert gpu.identity.uuid or not gpu.identity.pci_address
        for field in GpuReading.__struct_fields__:
            value = getattr(reading, field)
            assert not isinstance(value, int | float) or value >= 0 or "celsius" in field
        assert all(one.errors >= 0 for one in gpu.report.ecc)
        assert all(one.pid >= 0 and one.type for one in gpu.report.processes)


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    """Whatever is written, it is malformed or a log."""
    check_any(b"<nvidia_smi_log>" + data + b"</nvidia_smi_log>")


@settings(max_examples=60)
@given(st.data())
def test_damaged_captures(shared: Path, data: st.DataObject) -> None:
    """A real capture with some bytes put in another's place is malformed or a log of plausible values."""
    original = data.draw(st.sampled_from(smi_captures.xml_files(shared))).read_bytes()
    damaged = bytearray(original)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(damaged)))
        damaged[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=20))
    check_any(bytes(damaged))
