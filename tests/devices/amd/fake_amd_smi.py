"""Programs that stand for amd-smi, rocm-smi and nsenter: prepared answers, which a test may change between two runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

_SCRIPT: Final = """#!/bin/sh
here="$(dirname "$0")"
echo "$*" >> "$here/runs"
answer="$here/answers/$(echo "$*" | sed 's/--show//g' | tr ' /' '__')"
[ -d "$answer" ] || answer="$here/answers/default"
[ -d "$answer" ] || { echo "error: unrecognized arguments: $*" >&2; exit 2; }
if [ -f "$answer/flood" ]; then exec yes "$(cat "$answer/flood")"; fi
if [ -f "$answer/sleep" ]; then sleep "$(cat "$answer/sleep")"; fi
cat "$answer/stdout"
cat "$answer/stderr" >&2
exit "$(cat "$answer/status")"
"""

_NSENTER: Final = """#!/bin/sh
[ "$1 $2 $3 $4" = "--target 1 --mount --" ] || { echo "nsenter: bad usage: $*" >&2; exit 1; }
shift 4
here="$(dirname "$0")"
if [ -f "$here/refused" ]; then cat "$here/refused" >&2; exit 1; fi
echo "$PATH" > "$here/path"
if [ ! -x "$1" ]; then echo "nsenter: failed to execute $1: No such file or directory" >&2; exit 127; fi
exec "$@"
"""


class FakeTool:
    """`path`: of the program. Arguments for which there is no answer are refused, as by argparse."""

    def __init__(self, folder: Path, name: str = "amd-smi") -> None:
        self.path = folder / name
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.path.write_text(_SCRIPT)
        self.path.chmod(0o755)

    def answer(
        self, arguments: str, stdout: Any = "", status: int = 0, stderr: str = "", sleep_s: float = 0, flood: str = ""
    ) -> None:
        """What it says, from now on, when it is called with these arguments ("default": with any others).

        `stdout`: bytes, text, or what is written as JSON. `flood`: a line that it writes for ever.
        """
        # Many arguments are too long for the name of a file.
        answer = self._folder / "answers" / arguments.replace("--show", "").replace(" ", "_").replace("/", "_")
        answer.mkdir(parents=True, exist_ok=True)
        if not isinstance(stdout, (str, bytes)):
            stdout = json.dumps(stdout, indent=4)
        (answer / "stdout").write_bytes(stdout if isinstance(stdout, bytes) else stdout.encode())
        (answer / "stderr").write_text(stderr)
        (answer / "status").write_text(str(status))
        for name, value in (("sleep", sleep_s), ("flood", flood)):
            (answer / name).unlink(missing_ok=True)
            if value:
                (answer / name).write_text(str(value))

    def runs(self) -> list[str]:
        """The arguments of each run so far."""
        file = self._folder / "runs"
        return file.read_text().splitlines() if file.exists() else []


def fake_nsenter(folder: Path, refused: str = "") -> Path:
    """A program that runs another as nsenter does, or says why it may not."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "nsenter"
    path.write_text(_NSENTER)
    path.chmod(0o755)
    if refused:
        (folder / "refused").write_text(refused)
    return path


def uuid_of(number: int) -> str:
    return f"00000000000000a{number:x}"


def address_of(number: int, partition: int = 0) -> str:
    return f"0000:{number + 0x10:02x}:00.{partition}"


def listed(number: int, gpu: int | None = None, partition: int = 0) -> dict[str, Any]:
    """An entry of `amd-smi list`. `gpu`: that has the partition, if it is not the entry's number."""
    address = address_of(number if gpu is None else gpu, partition)
    return {"gpu": number, "bdf": address.upper(), "uuid": "00ff-0", "kfd_id": 1, "partition_id": partition}


def static(number: int, gpu: int | None = None, **more: Any) -> dict[str, Any]:
    """An entry of `amd-smi static`, shortened."""
    serial = f"0xA{number if gpu is None else gpu:X}"
    return {
        "gpu": number,
        "asic": {"market_name": f"AMD Instinct X{number}", "asic_serial": serial, "oam_id": number},
        "limit": {"ppt0": {"socket_power_limit": {"value": 750, "unit": "W"}}},
        "driver": {"name": "amdgpu", "version": "6.12.12"},
        "vram": {"type": "HBM3", "vendor": "HYNIX", "size": {"value": 196592, "unit": "MB"}, "bit_width": 8192},
        **more,
    }  # fmt: skip


def metric(number: int, use: Any = None, **more: Any) -> dict[str, Any]:
    """An entry of `amd-smi metric`, shortened."""
    return {
        "gpu": number,
        "usage": {"gfx_activity": {"value": 10 + number, "unit": "%"} if use is None else use},
        "power": {"socket_power": {"value": 100 + number, "unit": "W"}},
        "mem_usage": {"total_vram": {"value": 196592, "unit": "MB"}, "used_vram": {"value": 283, "unit": "MB"}},
        **more,
    }


def processes(number: int, *pids: int) -> dict[str, Any]:
    """An entry of `amd-smi process`."""
    told = [{"process_info": {"name": "python3", "pid": pid, "mem_usage": {"value": pid, "unit": "B"}}} for pid in pids]
    return {"gpu": number, "process_list": told or [{"process_info": "No running processes detected"}]}


def node(smi: FakeTool, *numbers: int) -> None:
    """amd-smi of a machine with these GPUs, in the form of ROCm 7."""
    smi.answer("list --json", [listed(number) for number in numbers])
    smi.answer("static --json", {"gpu_data": [static(number) for number in numbers]})
    smi.answer("metric --json", {"gpu_data": [metric(number) for number in numbers]})
    smi.answer("process --json", [processes(number, 100 + number) for number in numbers])
