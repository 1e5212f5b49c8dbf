"""Intel GPUs of a simulated machine: all that its kernel says of them.

Source: Documentation/ABI/testing/sysfs-driver-intel-i915-hwmon, sysfs-driver-intel-xe-hwmon;
Documentation/gpu/drm-usage-stats.rst; drivers/gpu/drm/i915/gt/intel_gt_sysfs_pm.c, drivers/gpu/drm/xe (xe_gt_freq.c,
xe_gt_idle.c, xe_gt_throttle.c) of Linux.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from nodescope.simulate.intel_board import FIRST_PID, Board, IntelOptions, boards
from nodescope.simulate.load import count
from nodescope.simulate.part import Link, Row, texts
from nodescope.simulate.pci_tree import bridges, files, link
from nodescope.simulate.process_files import Process, process_files
from nodescope.simulate.work import Work
from nodescope.simulate.written import START_SECONDS, write_part

_DRM: Final = "sys/class/drm"
_HWMON: Final = "sys/class/hwmon"
_DRM_MAJOR: Final = 226
_MILLION: Final = 1_000_000
_NANOSECOND: Final = 10**6
"""In femtoseconds."""
_PERCENT_OF_ENGINES: Final = {"render": 100, "rcs": 100, "compute": 60, "ccs": 60, "video": 20, "vcs": 20}
_REASONS_TEXT: Final = "pl1 pl2 pl4 thermal prochot ratl vr_thermalert vr_tdc"
_REASONS: Final = tuple(_REASONS_TEXT.split())
_DESCRIPTOR: Final = 7
_SECOND_DESCRIPTOR: Final = 9
_USER_ID: Final = 10_001


class _Moment(NamedTuple):
    busy: float
    busy_ns: int
    microjoules: int
    celsius: int
    megahertz: int
    idle_ms: int


_DEFAULT: Final = IntelOptions()


class IntelPart:
    """Files of all GPUs, and of one process on each."""

    def __init__(self, options: IntelOptions = _DEFAULT) -> None:
        self.options = options
        self.boards = boards(options)
        self._works = [Work(options.seed, f"intel{board.number}") for board in self.boards]
        self._fixed: dict[str, bytes] = {f"{_DRM}/version": b"drm 1.1.0 20060810\n"}
        for board in self.boards:
            self._fixed |= _device(board) | _limits(board) | _process(board)

    def files(self, seconds: float) -> dict[str, bytes]:
        found = dict(self._fixed)
        for board, work in zip(self.boards, self._works, strict=True):
            moment = _moment(board, work, seconds)
            found |= _sensors(board, moment)
            found |= _xe(board, moment) if board.is_xe else _i915(board, moment)
            found |= _clients(board, moment, seconds)
        return found

    def truths(self, seconds: float) -> Iterable[Row]:
        return ()

    def gpu_truths(self, seconds: float) -> Iterable[Row]:
        """What is true of each GPU, in its driver's units and under names of their own."""
        for board, work in zip(self.boards, self._works, strict=True):
            moment, labels = _moment(board, work, seconds), {"pci_address": board.pci.address}
            yield "intel_energy_microjoules", labels, float(moment.microjoules)
            yield "intel_busy_ns", labels, float(moment.busy_ns)
            yield "intel_clock_megahertz", labels, float(moment.megahertz)
            yield "intel_celsius", labels, float(moment.celsius)


def write_intel(root: Path, options: IntelOptions = _DEFAULT, seconds: float = START_SECONDS) -> IntelPart:
    """Write Intel GPUs below `root`, and give what `write_part` moves."""
    part = IntelPart(options)
    write_part(root, part, seconds)
    return part


def _moment(board: Board, work: Work, seconds: float) -> _Moment:
    model = board.model
    busy, done = work.at(seconds), work.integral(seconds)
    more = model.busy_watts - model.idle_watts
    return _Moment(
        busy,
        done // _NANOSECOND,
        int(seconds * model.idle_watts * _MILLION) + count(done, more * _MILLION),
        38 + round(40 * busy),
        model.least_megahertz + round((model.most_megahertz - model.least_megahertz) * busy),
        int(seconds * 1000) - done // _NANOSECOND // _MILLION,
    )


def _device(board: Board) -> dict[str, bytes]:
    """PCI, the card's own switch, and the DRM nodes."""
    found = bridges(board.pci, board.model.link) | files(board.pci)
    for port in board.above:
        found |= files(port)
    folder = board.pci.folder
    for kind, name, minor in (
        ("card", f"card{board.card}", board.card),
        ("render", f"renderD{board.render}", board.render),
    ):
        node = f"{folder}/drm/{name}"
        found[f"{node}/dev"] = f"{_DRM_MAJOR}:{minor}\n".encode()
        found[f"{node}/uevent"] = f"MAJOR={_DRM_MAJOR}\nMINOR={minor}\nDEVNAME=dri/{name}\n".encode()
        found[f"{node}/device"] = link(folder, node)
        found[f"{_DRM}/{name}"] = link(node, _DRM)
        found[f"dev/dri/{name}"] = b""
        found[f"dev/dri/by-path/pci-{board.pci.address}-{kind}"] = link(f"dev/dri/{name}", "dev/dri/by-path")
    return found


def _limits(board: Board) -> dict[str, bytes]:
    """What never changes of sensors and clocks."""
    model, folder = board.model, board.pci.folder
    hwmon = f"{folder}/hwmon/hwmon{board.hwmon}"
    limit = model.limit_watts * _MILLION
    said: dict[str, object] = {"name": model.ids.driver, "power1_max": limit, "power1_rated_max": limit}
    found: dict[str, bytes] = {
        f"{hwmon}/device": link(folder, hwmon),
        f"{_HWMON}/hwmon{board.hwmon}": link(hwmon, _HWMON),
    }
    most, least = model.most_megahertz, model.least_megahertz
    if board.is_xe:
        said |= {"energy1_label": "card", "energy2_label": "pkg", "power1_label": "card", "power2_label": "pkg"}
        said |= {"power2_max": limit, "power2_rated_max": limit, "power1_crit": 2 * limit, "in1_label": "pkg"}
        said |= {"temp2_label": "pkg", "temp3_label": "vram", "temp2_crit": 100_000, "temp3_crit": 105_000}
        clocks = {"max_freq": most, "min_freq": least, "rp0_freq": most, "rpe_freq": 1700, "rpn_freq": least}
        for gt, kind in (("gt0", "rc"), ("gt1", "mc")):
            part = f"{folder}/tile0/{gt}"
            found |= texts(f"{part}/freq0", clocks) | texts(f"{part}/gtidle", {"name": f"{gt}-{kind}"})
        found |= texts(f"{folder}/tile0/memory/freq0", {"max_freq": 2375, "min_freq": 2375})
        found |= texts(folder, {"vram_d3cold_threshold": 300})
        return found | texts(hwmon, said)
    card = f"{folder}/drm/card{board.card}"
    numbers = {
        "max_freq_mhz": most,
        "min_freq_mhz": least,
        "RP0_freq_mhz": most,
        "RP1_freq_mhz": 1000,
        "RPn_freq_mhz": least,
    }
    found |= texts(card, {f"gt_{name}": number for name, number in numbers.items()})
    found |= texts(f"{card}/gt/gt0", {f"rps_{name}": number for name, number in numbers.items()})
    found |= texts(f"{card}/gt/gt0", {"id": 0, "rc6_enable": 1})
    return found | texts(hwmon, said | {"power1_crit": 2 * limit})


def _sensors(board: Board, moment: _Moment) -> dict[str, bytes]:
    said: dict[str, object] = {"energy1_input": moment.microjoules}
    if board.is_xe:
        said |= {"energy2_input": moment.microjoules * 4 // 5, "in1_input": 700 + round(200 * moment.busy)}
        said |= {"temp2_input": moment.celsius * 1000, "temp3_input": (moment.celsius + 6) * 1000}
    else:
        said |= {"in0_input": 700 + round(200 * moment.busy), "temp1_input": moment.celsius * 1000}
    for fan in range(1, board.model.fans + 1):
        said[f"fan{fan}_input"] = 800 + fan * 20 + round(900 * moment.busy)
    return texts(f"{board.pci.folder}/hwmon/hwmon{board.hwmon}", said)


def _i915(board: Board, moment: _Moment) -> dict[str, bytes]:
    card = f"{board.pci.folder}/drm/card{board.card}"
    clocks = {"act_freq_mhz": moment.megahertz, "cur_freq_mhz": moment.megahertz}
    said: dict[str, object] = {f"rps_{name}": number for name, number in clocks.items()}
    said |= {f"throttle_reason_{name}": held for name, held in _held(board).items()} | {
        "rc6_residency_ms": moment.idle_ms
    }
    return {**texts(card, {f"gt_{name}": number for name, number in clocks.items()}), **texts(f"{card}/gt/gt0", said)}


def _xe(board: Board, moment: _Moment) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for gt, clock in (("gt0", moment.megahertz), ("gt1", moment.megahertz // 2)):
        part = f"{board.pci.folder}/tile0/{gt}"
        found |= texts(f"{part}/freq0", {"act_freq": clock, "cur_freq": clock})
        held = {name if name == "status" else f"reason_{name}": value for name, value in _held(board).items()}
        found |= texts(f"{part}/freq0/throttle", held)
        idle = {"idle_residency_ms": moment.idle_ms, "idle_status": "gt-c0"}
        found |= texts(f"{part}/gtidle", idle)
    return found


def _held(board: Board) -> dict[str, int]:
    held = int(board.number in board.options.throttled)
    return {"status": held, **dict.fromkeys(_REASONS, 0), "pl1": held}


def _process(board: Board) -> dict[str, bytes]:
    """A process with two descriptors of one client, as a library that duplicates them has."""
    pid = FIRST_PID + board.number
    node = Link(f"/dev/dri/renderD{board.render}".encode())
    session = f"/user.slice/user-{_USER_ID}.slice/session-6.scope"
    return process_files(Process(pid, "ffmpeg", _USER_ID, session)) | {
        f"proc/{pid}/fd/{_DESCRIPTOR}": node,
        f"proc/{pid}/fd/{_SECOND_DESCRIPTOR}": node,
    }


def _clients(board: Board, moment: _Moment, seconds: float) -> dict[str, bytes]:
    """fdinfo of that client."""
    model = board.model
    used = model.memory_bytes // 1024 * (20 + round(40 * moment.busy)) // 100
    lines: dict[str, object] = {
        "pos": 0,
        "flags": "02100002",
        "mnt_id": 29,
        "ino": 1100 + board.number,
        "drm-driver": model.ids.driver,
        "drm-client-id": 40 + board.number,
        "drm-pdev": board.pci.address,
    }
    region = "vram0" if board.is_xe else "local0"
    for what, kibibytes in (("total", used), ("shared", 0), ("resident", used), ("purgeable", 0)):
        lines[f"drm-{what}-{region}"] = f"{kibibytes} KiB"
        lines[f"drm-{what}-{'gtt' if board.is_xe else 'system0'}"] = f"{2048 if what == 'total' else 0} KiB"
    for engine, instances in model.engines.items():
        done = moment.busy_ns * _PERCENT_OF_ENGINES.get(engine, 0) // 100
        if board.is_xe:
            # Cycles of the GPU's own clock of 19.2 MHz.
            lines[f"drm-cycles-{engine}"] = done * 192 // 10_000
            lines[f"drm-total-cycles-{engine}"] = int(seconds * 10**9) * 192 // 10_000
        else:
            lines[f"drm-engine-{engine}"] = f"{done} ns"
        if instances > 1:
            lines[f"drm-engine-capacity-{engine}"] = instances
    text = "".join(f"{name}:\t{said}\n" for name, said in lines.items()).encode()
    folder = f"proc/{FIRST_PID + board.number}/fdinfo"
    return dict.fromkeys((f"{folder}/{_DESCRIPTOR}", f"{folder}/{_SECOND_DESCRIPTOR}"), text)
