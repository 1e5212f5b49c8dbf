"""The collectors of GPUs, and their options. The switches are of the names; the options are of the one sampler."""

from __future__ import annotations

from typing import Final

from nodescope.settings.host import Collects
from nodescope.settings.setting import Setting

GPU: Final[tuple[Collects, ...]] = (
    Collects("gpu", "GPUs, under OpenTelemetry's names"),
    Collects("gpu_dcgm", "NVIDIA GPUs, under dcgm-exporter's names"),
    Collects("gpu_worker", "NVIDIA GPUs, under the names of the worker GPU exporter"),
    Collects("gpu_epic", "GPUs, under the names of MONITOR-POC's mock exporter"),
    Collects("gpu_rocm", "AMD GPUs, under device-metrics-exporter's names"),
    Collects("gpu_conductor", "AMD GPUs, under the names of the conductor GPU exporter"),
    Collects("gpu_lens", "GPUs, under the names of Primus-Lens' node-exporter"),
)

LONGEST_PAUSE_S: Final = 366 * 86_400.0
PAUSE_FOR: Final = Setting("for", "duration", None, "", unit="seconds", minimum=1, maximum=LONGEST_PAUSE_S)
"""How long a pause lasts, as the command and the API take it; no setting of the agent."""

GPU_OPTIONS: Final[tuple[Setting, ...]] = (
    Setting(
        "collector.gpu.interval",
        "duration",
        1.0,
        "Time between two samples of every GPU.",
        unit="seconds",
        minimum=0.1,
        maximum=3600,
    ),
    Setting(
        "collector.gpu.max-age",
        "duration",
        0.0,
        "Oldest reading of a GPU that is shown. 0: three intervals, and at least 5 seconds.",
        unit="seconds",
        minimum=0,
        maximum=3600,
    ),
    Setting(
        "collector.gpu.window",
        "duration",
        30.0,
        "Time over which least, greatest and mean of a reading are taken.",
        unit="seconds",
        minimum=1,
        maximum=3600,
    ),
    Setting(
        "collector.gpu.source",
        "choice",
        "auto",
        "Where NVIDIA's readings come from: the driver's library, nvidia-smi, or whichever of the two works (auto).",
        choices=("auto", "nvml", "nvidia-smi", "simulated"),
    ),
    Setting(
        "collector.gpu.amd-source",
        "choice",
        "auto",
        "Where AMD's readings come from: sysfs, amd-smi, rocm-smi, or the first of them that can be read (auto).",
        choices=("auto", "sysfs", "amd-smi", "rocm-smi"),
    ),
    Setting(
        "collector.gpu.amd-static-interval",
        "duration",
        600.0,
        "Time between two runs of amd-smi, where there is one, for what sysfs does not tell of AMD's GPUs. 0: never.",
        unit="seconds",
        minimum=0,
        maximum=86_400,
    ),
    Setting("collector.gpu.amd-smi", "path", "", "The program amd-smi, where it is not found where it commonly is."),
    Setting("collector.gpu.rocm-smi", "path", "", "The program rocm-smi, where it is not found where it commonly is."),
    Setting(
        "collector.gpu.host-programs",
        "bool",
        False,
        "Run the host's amd-smi and rocm-smi from inside a container: needs the host's PID namespace and the right to "
        "enter it.",
    ),
    Setting(
        "collector.gpu.nvml-library",
        "path",
        "",
        "NVIDIA's library, where it is not found by its name; giving it asks for GPUs even if no driver is seen.",
    ),
    Setting("collector.gpu.nvidia-smi", "path", "", "The program nvidia-smi, where it is not found on the path."),
    Setting(
        "collector.gpu.pause-file",
        "path",
        "/run/nodescope/gpu.paused",
        "While this file is there the driver is given up; see nodescope pause.",
    ),
    Setting("collector.gpu.kmsg", "path", "/dev/kmsg", "Where the kernel log is read for XIDs; empty for nowhere."),
    Setting(
        "collector.gpu.processes",
        "int",
        0,
        "Processes of each GPU that get series of their own, the greatest first; users always have theirs.",
        minimum=0,
        maximum=1000,
    ),
    Setting(
        "collector.gpu_dcgm.fields",
        "path",
        "",
        "A CSV file of dcgm-exporter that chooses the fields, instead of its default lists.",
    ),
    Setting(
        "collector.gpu_dcgm.devices",
        "string",
        "f",
        "What is shown, as --devices there: f for GPUs, but MIG instances of those that have any; g for GPUs, g:0,2-4 "
        "for these; i for MIG instances.",
    ),
    Setting(
        "collector.gpu_dcgm.kubernetes",
        "bool",
        False,
        "Label GPUs with the pod, namespace and container that the kubelet gave them to, as --kubernetes there.",
    ),
    Setting(
        "collector.gpu_dcgm.virtual-gpus",
        "bool",
        False,
        "With kubernetes: show a GPU that pods share once for each of them, with the share as label vgpu, as "
        "--kubernetes-virtual-gpus there.",
    ),
    Setting(
        "collector.gpu_dcgm.hostname",
        "bool",
        True,
        "Label GPUs with the host's name; off as with --no-hostname there.",
    ),
    Setting(
        "collector.gpu_dcgm.old-labels",
        "bool",
        False,
        "Call the labels of GPUs and pods as dcgm-exporter 1.x did (uuid, pod_name), as --use-old-namespace there.",
    ),
    Setting(
        "collector.gpu_dcgm.model-dashes",
        "bool",
        False,
        "Put dashes in place of the blanks of modelName, as --replace-blanks-in-model-name there.",
    ),
    Setting(
        "collector.gpu_conductor.kubernetes",
        "bool",
        False,
        "Label GPUs with the namespace and pod that the kubelet gave them to, and add them up by namespace, as the "
        "conductor GPU exporter does in its newest form.",
    ),
    Setting(
        "collector.gpu_rocm.labels",
        "list",
        (),
        "Labels of device-metrics-exporter that are off by default there: gpu_uuid, card_series, card_vendor, "
        "driver_version, vbios_version.",
    ),
)
