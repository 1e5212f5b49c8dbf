"""What rocm-smi tells of one GPU, by its labels -> entries as amd-smi would write them, of which records are made.

Source: rocm_smi.py of ROCm 4 to 7. Every value is a text; labels were renamed between releases, and here they are in
lower case. "GFX Activity" and "Memory Activity" are sums over time and no percentages. "Max Graphics Package Power" is
the power cap that is set. "Serial Number" may be 0 or N/A, and names of cards a number where pci.ids is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from nodescope.devices.amd.smi_json import Entry
from nodescope.devices.amd.smi_values import name, number

MAX_LABEL: Final = 128
MAX_STACKS: Final = 16

Labels = Mapping[str, Any]
"""Value by label, in lower case, of one GPU."""


class Label(NamedTuple):
    """A label, where its value stands in what amd-smi writes, and its unit."""

    label: str
    path: str
    unit: str = ""


STATIC: Final = (
    Label("card series", "asic.market_name"),
    Label("device name", "asic.market_name"),
    Label("card model", "asic.market_name"),
    Label("gfx version", "asic.target_graphics_version"),
    Label("unique id", "asic.asic_serial"),
    Label("device id", "asic.device_id"),
    Label("gpu id", "asic.device_id"),
    Label("subsystem id", "asic.subsystem_id"),
    Label("device rev", "asic.rev_id"),
    Label("card vendor", "asic.vendor_name"),
    Label("pci bus", "bus.bdf"),
    Label("vbios version", "vbios.part_number"),
    Label("serial number", "board.product_serial"),
    Label("card sku", "board.model_number"),
    Label("gpu memory vendor", "vram.vendor"),
    Label("(topology) numa node", "numa.node"),
    Label("(topology) numa affinity", "numa.affinity"),
    Label("compute partition", "partition.compute_partition"),
    Label("memory partition", "partition.memory_partition"),
    Label("partition id", "partition.partition_id"),
    Label("max graphics package power (w)", "limit.socket_power", "W"),
)
METRIC: Final = (
    Label("gpu use (%)", "usage.gfx_activity", "%"),
    Label("gpu memory read/write activity (%)", "usage.umc_activity", "%"),
    Label("gpu memory use (%)", "usage.umc_activity", "%"),
    Label("gpu memory allocated (vram%)", "mem_usage.used_vram_percent", "%"),
    Label("avg. memory bandwidth", "usage.avg_memory_bandwidth"),
    Label("gfx activity", "usage.gfx_activity_acc"),
    Label("memory activity", "usage.mem_activity_acc"),
    Label("vram total memory (b)", "mem_usage.total_vram", "B"),
    Label("vram total used memory (b)", "mem_usage.used_vram", "B"),
    Label("vis_vram total memory (b)", "mem_usage.total_visible_vram", "B"),
    Label("vis_vram total used memory (b)", "mem_usage.used_visible_vram", "B"),
    Label("gtt total memory (b)", "mem_usage.total_gtt", "B"),
    Label("gtt total used memory (b)", "mem_usage.used_gtt", "B"),
    Label("temperature (sensor edge) (c)", "temperature.edge", "C"),
    Label("temperature (sensor junction) (c)", "temperature.hotspot", "C"),
    Label("temperature (sensor memory) (c)", "temperature.mem", "C"),
    Label("temperature (sensor mem) (c)", "temperature.mem", "C"),
    Label("current socket graphics package power (w)", "power.current_socket_power", "W"),
    Label("current graphics package power (w)", "power.current_socket_power", "W"),
    Label("socket graphics package power (w)", "power.current_socket_power", "W"),
    Label("average graphics package power (w)", "power.average_socket_power", "W"),
    Label("average socket graphics package power (w)", "power.average_socket_power", "W"),
    Label("voltage (mv)", "power.gfx_voltage", "mV"),
    Label("accumulated energy (uj)", "energy.total_energy_consumption", "uJ"),
    Label("fan speed (%)", "fan.usage", "%"),
    Label("fan rpm", "fan.rpm"),
    Label("pcie replay count", "pcie.replay_count"),
)
CLOCKS: Final = (("sclk", "gfx_0"), ("mclk", "mem_0"), ("socclk", "socclk_0"), ("fclk", "fclk_0"), ("vclk", "vclk_0"))
"""rocm-smi's name of a clock, and amd-smi's."""

_MEGAHERTZ: Final = re.compile(r"\(([0-9]{1,6})mhz\)", re.IGNORECASE)
_LINK: Final = re.compile(r"([0-9.]{1,6}) ?gt/s,? ?x([0-9]{1,2})", re.IGNORECASE)
_FAN_LEVEL: Final = re.compile(r"[0-9]{1,5} \(([0-9]{1,3})%\)")
_HEX_ALONE: Final = re.compile("0[xX][0-9a-fA-F]+")


def normal_label(label: str) -> str:
    """A label as it stands in the tables."""
    return " ".join(label.lower().rstrip(": ").split())[:MAX_LABEL]


def static_entry(card: int, labels: Labels, driver_version: str | None) -> Entry:
    """What does not change, in amd-smi's form."""
    entry: Entry = {"gpu": card, "driver": {"name": "amdgpu", "version": driver_version}}
    for label, path, unit in STATIC:
        value = name(labels.get(label))
        # Where pci.ids is not there to look into the number of the vendor stands in each name's place.
        if value is not None and not (path == "asic.market_name" and _HEX_ALONE.fullmatch(value)):
            _put(entry, path, value, unit)
    return entry


def metric_entry(card: int, labels: Labels) -> Entry:
    """The readings, in amd-smi's form."""
    entry: Entry = {"gpu": card}
    for label, path, unit in METRIC:
        value = name(labels.get(label))
        if value is not None:
            _put(entry, path, value, unit)
    for clock, domain in CLOCKS:
        speed = _clock(labels, clock)
        if speed is not None:
            _put(entry, f"clock.{domain}.clk", speed, "MHz")
    _put_memory_temperature(entry, labels)
    link = _LINK.search(str(labels.get("pcie clock level")))
    if link is not None:
        _put(entry, "pcie.speed", link[1], "GT/s")
        _put(entry, "pcie.width", link[2], "")
    level = _FAN_LEVEL.fullmatch(str(labels.get("fan level")).strip())
    if level is not None:
        _put(entry, "fan.usage", level[1], "%")
    return entry


def _put_memory_temperature(entry: Entry, labels: Labels) -> None:
    """That of the hottest stack, where each tells its own and there is none of all."""
    stacks = (number(labels.get(f"temperature (sensor hbm {stack}) (c)"), "celsius") for stack in range(MAX_STACKS))
    known = [value for value in stacks if value is not None]
    if known:
        _put(entry, "temperature.mem", str(max(known)), "C")


def _clock(labels: Labels, clock: str) -> str | None:
    """ "(500Mhz)" by speed, "0 (500Mhz)" by level, or by "sclk clock level: 0" as text has it."""
    for label, value in labels.items():
        if label.startswith((f"{clock} clock ", f"{clock}0 clock ")):
            found = _MEGAHERTZ.search(str(value))
            if found is not None:
                return found[1]
    return None


def _put(entry: Entry, path: str, value: str, unit: str) -> None:
    """Unless an earlier label has told of it."""
    *groups, last = path.split(".")
    for group in groups:
        entry = entry.setdefault(group, {})
    entry.setdefault(last, {"value": value, "unit": unit} if unit else value)
