"""What a scrape shows of the sensors of a simulated MI300X.

Source: Documentation/hwmon/sysfs-interface.rst, Documentation/gpu/amdgpu/thermal.rst.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from nodescope.simulate.amd_board import Board
from nodescope.simulate.part import Row

Scale = Callable[[int], float]


def _thousandths(number: int) -> float:
    return number * 0.001


def _millionths(number: int) -> float:
    return number / 1000000.0


_METRICS: Final[dict[str, tuple[str, Scale]]] = {
    "in_input": ("in_volts", _thousandths),
    "power_cap": ("power_cap_watt", _millionths),
    "power_cap_default": ("power_cap_default_watt", _millionths),
    "power_cap_max": ("power_cap_max_watt", _millionths),
    "power_cap_min": ("power_cap_min_watt", _millionths),
    "power_input": ("power_watt", _millionths),
    "temp_crit": ("temp_crit_celsius", _thousandths),
    "temp_crit_hyst": ("temp_crit_hyst_celsius", _thousandths),
    "temp_emergency": ("temp_emergency_celsius", _thousandths),
    "temp_input": ("temp_celsius", _thousandths),
}
"""Type and element of a file -> its metric, and the unit of its number."""
_FILE: Final = re.compile(r"([a-z]+)(\d+)(_\w+)")


def sensor_rows(board: Board, sensors: Mapping[str, object]) -> Iterator[Row]:
    """Of all files of the chip, by name."""
    chip = {"chip": f"{board.pci.above[-1]}_{board.pci.address}".replace(".", "_")}
    yield "node_hwmon_chip_names", chip | {"chip_name": str(sensors["name"])}, 1.0
    for file, said in sensors.items():
        match = _FILE.fullmatch(file)
        if match is None:
            continue
        kind, element, sensor = match[1], match[3], f"{match[1]}{match[2]}"
        if element == "_label":
            yield "node_hwmon_sensor_label", chip | {"sensor": sensor, "label": str(said)}, 1.0
        elif kind == "freq":
            label = str(sensors[f"{sensor}_label"])
            yield "node_hwmon_freq_freq_mhz", chip | {"sensor": label}, _millionths(_number(said))
        else:
            metric, scale = _METRICS[f"{kind}{element}"]
            yield f"node_hwmon_{metric}", chip | {"sensor": sensor}, scale(_number(said))


def _number(said: object) -> int:
    assert isinstance(said, int), said
    return said
