"""Counter files in one folder of an RDMA device or port.

Source: Documentation/ABI/stable/sysfs-class-infiniband: counters of a port, and hw_counters of a port or device.
"""

from __future__ import annotations

import errno
from typing import Final

from nodescope.devices.rdma.values import counter
from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.attribute import UNREADABLE
from nodescope.kernel.attribute_reader import AttributeReader
from nodescope.kernel.file_name import shown
from nodescope.records.rdma import RdmaCounter

GROUPS: Final = ("counters", "hw_counters")
HW_COUNTERS: Final = "hw_counters"
LIST_SECONDS: Final = 60.0
MAX_FILES: Final = 1024

PASSING: Final = frozenset({errno.EAGAIN, errno.EBUSY, errno.EIO, errno.ENXIO})
"""What drivers answer at once while their firmware does not, as during its reset. A timeout is waited for, and once."""

_LIFESPAN: Final = "lifespan"
"""How long the driver shows the same numbers: a setting among the counters."""
_NO_COUNTER: Final = b"N/A (no PMA)"


class _File:
    __slots__ = ("name", "odd", "path", "raw", "record")

    def __init__(self, path: str, name: str) -> None:
        self.path = path
        self.name = name
        self.raw: bytes | None = None
        self.record: RdmaCounter | None = None
        self.odd = False


class CounterFolder:
    """The counters in one folder. `left_out`: how many files the newest `read` could not use."""

    def __init__(self, host: Host, folder: str, device: str, port: int | None) -> None:
        self._host = host
        self._folder = folder
        self._device = device
        self._port = port
        self._group = folder.rpartition("/")[2]
        self._files: list[_File] = []
        self._asked: list[_File] = []
        self._more = 0
        self.left_out = 0

    def learn(self, reader: AttributeReader) -> None:
        """Lists the files. Those that a driver refused are asked again from now on."""
        try:
            names = self._host.list(self._folder, keep_s=LIST_SECONDS)
        except (Absent, OSError) as error:
            reader.count(error)
            names = []
        known = {file.name: file for file in self._files}
        self._more = max(0, len(names) - MAX_FILES)
        self._files = [
            known.get(name) or _File(f"{self._folder}/{name}", name) for name in names[:MAX_FILES] if name != _LIFESPAN
        ]
        self._asked = self._files

    def read(self, found: list[RdmaCounter]) -> None:
        """Adds what each file says now to `found`."""
        read, refused = self._host.read, set[_File]()
        self.left_out = self._more
        for file in self._asked:
            try:
                raw: bytes | None = read(file.path)
            except (Absent, OSError, Malformed) as error:
                self.left_out += not isinstance(error, Absent) and getattr(error, "errno", None) not in UNREADABLE
                raw = None
                if getattr(error, "errno", None) not in PASSING:
                    refused.add(file)
            # Most counters stand still most of the time.
            if raw != file.raw:
                self._says(file, raw)
            self.left_out += file.odd
            if file.record is not None:
                found.append(file.record)
        if refused:
            # An error costs ten times a read, and what a device does not count now it will not count in a minute.
            self._asked = [file for file in self._asked if file not in refused]

    def _says(self, file: _File, raw: bytes | None) -> None:
        file.raw = raw
        value = None if raw is None else counter(raw)
        file.odd = value is None and raw is not None and _NO_COUNTER not in raw
        file.record = (
            None
            if value is None
            else RdmaCounter(
                device=self._device, port=self._port, group=self._group, counter=shown(file.name), value=value
            )
        )
