"""True counters of XIDs, from the driver's events and from the kernel log together, kept across restarts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import isfinite
from typing import Final, Literal

from nodescope.devices.nvidia.xid.catalog import BY_SUBCODE, FALLEN_OFF_THE_BUS, entry, is_fatal, severity
from nodescope.devices.nvidia.xid.events import KIND, Message, XidEvents
from nodescope.devices.nvidia.xid.held import HeldEvents
from nodescope.devices.nvidia.xid.kmsg import gpu_of, xid_of
from nodescope.devices.nvidia.xid.match import Matches, Open
from nodescope.devices.nvidia.xid.state import WHAT, Saved, SavedOpen, state_file
from nodescope.devices.nvidia.xid.tally import CLOCK_STEP_S, MAX_GPUS, Tally
from nodescope.kernel.kmsg import KmsgRecord
from nodescope.kernel.pci_address import parse_address
from nodescope.kernel.state_file import Saver, StateFile
from nodescope.records.gpu import GpuIdentity
from nodescope.records.gpu_snapshot import XidCount

MAX_GPU_CHARACTERS: Final = 96
MAX_XID: Final = 2**32 - 1

XidSource = Literal["nvml", "kmsg", "kmsg_implied"]
"""An event of the driver's library; a line with a number in the kernel log; a line there that means one."""

_BITS: Final[Mapping[XidSource, int]] = {"nvml": 1, "kmsg": 2, "kmsg_implied": 4}

Publish = Callable[[str, str, Mapping[str, str]], object]


def _since_boot() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class XidCounts:
    """Counts each XID once, though the library's event and the kernel's line tell of the same one (see `Matches`).

    `state_path`: where counts are kept; None: nowhere. `boot_id`: of this boot; where it is the saved one, records of
    the kernel log that were counted before the restart are passed over, by their sequence. Events of the library that
    came shortly before a restart are kept too, and a line of the kernel log that is read after it joins them; what
    happened meanwhile is told by the kernel log alone. After a kill what was counted in the last `SAVE_S` seconds is
    counted again from the kernel log, and lost where only the library told of it.

    `publish` gets an event for each XID (see `XidEvents`), at once, but for those of which only the kernel's line says
    how bad they are: where the library tells of one first, its event waits for that line (see `HeldEvents`). It is
    called by the thread that tells of the XID or takes the records. All methods may be called by any thread.
    """

    def __init__(
        self,
        state_path: str | None,
        publish: Publish,
        now: Callable[[], float] = time.time,
        boot_id: str = "",
        since_boot: Callable[[], float] = _since_boot,
    ) -> None:
        self._publish = publish
        self._now = now
        self._boot_id = boot_id
        self._since_boot = since_boot
        self._booted = float("inf")
        self._lock = threading.Lock()
        self._sequence = -1
        self._clock = float("-inf")
        self._tally = Tally()
        self._matches = Matches()
        self._events = XidEvents()
        self._held = HeldEvents()
        self._uuids: dict[str, str] = {}
        self._inventory: tuple[tuple[str | None, str], ...] = ()
        self._file = state_file(state_path) if state_path else None
        self._saver: Saver | None = None
        if self._file is not None:
            self._saver = Saver(partial(self._save, self._file), WHAT)
            saved = self._file.load()
            if saved is not None:
                self._restore(saved)

    @property
    def dropped(self) -> int:
        """XIDs that are in no count: of more GPUs or kinds than there is room for, or of no known device."""
        return self._tally.dropped

    @property
    def problem(self) -> str:
        """Why counts are not kept, if so."""
        return self._file.problem if self._file else ""

    def kernel_record(self, record: KmsgRecord, time_seconds: float) -> None:
        """Counts what a record of the kernel log tells, if anything. Records come in the order of their sequence."""
        found = xid_of(record.message)
        if found is not None:
            self.seen(
                found.xid,
                time_seconds,
                "kmsg_implied" if found.implied else "kmsg",
                pci_address=found.pci_address,
                detail=found.detail,
                gpu_instance_id=found.gpu_instance_id,
                compute_instance_id=found.compute_instance_id,
                sequence=record.sequence,
                pid=found.pid,
                process=found.process,
            )
            return
        gpu = gpu_of(record.message)
        place = _place(gpu.pci_address) if gpu else None
        if gpu is not None and place is not None:
            with self._lock:
                # The inventory knows better: the line may be of a GPU that was replaced since.
                if place not in self._uuids:
                    self._locate(place, gpu.uuid)

    def seen(
        self,
        xid: int,
        time_seconds: float,
        source: XidSource,
        uuid: str | None = None,
        pci_address: str | None = None,
        detail: str = "",
        gpu_instance_id: int | None = None,
        compute_instance_id: int | None = None,
        sequence: int | None = None,
        pid: int | None = None,
        process: str | None = None,
    ) -> None:
        """Counts an XID unless another source told of it.

        `uuid` or `pci_address`: of the GPU; one that is known by its address alone is counted under that until its
        UUID is known. `sequence`: of the kernel's record; one that is not beyond the newest is passed over.
        """
        about = {
            "detail": detail,
            "gpu_instance_id": _shown(gpu_instance_id),
            "compute_instance_id": _shown(compute_instance_id),
            "pid": _shown(pid),
            "process": process or "",
        }
        with self._lock:
            if sequence is not None:
                if sequence <= self._sequence:
                    return
                self._sequence = sequence
            place = _place(pci_address)
            gpu = uuid or self._uuids.get(place or "") or place or ""
            now = self._moment()
            # Not a number is no time either.
            seconds = min(time_seconds, now) if time_seconds >= 0 else now
            messages: list[Message] = []
            is_new = self._is_new(gpu, xid, source, seconds, now)
            if is_new or (source != "nvml" and self._held.release((gpu, xid))):
                attributes = _attributes(xid, pci_address, source, seconds, about)
                subject = gpu if gpu != place else pci_address or gpu
                waits = source == "nvml" and entry(xid).severity == BY_SUBCODE
                if not (waits and self._held.hold((gpu, xid), subject, attributes, now)):
                    messages = self._events.of(subject, xid, attributes, now)
            if is_fatal(xid, detail):
                # Of an error that the library told of first, too: its event does not say how bad it is.
                self._tally.was_fatal(gpu, xid, seconds)
        self._changed()
        self._tell(messages)

    def was_reset(self, uuid: str, time_seconds: float) -> None:
        """Keeps with the XIDs of a GPU that it was reset: the next agent shall not take them for new."""
        with self._lock:
            changed = self._tally.was_reset(uuid, min(time_seconds, self._moment()))
        if changed:
            self._changed()

    def identities(self, gpus: Sequence[GpuIdentity]) -> None:
        """Which GPU is where, by the newest inventory. A place that it no longer names keeps the GPU it had."""
        inventory = tuple((gpu.pci_address, gpu.uuid) for gpu in gpus[:MAX_GPUS])
        with self._lock:
            if inventory == self._inventory:
                return
            self._inventory = inventory
            if len(self._uuids) > MAX_GPUS:
                self._uuids.clear()
            for pci_address, uuid in inventory:
                place = _place(pci_address)
                if place is not None:
                    self._locate(place, uuid)

    def records(self, gpus: Sequence[GpuIdentity]) -> tuple[XidCount, ...]:
        """The counts of these GPUs, by GPU and XID."""
        with self._lock:
            now = self._moment()
            records = tuple(record for gpu in gpus for record in self._tally.records(gpu, now))
            messages = [*self._released(now), *self._events.due(now)]
            self._matches.prune(now)
        self._tell(messages)
        return records

    def close(self) -> None:
        """Publishes what was held back, and saves; within two seconds. May be called twice."""
        with self._lock:
            now = self._now()
            messages = [*self._released(now, force=True), *self._events.due(now, force=True)]
        self._tell(messages)
        if self._saver is not None:
            self._saver.close()
        if self._file is not None:
            self._file.close()

    def _released(self, now: float, force: bool = False) -> list[Message]:
        """Events that have waited for the kernel's line and are told without it."""
        return [
            message
            for (_, xid), (subject, attributes) in self._held.over(now, force)
            for message in self._events.of(subject, xid, attributes, now)
        ]

    def _moment(self) -> float:
        """Unix time. Where the clock was set, as on a node that learns the time late, what this boot has had is as old
        as before; what is still of a later time than it shows becomes of now."""
        now = self._now()
        booted = now - self._since_boot()
        if isfinite(self._booted) and abs(booted - self._booted) > CLOCK_STEP_S:
            self._tally.step(self._booted - CLOCK_STEP_S, booted - self._booted)
        if now < self._clock:
            self._tally.set_back(now, booted)
        self._clock, self._booted = now, booted
        return now

    def _is_new(self, gpu: str, xid: int, source: XidSource, seconds: float, now: float) -> bool:
        if not 0 < len(gpu) <= MAX_GPU_CHARACTERS or not 0 <= xid <= MAX_XID:
            self._tally.dropped += 1
            return False
        if self._matches.joined((gpu, xid), _BITS[source], _sources(xid), seconds, now):
            return False
        return self._tally.add(gpu, xid, seconds)

    def _locate(self, place: str, uuid: str) -> None:
        """What was counted under an address is that GPU's."""
        self._uuids[place] = uuid
        xids = self._tally.xids(place)
        if xids:
            now = self._now()
            joined = {xid: self._matches.moved((place, xid), (uuid, xid), _sources(xid), now) for xid in xids}
            self._tally.move(place, uuid, joined)
            self._changed()

    def _tell(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._publish(KIND, message.subject, message.attributes)

    def _changed(self) -> None:
        if self._saver is not None:
            self._saver.changed()

    def _save(self, file: StateFile[Saved]) -> bool:
        with self._lock:
            now = self._moment()
            self._matches.prune(now)
            saved = Saved(
                boot_id=self._boot_id,
                sequence=self._sequence,
                gpus=self._tally.saved(now),
                open=[SavedOpen(*open_.key, open_.bucket, open_.told, open_.errors) for open_ in self._matches.saved()],
                resets=self._tally.resets(),
            )
        return file.save(saved)

    def _restore(self, saved: Saved) -> None:
        # An unknown boot is not taken for the same: an XID twice is better than none.
        if self._boot_id and saved.boot_id == self._boot_id:
            self._sequence = saved.sequence
        rebooted = "" not in (self._boot_id, saved.boot_id) and saved.boot_id != self._boot_id
        now = self._moment()
        self._tally.restore(saved.gpus, earlier=rebooted)
        # What a reboot has ended as well; by a clock that is behind they would be of now, and end what came since.
        for gpu, seconds in () if rebooted else saved.resets.items():
            self._tally.was_reset(gpu, seconds)
        # It may have been saved under another clock.
        self._tally.set_back(now, self._booted)
        self._matches.restore(
            (Open((open_.gpu, open_.xid), open_.bucket, open_.told, open_.errors) for open_ in saved.open), now
        )


def _place(pci_address: str | None) -> str | None:
    """An address without its function, which lines of the kernel log mostly leave out."""
    address = parse_address(pci_address) if pci_address else None
    return ":".join(address[:3]) if address else None


def _sources(xid: int) -> int:
    """The bits of those who may tell of an XID."""
    implied = _BITS["kmsg_implied"] if xid == FALLEN_OFF_THE_BUS else 0
    return _BITS["nvml"] | _BITS["kmsg"] | implied


def _shown(number: int | None) -> str:
    return "" if number is None else str(number)


def _attributes(
    xid: int, pci_address: str | None, source: XidSource, seconds: float, about: Mapping[str, str]
) -> dict[str, str]:
    """Of an event; what is unknown is left out."""
    known = entry(xid)
    attributes = {
        "vendor": "nvidia",
        "pci_address": pci_address or "",
        "xid": str(xid),
        "name": known.name,
        "class": known.xid_class,
        "severity": severity(xid, about["detail"]),
        "action": known.action,
        "source": source.partition("_")[0],
        "time_seconds": f"{seconds:.3f}",
        **about,
    }
    return {name: text for name, text in attributes.items() if text}
