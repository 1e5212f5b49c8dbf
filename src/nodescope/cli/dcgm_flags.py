"""dcgm-exporter's flags as nodescope's own.

Source: the flags of NVIDIA/dcgm-exporter 4 (long ones with two dashes or one, short ones with one; `--switch=false`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from nodescope.settings.value import in_form

SHORT: Final[dict[str, str]] = {
    "a": "address",
    "c": "collect-interval",
    "d": "devices",
    "f": "collectors",
    "k": "kubernetes",
    "m": "configmap-data",
    "n": "no-hostname",
    "o": "use-old-namespace",
    "p": "cpu-devices",
    "r": "remote-hostengine-info",
    "rbmn": "replace-blanks-in-model-name",
    "s": "switch-devices",
    "x": "xid-count-window-size",
}
VALUES: Final[dict[str, tuple[str, str]]] = {
    "address": ("--web.listen-address", "{}"),
    "collect-interval": ("--collector.gpu.interval", "{}ms"),
    "collectors": ("--collector.gpu_dcgm.fields", "{}"),
    "devices": ("--collector.gpu_dcgm.devices", "{}"),
    "log-format": ("--log.format", "{}"),
    "pod-resources-kubelet-socket": ("--collector.kubelet.pod-resources-socket", "{}"),
    "web-config-file": ("--web.config.file", "{}"),
    "web-read-timeout": ("--web.request-timeout", "{}"),
}
"""A flag with a value -> the flag here, and the form of the value."""

SWITCHES: Final[dict[str, str]] = {
    "debug": "--log.level=debug",
    "kubernetes": "--collector.gpu_dcgm.kubernetes",
    "kubernetes-virtual-gpus": "--collector.gpu_dcgm.virtual-gpus",
    "no-hostname": "--no-collector.gpu_dcgm.hostname",
    "replace-blanks-in-model-name": "--collector.gpu_dcgm.model-dashes",
    "use-old-namespace": "--collector.gpu_dcgm.old-labels",
    "web-systemd-socket": "--web.systemd-socket",
}
NO_VALUES: Final = frozenset(
    {
        "clock-events-count-window-size",
        "configmap-data",
        "container-runtime-socket",
        "cpu-devices",
        "dcgm-log-level",
        "dump-directory",
        "dump-retention",
        "gpu-bind-unbind-poll-interval",
        "hpc-job-mapping-dir",
        "kubernetes-gpu-id-type",
        "kubernetes-pod-label-allowlist-regex",
        "nvidia-resource-names",
        "remote-hostengine-info",
        "switch-devices",
        "web-write-timeout",
        "xid-count-window-size",
    }
)
"""Flags with a value that have nothing to act on here."""

NO_SWITCHES: Final = frozenset(
    {
        "container-labels",
        "disable-startup-validate",
        "dump-compression",
        "dump-enabled",
        "enable-dcgm-log",
        "enable-gpu-bind-unbind-watch",
        "enable-pprof",
        "fake-gpus",
        "kubernetes-enable-dra",
        "kubernetes-enable-pod-labels",
        "kubernetes-enable-pod-uid",
    }
)
_FALSE: Final = frozenset({"0", "f", "false"})


def translated(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The same command line in nodescope's flags, and a warning for each flag that has no effect. What is not
    dcgm-exporter's is left as it is: nodescope's own flags work too."""
    flags: list[str] = []
    warnings: list[str] = []
    words = list(arguments)
    while words:
        word = words.pop(0)
        given, equals, value = word.lstrip("-").partition("=")
        name = SHORT.get(given, given) if word.startswith("-") else ""
        if name in VALUES or name in NO_VALUES:
            if not equals and words:
                value = words.pop(0)
            if name in VALUES:
                flag, form = VALUES[name]
                flags.append(f"{flag}={in_form(form, value)}")
            else:
                warnings.append(f"--{name} has no effect here")
        elif name in SWITCHES:
            flags += _opposite(SWITCHES[name]) if value.lower() in _FALSE else [SWITCHES[name]]
        elif name in NO_SWITCHES:
            warnings += [] if value.lower() in _FALSE else [f"--{name} has no effect here"]
        else:
            flags.append(word)
    return flags, warnings


def _opposite(flag: str) -> list[str]:
    """A switch the other way, which the environment must not turn back; none for a flag with a value."""
    if "=" in flag:
        return []
    return [f"--{flag.removeprefix('--no-')}" if flag.startswith("--no-") else f"--no-{flag.removeprefix('--')}"]
