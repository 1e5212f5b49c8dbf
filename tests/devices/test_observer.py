"""What a source's reports become in a snapshot."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nodescope.devices.gpu_past import GpuPast
from nodescope.devices.observer import GpuObserver, NoXids, Parts
from nodescope.devices.source import Observed, SourceFailed
from nodescope.health.hold import changes
from nodescope.health.rule import VALUES
from nodescope.host import Absent, Host
from nodescope.records.gpu import GpuIdentity, GpuReading, GpuReport, InstanceIdentity, InstanceReading
from nodescope.records.gpu_snapshot import (
    DroppedReadings,
    Gpu,
    GpuEcc,
    GpuHealth,
    GpuInstance,
    GpuLink,
    GpuProcess,
    GpuSource,
    GpuThrottle,
)
from tests.devices.gpu_reports import report

FIRST = GpuIdentity(vendor="nvidia", uuid="GPU-1", index=0, pci_address="0000:18:00.0", model="NVIDIA H200")
SECOND = GpuIdentity(vendor="nvidia", uuid="GPU-2", index=1, pci_address="0000:2a:00.0")


class Told:
    """A source that gives what it is told to, and health that says what it is told to."""

    def __init__(self) -> None:
        self.observed: Observed | Exception = Observed(1, (FIRST, SECOND), (), ())
        self.waits: list[float] = []
        self.closed = False
        self.examinations = 0
        self.verdicts: tuple[GpuHealth, ...] = ()
        self.interval_s = 0.0

    def observe(self, timeout_s: float) -> Observed:
        self.waits.append(timeout_s)
        if isinstance(self.observed, Exception):
            raise self.observed
        return self.observed

    def status(self) -> GpuSource:
        return GpuSource(vendor="nvidia", kind="nvml", state="ok", interval_seconds=self.interval_s)

    def close(self) -> None:
        self.closed = True

    def examined(self, *seen: Any) -> tuple[GpuHealth, ...]:
        self.examinations += 1
        return self.verdicts

    def tells(self, *reports: GpuReport, gpus: Sequence[GpuIdentity] = (FIRST, SECOND), **more: Any) -> None:
        fields: dict[str, Any] = {"generation": 1, "gpus": tuple(gpus), "instances": (), "reports": reports, **more}
        self.observed = Observed(**fields)


class Published(list[tuple[str, str, Mapping[str, str]]]):
    """Events, in order."""

    def __call__(self, kind: str, subject: str, attributes: Mapping[str, str]) -> None:
        self.append((kind, subject, attributes))

    @property
    def kinds(self) -> list[tuple[str, str]]:
        return [(kind, subject) for kind, subject, _ in self]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
def parts(told: Told, published: Published, tmp_path: Path) -> Parts:
    drm = tmp_path / "bus/pci/devices/0000:18:00.0/drm"
    for name in ("card10", "renderD138"):
        (drm / name).mkdir(parents=True)
    return Parts(
        vendor="nvidia",
        source=told,
        throttles=lambda identity, reading: (
            (GpuThrottle(identity=identity, reason="sw_power_cap", active=1),) if reading.throttle_reasons else ()
        ),
        xids=NoXids(),
        past=GpuPast(told),
        changes=lambda before, after: [("gpu.health", verdict.identity.uuid, {}) for verdict in after],
        named=lambda processes: tuple(msgspec.structs.replace(process, user="alice") for process in processes),
        publish=published,
    )


@pytest.fixture
def observer(parts: Parts, tmp_path: Path) -> GpuObserver:
    return GpuObserver(Host(sysfs=str(tmp_path)), parts, interval_s=1.0, max_age_s=5.0, window_s=30.0)


def of(kind: type, records: Sequence[Any]) -> list[Any]:
    return [record for record in records if type(record) is kind]


def fresh(uuid: str = "GPU-1", **reading: Any) -> GpuReport:
    return report(time.monotonic() - 0.5, uuid, **reading)


def test_everything_of_a_report_is_in_the_snapshot(told: Told, observer: GpuObserver) -> None:
    """A GPU's reading, links, ECC, processes, throttling and its completed identity are records of one snapshot."""
    told.tells(fresh(), fresh("GPU-2"))
    records = observer.sample()
    first, second = of(Gpu, records)
    assert (first.identity.dri_card, first.identity.dri_render) == ("card10", "renderD138")
    assert (first.up, first.state, first.reading.utilization_percent) == (1, "ok", 97)
    assert 0.4 < first.age_seconds < 5
    assert second.identity.dri_card is None
    assert [(link.identity.uuid, link.reading.link) for link in of(GpuLink, records)] == [
        ("GPU-1", 0),
        ("GPU-1", 1),
        ("GPU-2", 0),
        ("GPU-2", 1),
    ]
    assert [ecc.reading.errors for ecc in of(GpuEcc, records)] == [3, 3]
    assert [(process.reading.pid, process.reading.user) for process in of(GpuProcess, records)] == [(4242, "alice")] * 2
    assert [(throttle.reason, throttle.window_count) for throttle in of(GpuThrottle, records)] == [
        ("sw_power_cap", 1),
        ("sw_power_cap", 1),
    ]
    assert len(of(GpuSource, records)) == 1


def test_an_old_reading_is_not_shown(told: Told, observer: GpuObserver) -> None:
    """A reading older than the limit is empty, without links or processes; identity, state and age stay."""
    told.tells(report(time.monotonic() - 6), fresh("GPU-2"))
    records = observer.sample()
    old, young = of(Gpu, records)
    assert (old.up, old.reading, old.state) == (0, GpuReading(), "ok")
    assert old.age_seconds > 5
    assert (young.up, young.reading.utilization_percent) == (1, 97)
    assert {link.identity.uuid for link in of(GpuLink, records)} == {"GPU-2"}


def test_a_slow_source_is_given_its_time(told: Told, observer: GpuObserver) -> None:
    """Where the source samples seldom, a reading may be three of its intervals old."""
    told.interval_s = 5.0
    told.tells(report(time.monotonic() - 14), report(time.monotonic() - 16, "GPU-2"))
    assert [gpu.up for gpu in of(Gpu, observer.sample())] == [1, 0]


def test_a_gpu_of_which_nothing_was_said(told: Told, observer: GpuObserver) -> None:
    """A GPU without a report is starting, not up, and has no age."""
    told.tells(fresh())
    gpu = of(Gpu, observer.sample())[1]
    assert (gpu.state, gpu.up, gpu.age_seconds, gpu.reading) == ("starting", 0, None, GpuReading())


def test_a_lost_gpu(told: Told, observer: GpuObserver, published: Published) -> None:
    """A lost GPU is not up and says why; the change is an event with both states."""
    told.tells(fresh(), fresh("GPU-2"))
    observer.sample()
    published.clear()
    lost = msgspec.structs.replace(fresh(), state="lost", reason="it fell off the bus")
    told.tells(lost, fresh("GPU-2"))
    gpus = of(Gpu, observer.sample())
    assert [(gpu.state, gpu.up) for gpu in gpus] == [("lost", 0), ("ok", 1)]
    ((kind, subject, attributes),) = published
    assert (kind, subject, attributes["before"], attributes["state"]) == ("gpu.state", "GPU-1", "ok", "lost")
    assert (attributes["reason"], attributes["model"]) == ("it fell off the bus", "NVIDIA H200")


def test_what_comes_and_goes_is_told(told: Told, observer: GpuObserver, published: Published) -> None:
    """GPUs that come and go are events, once each, and are examined at once."""
    told.tells(fresh(), gpus=(FIRST,))
    observer.sample()
    observer.sample()
    assert (published.kinds, told.examinations) == ([("gpu.added", "GPU-1")], 1)
    told.tells(fresh("GPU-2"), gpus=(SECOND,))
    observer.sample()
    assert published.kinds[1:] == [("gpu.added", "GPU-2"), ("gpu.removed", "GPU-1")]
    assert told.examinations == 2


def test_the_next_observer_goes_on_where_the_one_before_ended(
    told: Told, parts: Parts, observer: GpuObserver, published: Published, tmp_path: Path
) -> None:
    """After a reload nothing is told again; a GPU that went, and a verdict that changed meanwhile, are told."""
    told.tells(fresh(), fresh("GPU-2"))
    told.verdicts = (GpuHealth(identity=FIRST, component="device", state="critical", value=2),)
    observer.sample()
    observer.close()
    published.clear()
    told.verdicts = (GpuHealth(identity=FIRST, component="device", state="ok", value=0),)
    told.tells(fresh(), gpus=(FIRST,))
    after = parts._replace(changes=lambda before, now: [("gpu.health", before[0].state, {"state": now[0].state})])
    GpuObserver(Host(sysfs=str(tmp_path)), after, interval_s=1.0, max_age_s=5.0, window_s=30.0).sample()
    assert published.kinds == [("gpu.removed", "GPU-2"), ("gpu.health", "critical")]
    assert published[-1][2] == {"state": "ok"}


def test_verdicts_last_between_examinations(told: Told, observer: GpuObserver, published: Published) -> None:
    """Verdicts are in every snapshot, and a change of them is published once."""
    told.verdicts = (GpuHealth(identity=FIRST, component="device", state="critical", value=2),)
    told.tells(fresh())
    assert [of(GpuHealth, observer.sample()) for _ in range(2)] == [list(told.verdicts)] * 2
    assert [kind for kind, _, _ in published].count("gpu.health") == 1


def test_a_pause_is_told_once_and_not_of_each_component(
    told: Told, parts: Parts, published: Published, tmp_path: Path
) -> None:
    """While a GPU is paused only what is found out is told; when it is back only what is otherwise than before."""
    wanted = parts._replace(changes=changes)
    observer = GpuObserver(Host(sysfs=str(tmp_path)), wanted, interval_s=1.0, max_age_s=5.0, window_s=30.0)

    def sees(state: str, **verdicts: str) -> list[str]:
        told.verdicts = tuple(
            GpuHealth(identity=FIRST, component=component, state=verdict, value=VALUES[verdict])
            for component, verdict in verdicts.items()
        )
        told.tells(fresh() if state == "ok" else GpuReport(uuid="GPU-1", state=state), gpus=(FIRST,))
        published.clear()
        observer.sample()
        return [f"{kind} {about.get('component', '')} {about['state']}" for kind, _, about in published]

    sees("ok", device="ok", memory="warning", xid="ok")
    assert sees("paused", device="unknown", memory="unknown", xid="critical") == [
        "gpu.state  paused",
        "gpu.health xid critical",
    ]
    assert sees("starting", device="unknown", xid="critical") == ["gpu.state  starting"]
    assert sees("ok", device="critical", memory="warning", xid="critical") == [
        "gpu.state  ok",
        "gpu.health device critical",
    ]


def test_a_source_that_has_not_looked_yet_takes_no_gpu_away(
    parts: Parts, told: Told, published: Published, tmp_path: Path
) -> None:
    """After a reload in a pause, or while a tool's first run takes long, no GPU is told of as gone and then as new, nor
    are verdicts told again; that there is none any more is told by who has looked."""
    told.tells(fresh(), gpus=(FIRST,))
    told.verdicts = (GpuHealth(identity=FIRST, component="power", state="warning", value=VALUES["warning"]),)
    wanted = parts._replace(changes=changes)
    before, after = (GpuObserver(Host(sysfs=str(tmp_path)), wanted, 1.0, 5.0, 30.0) for _ in range(2))
    before.sample()
    published.clear()
    told.tells(gpus=(), generation=0)
    assert [of(kind, after.sample()) != [] for kind in (GpuSource, GpuHealth)] == [True, False]
    told.tells(fresh(), gpus=(FIRST,))
    assert of(GpuHealth, after.sample()) == list(told.verdicts)
    assert (published.kinds, told.examinations) == ([], 2)
    told.tells(gpus=(), generation=2)
    after.sample()
    assert published.kinds == [("gpu.removed", "GPU-1")]


def test_instances(told: Told, observer: GpuObserver) -> None:
    """An instance is shown with its GPU; what is shared is told of the first of its GPU instance; strangers are not."""
    slots = tuple(
        InstanceIdentity(gpu_uuid=gpu, uuid=uuid, gpu_instance_id=1, compute_instance_id=compute)
        for gpu, uuid, compute in (("GPU-1", "MIG-1", 0), ("GPU-1", "MIG-2", 1), ("GPU-2", "MIG-9", 0))
    )
    readings = tuple(InstanceReading(uuid=uuid, memory_used_bytes=7) for uuid in ("MIG-1", "MIG-2", "MIG-9", "MIG-x"))
    told.tells(msgspec.structs.replace(fresh(), instances=readings), instances=slots)
    shown = of(GpuInstance, observer.sample())
    assert [(instance.instance.uuid, instance.first) for instance in shown] == [("MIG-1", 1), ("MIG-2", 0)]
    assert [instance.gpu.identity.uuid for instance in shown] == ["GPU-1"] * 2


def test_instances_of_which_the_driver_tells_too_little(told: Told, observer: GpuObserver) -> None:
    """Instances whose GPU instance is not known stand each for themselves: what they read is lost of none."""
    uuids = ("MIG-1", "MIG-2")
    slots = tuple(InstanceIdentity(gpu_uuid="GPU-1", uuid=uuid) for uuid in uuids)
    readings = tuple(InstanceReading(uuid=uuid, memory_used_bytes=7) for uuid in uuids)
    told.tells(msgspec.structs.replace(fresh(), instances=readings), instances=slots)
    shown = of(GpuInstance, observer.sample())
    assert [(instance.instance.uuid, instance.first) for instance in shown] == [("MIG-1", 1), ("MIG-2", 1)]


def test_what_cannot_be_is_dropped_and_counted(told: Told, observer: GpuObserver) -> None:
    """A reading out of range is absent and counted by kind, in this snapshot and in those after."""
    told.tells(fresh(temperature_celsius=4_294_967_295))
    records = observer.sample()
    assert of(Gpu, records)[0].reading.temperature_celsius is None
    counts = {record.kind: record.count for record in of(DroppedReadings, records)}
    assert counts["temperature"] == 1


def test_a_source_that_fails(told: Told, observer: GpuObserver) -> None:
    """A source that cannot be read leaves its own status; one without a GPU is absent."""
    told.observed = SourceFailed("no permission")
    records = observer.sample()
    assert (len(of(GpuSource, records)), of(Gpu, records)) == (1, [])
    told.observed = Absent("/proc/driver/nvidia/version")
    with pytest.raises(Absent):
        observer.sample()


def test_the_first_sample_waits_longer(told: Told, observer: GpuObserver) -> None:
    """The first sample gives the driver time to start, the others two intervals; closing closes the source."""
    told.tells(fresh())
    observer.sample()
    observer.sample()
    assert told.waits == [10.0, 2.0]
    observer.close()
    assert told.closed
