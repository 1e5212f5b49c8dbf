"""Layouts of gpu_metrics of AMD's processors with graphics: formats 2 and 3. Notation: `gpu_metrics_layouts.py`.

*Source*: drivers/gpu/drm/amd/include/kgd_pp_interface.h of Linux, struct gpu_metrics_v2_0 to v3_0.
"""

from __future__ import annotations

from typing import Final

_TEMPERATURES: Final = (
    "temperature_gfx:H temperature_soc:H temperature_core:H8 temperature_l3:H2 average_gfx_activity:H"
    " average_mm_activity:H "
)
_POWERS: Final = (
    "average_socket_power:H average_cpu_power:H average_soc_power:H average_gfx_power:H average_core_power:H8"
    " average_gfxclk_frequency:H average_socclk_frequency:H average_uclk_frequency:H average_fclk_frequency:H"
    " average_vclk_frequency:H average_dclk_frequency:H current_gfxclk:H current_socclk:H current_uclk:H"
    " current_fclk:H current_vclk:H current_dclk:H current_coreclk:H8 current_l3clk:H2 throttle_status:I fan_pwm:H "
)
_V2_1: Final = f"{_TEMPERATURES}system_clock_counter:Q {_POWERS}padding:H3"
_V2_2: Final = f"{_V2_1} indep_throttle_status:Q"
_V2_3: Final = (
    f"{_V2_2} average_temperature_gfx:H average_temperature_soc:H average_temperature_core:H8 average_temperature_l3:H2"
)
_V2_4: Final = (
    f"{_V2_3} average_cpu_voltage:H average_soc_voltage:H average_gfx_voltage:H average_cpu_current:H"
    " average_soc_current:H average_gfx_current:H"
)
_V3_HEAD: Final = (
    "temperature_gfx:H temperature_soc:H temperature_core:H16 temperature_skin:H average_gfx_activity:H"
    " average_vcn_activity:H average_ipu_activity:H8 average_core_c0_activity:H16 average_dram_reads:H"
    " average_dram_writes:H system_clock_counter:Q average_socket_power:I average_ipu_power:H average_apu_power:I"
    " average_gfx_power:I average_dgpu_power:I average_all_core_power:I average_core_power:H16 "
)
_V3_CLOCKS: Final = (
    "stapm_power_limit:H current_stapm_power_limit:H average_gfxclk_frequency:H average_socclk_frequency:H"
    " average_vpeclk_frequency:H average_ipuclk_frequency:H average_fclk_frequency:H average_vclk_frequency:H "
)
_V3_BEHIND: Final = "current_coreclk:H16 current_core_maxfreq:H current_gfx_maxfreq:H "
_V3_RESIDENCIES: Final = (
    "throttle_residency_prochot:I throttle_residency_spl:I throttle_residency_fppt:I throttle_residency_sppt:I"
    " throttle_residency_thm_core:I throttle_residency_thm_gfx:I throttle_residency_thm_soc:I "
)

APU: Final[dict[tuple[int, int], tuple[tuple[int, str], ...]]] = {
    (2, 0): ((120, f"system_clock_counter:Q {_TEMPERATURES}{_POWERS}padding:H"),),
    (2, 1): ((120, _V2_1),),
    (2, 2): ((128, _V2_2),),
    (2, 3): ((152, _V2_3),),
    (2, 4): ((168, _V2_4),),
    # The fields of Linux 6.6, and those since Linux 6.9 under the same revision.
    (3, 0): (
        (224, f"{_V3_HEAD}{_V3_CLOCKS}{_V3_BEHIND}time_filter_alphavalue:I"),
        (
            264,
            f"{_V3_HEAD}average_sys_power:H {_V3_CLOCKS}average_uclk_frequency:H average_mpipu_frequency:H"
            f" {_V3_BEHIND}{_V3_RESIDENCIES}time_filter_alphavalue:I",
        ),
    ),
}
"""(format, content) -> size in bytes and fields of each layout, the smallest first."""
