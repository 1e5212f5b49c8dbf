"""What a simulated H200 does while it is busy with something: the table that all its readings come from.

Figures are what such boards draw and move: 75 W when idle, 700 W at most, 132 multiprocessors, 18 NVLinks.
"""

from __future__ import annotations

from typing import Final, NamedTuple

GIB: Final = 1 << 30
MIB: Final = 1 << 20


class Rate(NamedTuple):
    """`fixed` each second, and `varying` times how busy it is at the moment, which is 1 in the mean."""

    fixed: int = 0
    varying: int = 0


NONE: Final = Rate()


class Activity(NamedTuple):
    """One thing that a GPU can be busy with.

    `swing_permille`: by how much it is busier and less busy than in the mean. `power`: milliwatts. `heat`: millionths
    of a degree beyond what the power brings. `busy`, `memory_busy`: percent, in thousandths. `tx`, `rx`: bytes over
    PCIe. `nvlink`: bytes over each NVLink, each way. `throttle_reasons`: NVML's mask. `memory_bytes`: of all its
    processes, `memory_apart_bytes`: by how much one job has more than another.
    """

    swing_permille: int
    power: Rate
    busy: Rate
    memory_busy: Rate
    tx: Rate
    rx: Rate
    nvlink: Rate
    clock_megahertz: int
    memory_bytes: int
    memory_apart_bytes: int
    heat: Rate = NONE
    throttle_reasons: int = 0
    trains: bool = False


IDLE: Final = 0
LOADING: Final = 1
TRAINING: Final = 2
CAPPED: Final = 3
SAVING: Final = 4
SERVING: Final = 5
WAITING: Final = 6
THROTTLED: Final = 7
PARTITIONED: Final = 8

REASON_IDLE: Final = 0x1
REASON_SW_POWER_CAP: Final = 0x4
REASON_HW_SLOWDOWN: Final = 0x8
REASON_HW_THERMAL_SLOWDOWN: Final = 0x40

_TRAINED_BYTES: Final = 122 * GIB
_TRAINED_APART_BYTES: Final = 8 * GIB
_SERVED_BYTES: Final = 96 * GIB
_SERVED_APART_BYTES: Final = 12 * GIB

ACTIVITIES: Final[tuple[Activity, ...]] = (
    Activity(  # idle: no process
        swing_permille=300,
        power=Rate(74_000, 2_000),
        busy=NONE,
        memory_busy=NONE,
        tx=Rate(240_000, 60_000),
        rx=Rate(210_000, 60_000),
        nvlink=NONE,
        clock_megahertz=345,
        memory_bytes=0,
        memory_apart_bytes=0,
        throttle_reasons=REASON_IDLE,
    ),
    Activity(  # loading: the job reads its weights
        swing_permille=200,
        power=Rate(160_000, 30_000),
        busy=Rate(2_000, 6_000),
        memory_busy=Rate(0, 5_000),
        tx=Rate(20_000_000, 10_000_000),
        rx=Rate(2_000_000_000, 16_000_000_000),
        nvlink=NONE,
        clock_megahertz=1_980,
        memory_bytes=48 * GIB,
        memory_apart_bytes=_TRAINED_APART_BYTES,
    ),
    Activity(  # training
        swing_permille=40,
        power=Rate(150_000, 500_000),
        busy=Rate(50_000, 48_000),
        memory_busy=Rate(6_000, 40_000),
        tx=Rate(300_000_000, 900_000_000),
        rx=Rate(400_000_000, 1_100_000_000),
        nvlink=Rate(9_000_000_000, 0),
        clock_megahertz=1_980,
        memory_bytes=_TRAINED_BYTES,
        memory_apart_bytes=_TRAINED_APART_BYTES,
        trains=True,
    ),
    Activity(  # capped: training, and the power limit holds the clocks down
        swing_permille=4,
        power=Rate(200_000, 496_000),
        busy=Rate(100_000, 0),
        memory_busy=Rate(6_000, 46_000),
        tx=Rate(300_000_000, 800_000_000),
        rx=Rate(400_000_000, 1_000_000_000),
        nvlink=Rate(8_000_000_000, 0),
        clock_megahertz=1_755,
        memory_bytes=_TRAINED_BYTES,
        memory_apart_bytes=_TRAINED_APART_BYTES,
        throttle_reasons=REASON_SW_POWER_CAP,
        trains=True,
    ),
    Activity(  # saving: training waits while its state is written
        swing_permille=250,
        power=Rate(170_000, 40_000),
        busy=Rate(4_000, 10_000),
        memory_busy=Rate(0, 8_000),
        tx=Rate(1_000_000_000, 12_000_000_000),
        rx=Rate(30_000_000, 20_000_000),
        nvlink=NONE,
        clock_megahertz=1_980,
        memory_bytes=_TRAINED_BYTES,
        memory_apart_bytes=_TRAINED_APART_BYTES,
    ),
    Activity(  # serving: a burst of requests
        swing_permille=420,
        power=Rate(130_000, 270_000),
        busy=Rate(8_000, 44_000),
        memory_busy=Rate(4_000, 36_000),
        tx=Rate(8_000_000, 90_000_000),
        rx=Rate(12_000_000, 160_000_000),
        nvlink=Rate(300_000_000, 0),
        clock_megahertz=1_980,
        memory_bytes=_SERVED_BYTES,
        memory_apart_bytes=_SERVED_APART_BYTES,
    ),
    Activity(  # waiting: it could serve, and nobody asks
        swing_permille=150,
        power=Rate(116_000, 5_000),
        busy=NONE,
        memory_busy=NONE,
        tx=Rate(300_000, 100_000),
        rx=Rate(300_000, 100_000),
        nvlink=NONE,
        clock_megahertz=1_980,
        memory_bytes=_SERVED_BYTES,
        memory_apart_bytes=_SERVED_APART_BYTES,
    ),
    Activity(  # throttled: too hot, and slowed down by the hardware
        swing_permille=30,
        power=Rate(110_000, 230_000),
        busy=Rate(60_000, 38_000),
        memory_busy=Rate(4_000, 20_000),
        tx=Rate(100_000_000, 400_000_000),
        rx=Rate(150_000_000, 500_000_000),
        nvlink=Rate(3_000_000_000, 0),
        clock_megahertz=1_095,
        memory_bytes=_TRAINED_BYTES,
        memory_apart_bytes=_TRAINED_APART_BYTES,
        heat=Rate(48_000_000, 0),
        throttle_reasons=REASON_HW_SLOWDOWN | REASON_HW_THERMAL_SLOWDOWN,
        trains=True,
    ),
    Activity(  # partitioned: its instances serve
        swing_permille=200,
        power=Rate(140_000, 290_000),
        busy=NONE,
        memory_busy=NONE,
        tx=Rate(10_000_000, 120_000_000),
        rx=Rate(15_000_000, 190_000_000),
        nvlink=NONE,
        clock_megahertz=1_980,
        memory_bytes=0,
        memory_apart_bytes=0,
    ),
)
"""By the numbers above."""
