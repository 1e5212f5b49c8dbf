"""A stand-in for the driver's libnvidia-ml.so.1, for tests: built from the C beside this, told by a script what to say.

    library = build(folder)                                # skips the test where there is no C compiler
    script = Script(tmp_path / "script")
    script.set("memory.used", 12345, gpu=0)
    script.error("nvmlDeviceGetTemperature", 15, gpu=3)
    script.write()                                         # a running process sees it at its next call
    subprocess.run(..., env=os.environ | environment(library, script.path, calls=tmp_path / "calls"))

README.md has the language of the script, machine.c all its keys and what they are unless told.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final, Literal

import pytest

SOURCES: Final = Path(__file__).resolve().parent
LIBRARY: Final = "libnvidia-ml.so.1"
SCRIPT: Final = "fake_nvml"
"""Name of the script in the library's own folder, where the environment names none."""

BUILD_TIMEOUT_S: Final = 120
COMPILE: Final = ["-std=gnu11", "-O1", "-g", "-fPIC", "-fvisibility=hidden", "-pthread", "-Wall", "-Wextra", "-Werror"]

Gpu = int | Literal["*"] | None  # None: the machine
Value = int | float | str

# What a driver of that series does not have yet: `build(folder, missing=missing_in("550.54.15"))`.
FIRST_SEEN: Final[dict[tuple[int, int], tuple[str, ...]]] = {
    (535, 54): (
        "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlDeviceGetSupportedClocksEventReasons",
        "nvmlDeviceGetJpgUtilization",
        "nvmlDeviceGetOfaUtilization",
        "nvmlDeviceGetModuleId",
        "nvmlDeviceGetConfComputeMemSizeInfo",
        "nvmlSystemGetConfComputeState",
        "nvmlSystemGetConfComputeGpusReadyState",
    ),
    (535, 104): ("nvmlDeviceGetRunningProcessDetailList",),
    (535, 161): ("nvmlDeviceGetSramEccErrorStatus",),
    (550, 52): (
        "nvmlDeviceGetGpuFabricInfoV",
        "nvmlDeviceGetNumaNodeId",
        "nvmlDeviceGetPciInfoExt",
        "nvmlDeviceGetProcessesUtilizationInfo",
        "nvmlSystemGetConfComputeSettings",
    ),
    (555, 42): ("nvmlDeviceGetCapabilities",),
    (560, 28): ("nvmlSystemGetDriverBranch",),
    (570, 86): (
        "nvmlDeviceGetFanSpeedRPM",
        "nvmlDeviceGetMarginTemperature",
        "nvmlDeviceGetPlatformInfo",
        "nvmlDeviceGetTemperatureV",
    ),
    (575, 51): ("nvmlDeviceGetHandleByUUIDV",),
    (580, 65): ("nvmlDeviceGetAddressingMode", "nvmlDeviceGetPdi", "nvmlDeviceGetRepairStatus"),
    (590, 44): ("nvmlDeviceGetUnrepairableMemoryFlag_v1",),
    (610, 43): ("nvmlDeviceGetRemappedRows_v2",),
}


def missing_in(driver: str) -> tuple[str, ...]:
    """The symbols of the fake that a driver of this version ("535.86.10") does not have."""
    major, minor = (int(part) for part in driver.split(".")[:2])
    return tuple(name for first, names in FIRST_SEEN.items() if first > (major, minor) for name in names)


def build(folder: Path, missing: Collection[str] = ()) -> Path:
    """The library in `folder`, kept for the next call. To the loader the `missing` symbols are not there."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("no C compiler for the fake libnvidia-ml (Debian packages gcc and libc6-dev)")
    sources = sorted([*SOURCES.glob("*.c"), *SOURCES.glob("*.h")])
    identity = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    objects = folder / f"fake_nvml-{identity}"
    if not objects.is_dir():
        _compile(compiler, sources, objects)
    return _link(compiler, objects, sorted(missing))


def _compile(compiler: str, sources: list[Path], objects: Path) -> None:
    scratch = objects.with_suffix(f".{os.getpid()}")
    scratch.mkdir(parents=True)
    files = [str(path) for path in sources if path.suffix == ".c"]
    _run([compiler, *COMPILE, "-c", *files], scratch)
    scratch.rename(objects)


def _link(compiler: str, objects: Path, missing: list[str]) -> Path:
    variant = objects / ("full" if not missing else hashlib.sha256(" ".join(missing).encode()).hexdigest()[:16])
    if not (variant / LIBRARY).is_file():
        variant.mkdir(exist_ok=True)
        local = "".join(f"{name}; " for name in missing)
        (variant / "symbols").write_text(f"{{ global: nvml*; fake_*; local: {local}*; }};\n")
        files = sorted(str(path) for path in objects.glob("*.o"))
        options = ["-shared", "-pthread", f"-Wl,-soname,{LIBRARY}", "-Wl,--version-script=symbols"]
        _run([compiler, *options, "-o", LIBRARY, *files, "-lm"], variant)
    return variant / LIBRARY


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S)
    assert done.returncode == 0, done.stderr


def environment(library: Path, script: Path, calls: Path | None = None) -> dict[str, str]:
    """What a process needs for pynvml to load the fake in place of the driver's library."""
    variables = {"LD_LIBRARY_PATH": str(library.parent), "FAKE_NVML": str(script)}
    return variables | ({"FAKE_NVML_CALLS": str(calls)} if calls else {})


def beside(library: Path, folder: Path) -> Path:
    """A copy of the library in `folder`, which finds its script there (`SCRIPT`) whatever the environment."""
    folder.mkdir(exist_ok=True)
    return Path(shutil.copy(library, folder / LIBRARY))


class Script:
    """The script of a machine. What is set stays until it is unset; nothing is seen before `write`."""

    def __init__(self, path: Path, count: int = 8, driver: str = "570.86.10") -> None:
        self.path = path
        self._lines: dict[str, str] = {"clock": repr(time.monotonic())}
        self._events = 0
        self.set("count", count)
        self.set("driver", driver)
        self.set("nvml", f"12.{driver}")

    def write(self) -> None:
        """Replace the file at once: a process reads the old script or the new one, never half of it."""
        scratch = self.path.with_suffix(".new")
        scratch.write_text("".join(f"{key} = {value}\n" for key, value in self._lines.items()))
        scratch.replace(self.path)

    def set(self, key: str, value: Value, *, gpu: Gpu = None, instance: int | None = None) -> None:
        """Any line. `value`: a number or text, "LOW .. HIGH" by load, "BASE + RATE/s", "error CODE", "na"."""
        self._lines[_key(key, gpu, instance)] = str(value)

    def unset(self, key: str, *, gpu: Gpu = None, instance: int | None = None) -> None:
        self._lines.pop(_key(key, gpu, instance), None)

    def error(self, call: str, code: int, *, gpu: Gpu = None, instance: int | None = None, after: int = 0) -> None:
        """`call` ("*": any that takes the device) answers `code`, once `after` such calls have passed."""
        self.set(f"error {call}", f"{code} after {after}", gpu=gpu, instance=instance)

    def no_error(self, call: str, *, gpu: Gpu = None, instance: int | None = None) -> None:
        self.unset(f"error {call}", gpu=gpu, instance=instance)

    def hang(self, call: str, seconds: float | None = None, *, gpu: Gpu = None, after: int = 0) -> None:
        """`call` does not return before `seconds` have passed, or `no_hang`."""
        self.set(f"hang {call}", f"{'' if seconds is None else seconds} after {after}", gpu=gpu)

    def no_hang(self, call: str, *, gpu: Gpu = None) -> None:
        self.unset(f"hang {call}", gpu=gpu)

    def field(self, field_id: int, value: Value, *, gpu: Gpu = "*", scope: int | None = None) -> None:
        """A field value, by its id; of the link `scope`, or of every scope."""
        self.set(f"field {field_id}" + ("" if scope is None else f":{scope}"), value, gpu=gpu)

    def gpm(self, metric_id: int, value: Value, *, gpu: Gpu = "*", instance: int | None = None) -> None:
        """A GPM metric, by its id (pynvml.NVML_GPM_METRIC_*)."""
        self.set(f"gpm {metric_id}", value, gpu=gpu, instance=instance)

    def process(self, pid: int, *, gpu: int, type: str = "compute", memory: Value = "na", **used: int) -> None:
        """A process on a GPU. `used`: gi, ci, protected, and percent of sm, mem, enc, dec, jpg, ofa."""
        words = {"type": type, "memory": memory, **used}
        self.set(f"process {pid}", " ".join(f"{name}={value}" for name, value in words.items()), gpu=gpu)

    def no_process(self, pid: int, *, gpu: int) -> None:
        self.unset(f"process {pid}", gpu=gpu)

    def mig(self, gpu: int, instances: dict[int, tuple[int, int, str]]) -> None:
        """Partition a GPU: slot -> (GPU instance, compute instance, profile). Without any it has the mode alone."""
        self.no_mig(gpu)
        self.set("mig", 1, gpu=gpu)
        for slot, (gpu_instance, compute_instance, profile) in instances.items():
            self.set("gi", gpu_instance, gpu=gpu, instance=slot)
            self.set("ci", compute_instance, gpu=gpu, instance=slot)
            self.set("profile", profile, gpu=gpu, instance=slot)

    def no_mig(self, gpu: int) -> None:
        for key in [key for key in self._lines if key.startswith(f"gpu {gpu} instance ")]:
            del self._lines[key]
        self.unset("mig", gpu=gpu)

    def event(self, type: int, data: int, *, gpu: int, count: int = 1, at: float | None = None, **ids: int) -> None:
        """An event, `count` times, each delivered once. `at`: seconds since this script was made. `ids`: gi, ci."""
        self._events += 1
        words = {"gpu": gpu, "type": type, "data": data, "count": count, **ids} | ({} if at is None else {"at": at})
        self.set(f"event {self._events}", " ".join(f"{name}={value}" for name, value in words.items()))

    def xid(self, code: int, *, gpu: int, count: int = 1, at: float | None = None, **ids: int) -> None:
        """As `event`, of type 8."""
        self.event(8, code, gpu=gpu, count=count, at=at, **ids)


def _key(key: str, gpu: Gpu, instance: int | None) -> str:
    where = "" if gpu is None else f"gpu {gpu} "
    return where + ("" if instance is None else f"instance {instance} ") + key


ROW: Final = struct.Struct("=56s33Q")


def calls(path: Path, name: str, gpu: int | None = None) -> int:
    """How often a call was made by the processes that had this FAKE_NVML_CALLS, in all or with this GPU."""
    for name_bytes, total, *by_gpu in ROW.iter_unpack(path.read_bytes() if path.is_file() else b""):
        if name_bytes.rstrip(b"\0") == name.encode():
            return int(total if gpu is None else by_gpu[gpu])
    return 0


def called(path: Path) -> dict[str, int]:
    """All calls that were made, and how often."""
    rows = ROW.iter_unpack(path.read_bytes() if path.is_file() else b"")
    return {name.rstrip(b"\0").decode(): total for name, total, *_ in rows if name.startswith(b"nvml")}
