"""The files of AMD's driver for each simulated MI300X: its device, its sensors, its DRM nodes, its partitions.

Source: Documentation/gpu/amdgpu of Linux (driver-misc, thermal, ras, process-isolation); drivers/gpu/drm/amd/amdgpu
(amdgpu_xcp.c, amdgpu_ras.c), drivers/gpu/drm/amd/amdxcp/amdgpu_xcp_drv.c.
"""

from __future__ import annotations

from typing import Final

from nodescope.simulate.amd_activity import IDLE_MEGAHERTZ, LIMIT_WATTS, MOST_MEGAHERTZ, Moment
from nodescope.simulate.amd_board import GTT_BYTES, MIB, MODEL, PARTITIONS, VBIOS, VRAM_BYTES, XCCS, Board
from nodescope.simulate.amd_gpu_metrics import Values, encode, encode_partition
from nodescope.simulate.part import texts
from nodescope.simulate.pci_tree import bridges, files, link

DRM: Final = "sys/class/drm"
HWMON: Final = "sys/class/hwmon"
PLATFORM: Final = "sys/devices/platform"
DRM_MAJOR: Final = 226
_RAS_BLOCKS: Final = "umc sdma gfx mmhub athub pcie_bif hdp xgmi_wafl df smn sem mp0 mp1 fuse mca vcn jpeg ih mpio"
_MICROWATTS: Final = 1_000_000
_FIRMWARE: Final = {"smc": 0x00557300, "mec": 0xB1, "rlc": 0x46, "sdma": 0x18, "vcn": 0x09118007, "psp_sos": 0x36003F}
_CRITICAL: Final = {"temp2": (100, 105), "temp3": (105, 110)}
_LABELS: Final = {
    "power1_label": "PPT",
    "temp2_label": "junction",
    "temp3_label": "mem",
    "freq1_label": "sclk",
    "freq2_label": "mclk",
    "in0_label": "vddgfx",
}
_JPEGS: Final = 32
_VCNS: Final = 4


def fixed(board: Board) -> dict[str, bytes]:
    """What never changes."""
    folder = board.pci.folder
    hwmon = f"{folder}/hwmon/hwmon{board.hwmon}"
    found = {
        **bridges(board.pci),
        **files(board.pci),
        **texts(folder, _identity(board)),
        **texts(folder, {f"fw_version/{name}_fw_version": f"0x{number:08x}" for name, number in _FIRMWARE.items()}),
        **texts(f"{folder}/ras", _errors(board)),
        **texts(hwmon, limits()),
        f"{hwmon}/device": link(folder, hwmon),
        f"{HWMON}/hwmon{board.hwmon}": link(hwmon, HWMON),
        **_nodes(folder, board.card(0), board.render(0), f"pci-{board.pci.address}"),
    }
    if board.number in board.options.suspended:
        found |= texts(folder, {"power/runtime_status": "suspended", "power/control": "auto"})
    for part in range(1, XCCS):
        platform = f"{PLATFORM}/{board.platform(part)}"
        found[f"{platform}/uevent"] = f"MODALIAS=platform:{board.platform(part)}\n".encode()
        found |= _nodes(platform, board.card(part), board.render(part), f"platform-{board.platform(part)}")
    return found


def moving(board: Board, moment: Moment, used_bytes: int) -> dict[str, bytes]:
    """What changes. `used_bytes`: of its memory."""
    folder = board.pci.folder
    percent = round(100 * moment.mean)
    said: dict[str, object] = {
        "gpu_busy_percent": percent,
        "mem_busy_percent": percent * 2 // 5,
        "mem_info_vram_used": used_bytes,
        "mem_info_vis_vram_used": used_bytes,
        "mem_info_gtt_used": 94 * MIB + round(2048 * moment.mean) * MIB,
        "pp_dpm_sclk": _levels((IDLE_MEGAHERTZ, MOST_MEGAHERTZ), moment.megahertz[0]),
        "pp_dpm_mclk": _levels((900, 1100, 1200, 1300), moment.memory_megahertz),
        "pp_dpm_socclk": _levels((29, 1143), 1143 if moment.mean else 29),
        "pp_dpm_fclk": _levels((1200, 2000), 2000 if moment.mean else 1200),
        "pp_dpm_vclk": _levels((29, 1333), 29),
        "pp_dpm_dclk": _levels((22, 1143), 22),
    }
    found = {**texts(folder, said), **texts(f"{folder}/hwmon/hwmon{board.hwmon}", sensors(moment))}
    found[f"{folder}/gpu_metrics"] = _metrics(board, moment)
    for part in range(board.options.partitions):
        place = f"{PLATFORM}/{board.platform(part)}" if part else folder
        found[f"{place}/xcp/xcp_metrics"] = encode_partition(_of_partition(board, moment, part, 40))
    return found


def limits() -> dict[str, object]:
    """What never changes of the sensors."""
    limit = LIMIT_WATTS * _MICROWATTS
    found: dict[str, object] = {"name": "amdgpu", "power1_cap_min": 0, **_LABELS}
    found |= dict.fromkeys(("power1_cap", "power1_cap_max", "power1_cap_default"), limit)
    for sensor, (critical, emergency) in _CRITICAL.items():
        found |= {f"{sensor}_crit": critical * 1000, f"{sensor}_crit_hyst": -273_150}
        found[f"{sensor}_emergency"] = emergency * 1000
    return found


def sensors(moment: Moment) -> dict[str, object]:
    """What the sensors read."""
    return {
        "power1_input": moment.watts * _MICROWATTS,
        "temp2_input": moment.celsius * 1000,
        "temp3_input": moment.memory_celsius * 1000,
        "freq1_input": max(moment.megahertz) * 1_000_000,
        "freq2_input": moment.memory_megahertz * 1_000_000,
        "in0_input": 720 + round(100 * moment.mean),
    }


def _identity(board: Board) -> dict[str, object]:
    options = board.options
    return {
        "unique_id": f"{board.unique_id:016x}",
        "serial_number": board.serial,
        "product_name": MODEL,
        "product_number": "102-G30211-0C",
        "manufacturer": "AMD",
        "fru_id": f"113-AMDG302{board.number:02d}",
        "vbios_version": VBIOS,
        "board_info": "type : oam",
        "mem_info_vram_total": VRAM_BYTES,
        "mem_info_vis_vram_total": VRAM_BYTES,
        "mem_info_gtt_total": GTT_BYTES,
        "mem_info_vram_vendor": "hynix",
        "power_dpm_force_performance_level": "auto",
        "power_dpm_state": "performance",
        "pcie_replay_count": board.number % 2,
        "current_compute_partition": options.compute_partition,
        "available_compute_partition": ", ".join(PARTITIONS),
        "current_memory_partition": options.memory_partition,
        "available_memory_partition": "NPS1, NPS4",
        "xgmi_device_id": board.key,
        "xgmi_physical_id": board.number,
        "thermal_throttling_logging": f"{board.pci.address}: thermal throttling logging is enabled, every 60 seconds",
    }


def _errors(board: Board) -> dict[str, object]:
    found: dict[str, object] = {f"{block}_err_count": "ue: 0\nce: 0" for block in _RAS_BLOCKS.split()}
    broken = board.number in board.options.broken
    found["umc_err_count"] = f"ue: {int(broken)}\nce: {4 * broken + board.number}\nde: {board.number % 2}"
    pages = ["0x0000000000a7f3c4 : 0x00001000 : R"] if broken else []
    return found | {"features": "feature mask: 0x6fbff", "gpu_vram_bad_pages": "\n".join(pages)}


def _nodes(folder: str, card: int, render: int, path: str) -> dict[str, bytes]:
    """The two DRM nodes of a device, and their names under /dev."""
    found: dict[str, bytes] = {}
    for kind, name, minor in (("card", f"card{card}", card), ("render", f"renderD{render}", render)):
        node = f"{folder}/drm/{name}"
        found[f"{node}/dev"] = f"{DRM_MAJOR}:{minor}\n".encode()
        found[f"{node}/uevent"] = f"MAJOR={DRM_MAJOR}\nMINOR={minor}\nDEVNAME=dri/{name}\n".encode()
        found[f"{node}/device"] = link(folder, node)
        found[f"{DRM}/{name}"] = link(node, DRM)
        found[f"dev/dri/{name}"] = b""
        found[f"dev/dri/by-path/{path}-{kind}"] = link(f"dev/dri/{name}", "dev/dri/by-path")
    return found


def _levels(levels: tuple[int, ...], current: int) -> str:
    """As pp_dpm_* write them: the star marks the current one, which may be none of the levels."""
    lines = list(levels)
    if current not in lines:
        lines.insert(1, current)
    return "\n".join(f"{number}: {level}Mhz{' *' if level == current else ''}" for number, level in enumerate(lines))


def _metrics(board: Board, moment: Moment) -> bytes:
    form, content = board.options.metrics
    ticks = int(moment.seconds * 1000)
    percent = round(100 * moment.mean)
    done = sum(moment.done_ms) // len(moment.done_ms)
    links = [0 if peer == board.number else moment.xgmi_kibibytes + peer for peer in range(XCCS)]
    values: dict[str, object] = {
        "temperature_hotspot": moment.celsius,
        "temperature_mem": moment.memory_celsius,
        "temperature_vrsoc": moment.celsius - 3,
        "curr_socket_power": moment.watts,
        "average_gfx_activity": percent,
        "average_umc_activity": percent * 2 // 5,
        "energy_accumulator": moment.energy,
        "system_clock_counter": int(moment.seconds * 10**9),
        "accumulation_counter": ticks % 2**32,
        "prochot_residency_acc": 0,
        "ppt_residency_acc": ticks // 500 % 2**32,
        "socket_thm_residency_acc": ticks // 90_000,
        "vr_thm_residency_acc": 0,
        "hbm_thm_residency_acc": 0,
        "gfxclk_lock_status": 0,
        "pcie_link_width": 16,
        "pcie_link_speed": 320,
        "xgmi_link_width": 16,
        "xgmi_link_speed": 32,
        "gfx_activity_acc": done // 10 % 2**32,
        "mem_activity_acc": done // 25 % 2**32,
        "pcie_bandwidth_acc": ticks * 12,
        "pcie_bandwidth_inst": 12 + percent,
        "pcie_l0_to_recov_count_acc": 1,
        "pcie_replay_count_acc": board.number % 2,
        "pcie_replay_rover_count_acc": 0,
        "pcie_nak_sent_count_acc": 0,
        "pcie_nak_rcvd_count_acc": 0,
        "xgmi_read_data_acc": links,
        "xgmi_write_data_acc": links,
        "firmware_timestamp": int(moment.seconds * 10**8),
        "current_gfxclk": moment.megahertz,
        "current_socclk": [1143 if moment.mean else 29] * 4,
        "current_vclk0": [29] * _VCNS,
        "current_dclk0": [22] * _VCNS,
        "current_uclk": moment.memory_megahertz,
        "num_partition": board.options.partitions,
        "pcie_lc_perf_other_end_recovery": 0,
    }
    if content > 6:
        values |= {
            "mem_max_bandwidth": 5300,
            "xgmi_link_status": [int(peer != board.number) for peer in range(XCCS)],
        }
    jpegs = 40 if content > 7 else _JPEGS
    parts = [_of_partition(board, moment, part, jpegs) for part in range(board.options.partitions)]
    known = {"gfx_busy_inst", "jpeg_busy", "vcn_busy", "gfx_busy_acc"}
    if content < 8:
        parts = [{name: value for name, value in part.items() if name in known} for part in parts]
    else:
        own = ("current_gfxclk", "current_socclk", "current_vclk0", "current_dclk0", "current_uclk")
        parts = [{name: value for name, value in part.items() if name not in own} for part in parts]
    return encode(form, content, values, parts)  # type: ignore[arg-type]


def _of_partition(board: Board, moment: Moment, part: int, jpegs: int) -> Values:
    parts = len(moment.busy)
    xccs = XCCS // parts
    percent = round(100 * moment.busy[part])
    ticks = int(moment.seconds * 1000)
    return {
        "current_gfxclk": moment.megahertz[part * xccs : (part + 1) * xccs],
        "current_socclk": [1143 if moment.mean else 29],
        "current_vclk0": [29] * max(1, _VCNS // parts),
        "current_dclk0": [22] * max(1, _VCNS // parts),
        "current_uclk": moment.memory_megahertz,
        "gfx_busy_inst": [percent] * xccs,
        "jpeg_busy": [0] * max(_JPEGS // _VCNS, min(jpegs, _JPEGS) // parts),
        "vcn_busy": [0] * max(1, _VCNS // parts),
        "gfx_busy_acc": [moment.done_ms[part]] * xccs,
        "gfx_below_host_limit_ppt_acc": [ticks // 500] * xccs,
        "gfx_below_host_limit_thm_acc": [ticks // 90_000] * xccs,
        "gfx_low_utilization_acc": [ticks - moment.done_ms[part]] * xccs,
        "gfx_below_host_limit_total_acc": [ticks // 450] * xccs,
    }
