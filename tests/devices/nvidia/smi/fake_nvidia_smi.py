"""A program that stands for nvidia-smi: it gives prepared answers, which a test may change between two runs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from nodescope.host import Host

_SCRIPT: Final = """#!/bin/sh
here="$(dirname "$0")"
echo "$*" >> "$here/runs"
answer="$here/answers/$(echo "$*" | tr ' ' '_')"
[ -d "$answer" ] || { echo "Invalid combination of input arguments."; exit 2; }
if [ -f "$answer/sleep" ]; then sleep "$(cat "$answer/sleep")"; fi
cat "$answer/stdout"
cat "$answer/stderr" >&2
exit "$(cat "$answer/status")"
"""


class FakeNvidiaSmi:
    """`path`: of the program. Arguments for which there is no answer are refused, as by the real one."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "nvidia-smi"
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.path.write_text(_SCRIPT)
        self.path.chmod(0o755)

    def answer(
        self, arguments: str, stdout: str | bytes = "", status: int = 0, stderr: str = "", sleep_s: float = 0
    ) -> None:
        """What it says, from now on, when it is called with these arguments."""
        answer = self._folder / "answers" / arguments.replace(" ", "_")
        answer.mkdir(parents=True, exist_ok=True)
        (answer / "stdout").write_bytes(stdout if isinstance(stdout, bytes) else stdout.encode())
        (answer / "stderr").write_text(stderr)
        (answer / "status").write_text(str(status))
        (answer / "sleep").unlink(missing_ok=True)
        if sleep_s:
            (answer / "sleep").write_text(str(sleep_s))

    def all_answers(self, stdout: str = "", status: int = 0, stderr: str = "") -> None:
        """The same for XML, text and list."""
        for arguments in ("-q -x", "-q", "-L"):
            self.answer(arguments, stdout, status, stderr)

    def runs(self) -> list[str]:
        """The arguments of each run so far."""
        file = self._folder / "runs"
        return file.read_text().splitlines() if file.exists() else []


def empty_host(folder: Path) -> Host:
    """A machine in this folder on which there is nothing."""
    for name in ("proc", "sys"):
        (folder / name).mkdir()
    return Host(procfs=str(folder / "proc"), sysfs=str(folder / "sys"))


def gpu_xml(number: int, body: str = "", temperature: str = "40 C", uuid: str | None = None) -> str:
    """A GPU as `-q -x` tells of it, shortened; `body` comes first."""
    address = f"{number + 1:02X}:00.0"
    return f"""<gpu id="00000000:{address}">
        {body}
        <product_name>NVIDIA X{number}</product_name>
        <uuid>{uuid_of(number) if uuid is None else uuid}</uuid>
        <minor_number>{number}</minor_number>
        <pci><pci_bus_id>00000000:{address}</pci_bus_id></pci>
        <fb_memory_usage><total>1000 MiB</total><used>10 MiB</used><free>990 MiB</free></fb_memory_usage>
        <utilization><gpu_util>{number} %</gpu_util></utilization>
        <temperature><gpu_temp>{temperature}</gpu_temp></temperature>
        <performance_state>P0</performance_state>
    </gpu>"""


def log_xml(*gpus: str, attached: int | None = None) -> str:
    """A whole output of `-q -x`."""
    return f"""<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">
<nvidia_smi_log>
    <driver_version>570.1</driver_version>
    <cuda_version>12.8</cuda_version>
    <attached_gpus>{len(gpus) if attached is None else attached}</attached_gpus>
    {"".join(gpus)}
</nvidia_smi_log>
"""


def log_text(*numbers: int) -> str:
    """A whole output of `-q`, shortened."""
    head = f"\n==============NVSMI LOG==============\n\nDriver Version   : 570.1\nAttached GPUs    : {len(numbers)}\n"
    return head + "".join(_gpu_text(number) for number in numbers)


def uuid_of(number: int) -> str:
    return f"GPU-{number:08x}-1111-2222-3333-444444444444"


def address_of(number: int) -> str:
    return f"0000:{number + 1:02x}:00.0"


def mig_xml(index: int, gpu_instance: int, compute_instance: int) -> str:
    """A MIG device, as it stands between <mig_devices> and its end."""
    return f"""<mig_device>
        <index>{index}</index>
        <gpu_instance_id>{gpu_instance}</gpu_instance_id>
        <compute_instance_id>{compute_instance}</compute_instance_id>
        <device_attributes><shared><multiprocessor_count>14</multiprocessor_count></shared></device_attributes>
        <ecc_error_count><volatile_count><sram_uncorrectable>3</sram_uncorrectable></volatile_count></ecc_error_count>
        <fb_memory_usage><total>4864 MiB</total><reserved>0 MiB</reserved><used>7 MiB</used><free>4857 MiB</free>
        </fb_memory_usage>
        <bar1_memory_usage><total>8191 MiB</total><used>0 MiB</used><free>8191 MiB</free></bar1_memory_usage>
    </mig_device>"""


def _gpu_text(number: int) -> str:
    return f"""GPU 00000000:{number + 1:02X}:00.0
    Product Name               : NVIDIA X{number}
    GPU UUID                   : {uuid_of(number)}
    Minor Number               : {number}
    Temperature
        GPU Current Temp       : 41 C
    Processes                  : None
"""
