"""A machine with eight GPUs for the benchmark: the fake library of the tests, and what its script says."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.fake_nvml import SCRIPT, Script, beside, build

GPUS: Final = 8
INSTANCES: Final = 7
PROCESSES: Final = 64
PROCESS_BYTES: Final = 1 << 30
FIRST_GPU_INSTANCE: Final = 7


class NotHere(Exception):
    """The fake library cannot be built. Says why."""


def make(folder: Path, partitioned: bool, pids: Sequence[int] = ()) -> Path:
    """The library to give to `collector.gpu.nvml-library`. Raises `NotHere`.

    Eight H200 under a load that moves, with 64 processes; `partitioned`: in seven MIG instances each.
    `pids`: of processes that are there; else any are taken.
    """
    if shutil.which("cc") is None:
        raise NotHere("no C compiler: the fake driver's library cannot be built")
    library = beside(build(folder), folder / ("mig" if partitioned else "whole"))
    script = Script(library.parent / SCRIPT, count=GPUS)
    script.set("load", "curve")
    # A process that is not there would be taken for a wrong number.
    pids = pids or [int(name) for name in os.listdir("/proc") if name.isdigit()][:PROCESSES]
    for gpu in range(GPUS):
        if partitioned:
            script.mig(gpu, {slot: (FIRST_GPU_INSTANCE + slot, 0, "1g.18gb") for slot in range(INSTANCES)})
        for number in range(PROCESSES // GPUS):
            instance: Any = {"gi": FIRST_GPU_INSTANCE + number % INSTANCES, "ci": 0}
            where: Any = instance if partitioned else {"sm": 10}
            pid = pids[(gpu * PROCESSES // GPUS + number) % len(pids)]
            script.process(pid, gpu=gpu, memory=PROCESS_BYTES, **where)
    script.write()
    return library
