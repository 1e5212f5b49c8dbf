"""Every capture of rocm-smi says in records what it says in JSON; text says the same as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodescope.devices.amd.rocm_smi_text import parse_text
from nodescope.devices.amd.rocm_smi_told import Cards, parse_json, told_of
from nodescope.devices.amd.smi_records import Told
from nodescope.host import Malformed
from nodescope.records.gpu import GpuReading, ProcessReading

FOLDERS = ("captures/amd/telegraf_rocm_smi_json", "captures/amd/rocm_smi_json_misc")
BYTES = (
    ("VRAM Total Memory (B)", "memory_total_bytes"),
    ("VRAM Total Used Memory (B)", "memory_used_bytes"),
    ("VIS_VRAM Total Memory (B)", "bar1_total_bytes"),
    ("VIS_VRAM Total Used Memory (B)", "bar1_used_bytes"),
    ("GTT Total Memory (B)", "gtt_total_bytes"),
    ("GTT Total Used Memory (B)", "gtt_used_bytes"),
    ("PCIe Replay Count", "pcie_replays"),
    ("Voltage (mV)", "voltage_millivolts"),
    ("Fan RPM", "fan_revolutions_per_minute"),
)
NUMBERS = (
    ("GPU use (%)", "utilization_percent", 1),
    ("Temperature (Sensor edge) (C)", "temperature_celsius", 1),
    ("Temperature (Sensor edge) (C)", "edge_temperature_celsius", 1),
    ("Temperature (Sensor junction) (C)", "junction_temperature_celsius", 1),
    ("Temperature (Sensor memory) (C)", "memory_temperature_celsius", 1),
    ("Average Graphics Package Power (W)", "power_milliwatts", 1000),
    ("Max Graphics Package Power (W)", "power_limit_milliwatts", 1000),
    ("Fan speed (%)", "fan_speed_percent", 1),
)
CLOCKS = (
    ("sclk clock speed:", "clock_graphics_megahertz"),
    ("mclk clock speed:", "clock_memory_megahertz"),
    ("socclk clock speed:", "clock_soc_megahertz"),
    ("fclk clock speed:", "clock_fabric_megahertz"),
)

TEXT = """

============================ ROCm System Management Interface ============================
========================================== ID ============================================
GPU[0]\t\t: Device Name: \t\tAMD Instinct MI300X
GPU[0]\t\t: Device ID: \t\t0x74a1
GPU[1]\t\t: Device Name: \t\tAMD Instinct MI300X
GPU[1]\t\t: Device ID: \t\t0x74a1
GPU[0]\t\t: Unique ID: 0x5d7af7be3e2c5b6e
GPU[1]\t\t: Unique ID: N/A
GPU[0]\t\t: PCI Bus: 0000:0C:00.0
GPU[1]\t\t: PCI Bus: 0000:22:00.0
Driver version: 6.12.12
GPU[0]\t\t: Temperature (Sensor junction) (C): 41.0
GPU[1]\t\t: \x1b[91mTemperature (Sensor junction) (C): 43.0\x1b[0m
GPU[0]\t\t: sclk clock level: 1: (132Mhz)
GPU[0]\t\t: Fan Level: 51 (20%)
GPU[0]\t\t: Current Socket Graphics Package Power (W): 135.0
GPU[1]\t\t: get_power, Not supported on the given system
ERROR: GPU[1]\t: Unable to get power
GPU[0]\t\t: GPU use (%): 12
GPU[0]\t\t: GPU Memory Allocated (VRAM%): 1
GPU[0]\t\t: GPU Memory Read/Write Activity (%): 3
GPU[0]\t\t: GFX Activity: 1141796410
GPU[0]\t\t: VRAM Total Memory (B): 205822885888
=================================== KFD Processes ========================================
KFD process information:
PID    \tPROCESS NAME\tGPU(s)\tVRAM USED \tSDMA USED\tCU OCCUPANCY\t
28389  \tllama server\t2     \t2353860608\t11011    \tUNKNOWN     \t
==========================================================================================
"""


def captures(shared: Path) -> list[Path]:
    return [path for folder in FOLDERS for path in sorted((shared / folder).glob("*.json"))]


def told(raw: bytes, name: str = "rocm-smi") -> tuple[Told, ...]:
    return told_of(parse_json(raw, name), 7.0)


def known(value: str | None) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        return None


def test_captures(shared: Path) -> None:
    """Every card of every capture is told of, with each value that its text has, and None where it has none."""
    for path in captures(shared):
        document = json.loads(path.read_bytes())
        cards = {key: labels for key, labels in document.items() if key.startswith("card")}
        found = told(path.read_bytes(), path.name)
        assert [one.identity.index for one in found] == [int(key[4:]) for key in cards], path.name
        for one, labels in zip(found, cards.values(), strict=True):
            reading = one.report.reading
            assert one.report.state == "ok", path.name
            for label, field in BYTES:
                assert getattr(reading, field) == known(labels.get(label)), (path.name, label)
            for label, field, factor in NUMBERS:
                value = known(labels.get(label))
                assert getattr(reading, field) == (None if value is None else value * factor), (path.name, label)
            for label, field in CLOCKS:
                speed = labels.get(label)
                assert getattr(reading, field) == (None if speed is None else int(speed[1:-4])), (path.name, label)


def test_identities_of_captures(shared: Path) -> None:
    """Unique numbers have the kernel's form, addresses too; a card without one is known by its address."""
    folder = shared / FOLDERS[0]
    mi100 = told((folder / "mi100_rocm602.json").read_bytes())
    assert [one.identity.uuid for one in mi100] == [
        "79ccd55167a2124a",
        "04edfb117a17a07d",
        "d4a9ec48d03d261d",
        "1b9dd972253c3736",
    ]
    assert [one.identity.pci_address for one in mi100] == [f"0000:{bus}:00.0" for bus in ("83", "a3", "c3", "e3")]
    assert {one.identity.model for one in mi100} == {"Arcturus GL-XL [Instinct MI100]"}
    assert {(one.identity.driver_version, one.identity.numa_node) for one in mi100} == {("6.3.6", 1)}
    older = told((folder / "mi100_rocm571.json").read_bytes())
    assert [one.identity.uuid for one in older] == [one.identity.pci_address for one in older]
    assert {one.identity.serial for one in older} == {None}
    (radeon,) = told((folder / "rx6700xt_rocm430.json").read_bytes())
    assert (radeon.identity.model, radeon.identity.pci_device_id) == (None, "0x73df")
    assert (radeon.report.reading.pcie_generation, radeon.report.reading.pcie_width_lanes) == (4, 16)
    (vega,) = told((folder / "vega-20-WKS-GL-XE.json").read_bytes())
    assert (vega.identity.serial, vega.identity.vbios_version) == ("692024000810", "113-D1631700-111")


def test_the_accumulator_is_no_percentage(shared: Path) -> None:
    """GFX Activity is a sum and kept as such; the utilisation is what GPU use says."""
    (one,) = told((shared / FOLDERS[1] / "all_mi250_fragment.json").read_bytes())
    assert (one.report.reading.utilization_percent, one.report.reading.memory_utilization_percent) == (100, 0)
    assert one.report.reading.driver_fields == {"gfx_activity_acc": 1141796410, "mem_activity_acc": 237430125}


def test_the_second_die_of_a_board() -> None:
    """An MI250's second die, of which the tool prints 0 W of 0 W, has neither power nor a limit."""
    power = {"Average Graphics Package Power (W)": "0.0", "Max Graphics Package Power (W)": "560.0"}
    first = {"GPU use (%)": "7", **power}
    second = {**first, "Max Graphics Package Power (W)": "0.0"}
    found = [one.report.reading for one in told(json.dumps({"card0": first, "card1": second}).encode())]
    assert [(one.power_milliwatts, one.power_limit_milliwatts) for one in found] == [(0, 560_000), (None, None)]
    assert [one.power_average_milliwatts for one in found] == [0, None]
    assert [one.utilization_percent for one in found] == [7, 7]
    assert [one.driver_fields for one in found] == [{}, {"power_of_other_die": 1}]


def test_processes(shared: Path) -> None:
    """A process is told of where it is known which GPU it is on, with its memory where it is on one alone; where it is
    not, a GPU without a process is not one that nobody uses."""
    folder = shared / FOLDERS[1]
    system = json.loads((folder / "showpids_mi300x.json").read_bytes())
    memory = json.loads((folder / "meminfo_mi300x.json").read_bytes())
    (one,) = told(json.dumps({**memory, **system}).encode())
    assert one.report.processes == (
        ProcessReading(
            pid=28389,
            type="compute",
            name="llama-server",
            memory_used_bytes=2353860608,
            sdma_microseconds=11011,
        ),
    )
    assert one.report.processes_told
    two = {"card0": memory["card0"], "card1": memory["card0"]}
    which = [one.report for one in told(json.dumps({**two, **system}).encode())]
    assert [(one.processes, one.processes_told) for one in which] == [((), False), ((), False)]
    system["system"]["PID28389"] = "llama-server, 2, 2353860608, 11011, unknown"
    system["system"]["PID3"] = "a shell that has no GPU, 0, 0, 0, unknown"
    both = [one.report for one in told(json.dumps({**two, **system}).encode())]
    expected = (ProcessReading(pid=28389, type="compute", name="llama-server"),)
    assert [(one.processes, one.processes_told) for one in both] == [(expected, True), (expected, True)]


def test_no_data(shared: Path) -> None:
    """A warning in the place of JSON is Malformed."""
    with pytest.raises(Malformed, match="rocm-smi: expected a JSON document"):
        told((shared / FOLDERS[1] / "no_data.txt").read_bytes())
    with pytest.raises(Malformed, match="expected an object with card0"):
        told(b"[]")


def test_text() -> None:
    """Text says the same as JSON: cards by number, the system's values, the table of processes."""
    found = told_of(parse_text(TEXT.encode(), "rocm-smi"), 7.0)
    assert [one.identity.uuid for one in found] == ["5d7af7be3e2c5b6e", "0000:22:00.0"]
    assert {(one.identity.model, one.identity.driver_version) for one in found} == {("AMD Instinct MI300X", "6.12.12")}
    assert found[0].report.reading == GpuReading(
        utilization_percent=12,
        memory_utilization_percent=3,
        engines={"gfx": 12, "umc": 3},
        temperature_celsius=41.0,
        junction_temperature_celsius=41.0,
        clock_graphics_megahertz=132,
        fan_speed_percent=20,
        power_milliwatts=135_000,
        power_instant_milliwatts=135_000,
        memory_total_bytes=205822885888,
        memory_used_percent=1,
        driver_fields={"gfx_activity_acc": 1141796410},
    )
    assert found[1].report.reading == GpuReading(temperature_celsius=43.0, junction_temperature_celsius=43.0)
    assert [process.name for process in found[1].report.processes] == ["llama server"]


def test_a_share_of_memory_and_the_bandwidth() -> None:
    """Where no bytes are told the share of VRAM is known all the same, and the bandwidth in the tool's own unit."""
    labels = {"GPU Memory Allocated (VRAM%)": "60", "Avg. Memory Bandwidth": "12"}
    reading = told(json.dumps({"card0": labels}).encode())[0].report.reading
    assert (reading.memory_used_ratio, reading.driver_fields) == (0.6, {"average_memory_bandwidth": 12})


def test_one_broken_card() -> None:
    """A card with nothing but N/A fails alone."""
    document = {"card0": {"GPU use (%)": "1"}, "card1": {"GPU use (%)": "N/A", "GPU ID": {}}, "card2": 3, "card3": {}}
    found = told(json.dumps(document).encode())
    assert [(one.identity.index, one.report.state) for one in found] == [(0, "ok"), (1, "failed"), (3, "failed")]


def test_hottest_stack_of_memory() -> None:
    """Where stacks of HBM are told of one by one, the hottest counts."""
    labels = {f"Temperature (Sensor HBM {stack}) (C)": value for stack, value in enumerate(("40.0", "N/A", "44.0"))}
    (one,) = told(json.dumps({"card0": labels}).encode())
    assert one.report.reading.memory_temperature_celsius == 44.0


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(["card0", "card11", "card", "system", "x"]),
        st.dictionaries(
            st.sampled_from([label for label, _ in BYTES] + ["PID1", "PCI Bus", "pcie clock level"]), st.text()
        )
        | st.text(max_size=3),
    ),
    st.text(max_size=60),
)
def test_anything(document: dict[str, Any], text: str) -> None:
    """Whatever is printed there are cards or Malformed, of JSON and of text."""
    lines = "\n".join(f"GPU[{number}] : {line}" for number, line in enumerate(text.split(" ")))
    for parse, raw in ((parse_json, json.dumps(document)), (parse_text, lines), (parse_text, text), (parse_json, text)):
        try:
            found: Cards = parse(raw.encode("utf-8", "replace"), "rocm-smi")
        except Malformed:
            continue
        assert {one.identity.index for one in told_of(found, 7.0)} <= set(found.cards)
