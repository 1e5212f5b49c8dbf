"""The memory controllers of a simulated machine, and the errors that they corrected.

Source: Documentation/admin-guide/RAS/main.rst, drivers/edac/edac_mc_sysfs.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from nodescope.simulate.cpu import Cpus
from nodescope.simulate.load import count
from nodescope.simulate.part import NumberFiles, Reading, Row, texts

_FOLDER: Final = "sys/devices/system/edac/mc"
_CSROWS: Final = 2
_CHANNELS: Final = 2
_DAY_SECONDS: Final = 86_400
_KIBIBYTES_PER_MEBIBYTE: Final = 1024
_BAD: Final = (1, 0, 1)
"""Controller, row, channel of the one module that has errors."""
_ERRORS_PER_BUSY_DAY: Final = 3
_DEVICES: Final = "x4"
_MODE: Final = "S4ECD4ED"
_KIND: Final = "Registered-DDR5"


class _Module(NamedTuple):
    controller: int
    csrow: int
    channel: int

    @property
    def label(self) -> str:
        return f"CPU_SrcID#{self.controller}_MC#0_Chan#{self.channel}_DIMM#{self.csrow}"

    @property
    def folder(self) -> str:
        return f"mc{self.controller}/dimm{self.channel * _CSROWS + self.csrow}"

    @property
    def labels(self) -> dict[str, str]:
        """As they are shown: a number sign has no place in them."""
        places = {"controller": str(self.controller), "csrow": str(self.csrow), "channel": str(self.channel)}
        return places | {"dimm_label": self.label.replace("#", "")}


def edac_part(cpus: Cpus, total_kibibytes: int) -> NumberFiles:
    """One controller for each package; one module has an error now and then, which the controller corrects."""
    modules = [
        _Module(controller, csrow, channel)
        for controller in range(cpus.packages)
        for csrow in range(_CSROWS)
        for channel in range(_CHANNELS)
    ]
    size = total_kibibytes // _KIBIBYTES_PER_MEBIBYTE // len(modules)
    fixed: dict[str, bytes] = {}
    rows: list[Row] = []
    for number in range(cpus.packages):
        controller = {"controller": str(number)}
        fixed |= _controller(number, size)
        rows.append(("node_edac_uncorrectable_errors_total", controller, 0.0))
        rows.append(("node_edac_csrow_correctable_errors_total", controller | {"csrow": "unknown"}, 0.0))
        csrows = ["unknown", *map(str, range(_CSROWS))]
        rows += [("node_edac_csrow_uncorrectable_errors_total", controller | {"csrow": row}, 0.0) for row in csrows]
    for module in modules:
        fixed |= texts(_csrow(module), {f"ch{module.channel}_dimm_label": module.label})
        fixed |= _dimm(module, size)

    def readings(seconds: float) -> Iterator[Reading]:
        errors = count(cpus.busy_total(seconds), _ERRORS_PER_BUSY_DAY) // _DAY_SECONDS
        for controller in range(cpus.packages):
            labels = {"controller": str(controller)}
            found = errors if controller == _BAD[0] else 0
            yield _errors(f"{_FOLDER}/mc{controller}/ce_count", found, "", labels)
            for csrow in range(_CSROWS):
                found = errors if (controller, csrow) == _BAD[:2] else 0
                path = f"{_FOLDER}/mc{controller}/csrow{csrow}/ce_count"
                yield _errors(path, found, "csrow_", labels | {"csrow": str(csrow)})
        for module in modules:
            path = f"{_csrow(module)}/ch{module.channel}_ce_count"
            yield _errors(path, errors if module == _BAD else 0, "channel_", module.labels)
            found = errors if module == _BAD else 0
            yield Reading(f"{_FOLDER}/{module.folder}/dimm_ce_count", found, "", {}, found)

    return NumberFiles(fixed, rows, readings)


def _controller(number: int, size: int) -> dict[str, bytes]:
    """What never changes of a controller and its rows. `size`: MiB of each module."""
    folder = f"{_FOLDER}/mc{number}"
    about = {
        "ce_noinfo_count": 0,
        "max_location": f"channel {_CHANNELS - 1} slot {_CSROWS - 1}",
        "mc_name": f"Intel_10nm Socket#{number} IMC#0",
        "size_mb": size * _CSROWS * _CHANNELS,
        "ue_count": 0,
        "ue_noinfo_count": 0,
    }
    row = {
        "dev_type": _DEVICES,
        "edac_mode": _MODE,
        "mem_type": _KIND,
        "size_mb": size * _CHANNELS,
        "ue_count": 0,
    }
    files = texts(folder, about)
    for csrow in range(_CSROWS):
        files |= texts(f"{folder}/csrow{csrow}", row)
    return files


def _dimm(module: _Module, size: int) -> dict[str, bytes]:
    """What never changes of a module in the folders that kernels have beside those of rows. `size`: MiB."""
    about = {
        "dimm_dev_type": _DEVICES,
        "dimm_edac_mode": _MODE,
        "dimm_label": module.label,
        "dimm_location": f"channel {module.channel} slot {module.csrow} ",
        "dimm_mem_type": _KIND,
        "dimm_ue_count": 0,
        "size": size,
    }
    return texts(f"{_FOLDER}/{module.folder}", about)


def _csrow(module: _Module) -> str:
    return f"{_FOLDER}/mc{module.controller}/csrow{module.csrow}"


def _errors(path: str, errors: int, of: str, labels: dict[str, str]) -> Reading:
    return Reading(path, errors, f"node_edac_{of}correctable_errors_total", labels, float(errors))
