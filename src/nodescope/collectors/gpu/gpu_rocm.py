"""AMD GPUs under device-metrics-exporter's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from nodescope.collectors.columns import Shown, metrics
from nodescope.collectors.gpu.node_name import node_name
from nodescope.collectors.gpu.rocm_entries import made
from nodescope.collectors.joined import Loop
from nodescope.host import Host
from nodescope.metric import Family, Metric
from nodescope.profiles.gpu_rocm import FURTHER_LABELS, LABELS, PROFILE, profile
from nodescope.settings import Settings, SettingsError
from nodescope.settings.value import MAX_SHOWN

LABELS_KEY: Final = "collector.gpu_rocm.labels"


class GpuRocmCollector:
    """What device-metrics-exporter shows of AMD GPUs: its names, labels, units and quirks, from sysfs.

    *Source*: the newest snapshot of the sampler of AMD's GPUs. *Units*: the exporter's: degrees Celsius, watts,
    microjoules, millivolts, MHz, MiB, KiB, percent, GT/s. *Absent when*: amdgpu is not loaded; a value that the GPU
    does not tell. *Cost*: see `Shown`.
    """

    name: ClassVar[str] = "gpu_rocm"
    metrics: ClassVar[tuple[Metric, ...]] = metrics(PROFILE)
    left_out: int = 0

    def __init__(self, loop: Loop, hostname: str, further_labels: Sequence[str] = ()) -> None:
        self._loop = loop
        self._hostname = hostname
        self._shown = Shown(profile(further_labels))

    def collect(self) -> list[Family]:
        return self._shown.families(self._loop.fresh(), lambda records: made(records, self._hostname))


def further_labels(settings: Settings) -> tuple[str, ...]:
    """Labels that were asked for, in lower case as in the exporter's own configuration; its usual ones are no error.

    One flag may have several, with commas between.
    """
    words = ",".join(settings[LABELS_KEY]).split(",")
    asked = tuple(dict.fromkeys(word.strip().lower() for word in words if word.strip()))
    usual = {name for name, _ in LABELS}
    for name in asked:
        if name not in FURTHER_LABELS and name not in usual:
            raise SettingsError(
                f"{settings.origin(LABELS_KEY)}: {LABELS_KEY} has {name[:MAX_SHOWN]!r}, expected some of "
                f"{', '.join(FURTHER_LABELS)}"
            )
    return tuple(name for name in asked if name in FURTHER_LABELS)


def build(host: Host, settings: Settings, loop: Loop) -> GpuRocmCollector:
    return GpuRocmCollector(loop, node_name(), further_labels(settings))
