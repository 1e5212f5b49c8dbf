"""Pools of ZFS and their datasets."""

from __future__ import annotations

from typing import Final

from nodescope.collectors.host.kstat import Named, NamedReader, body, parse_io, without_dataset
from nodescope.collectors.host.zfs_metric import DATASET, POOL, STATE, metric_of
from nodescope.host import Absent, Host, Malformed
from nodescope.kernel.file_name import shown
from nodescope.metric import Family, Metric, Row

MAX_DATASETS: Final = 16_384
LIST_SECONDS: Final = 10.0
STATES: Final = ("online", "degraded", "faulted", "offline", "removed", "unavail", "suspended")


def parse_state(data: bytes, source: str) -> list[tuple[str, int]]:
    """Each state, and 1 with the one that the pool is in. Raises `Malformed` where it is no word."""
    state = data.strip()
    if not state.isalpha():
        raise Malformed(source, data, "the state of a pool")
    return [(each, int(each.encode() == state.lower())) for each in STATES]


class _File:
    """A file that goes with its pool or dataset, so it is opened at each read; and its numbers, as they last were."""

    def __init__(self, pool: tuple[str], path: str) -> None:
        self.path = path
        self.labels: tuple[str, ...] = pool
        self.named = Named({}, 0)
        self.rows: list[tuple[bytes, Row]] = []
        self._pool = pool
        self._body = b""

    def update(self, host: Host, objsets: NamedReader | None) -> None:
        """`objsets`: the reader of this file if it is a dataset's. Raises `Absent`, `Malformed`, `OSError`."""
        data = host.read_once(self.path)
        if body(data) == self._body and self._body:
            return
        self._body = b""
        if objsets is None:
            self.named = parse_io(data, self.path)
        else:
            dataset, rest = without_dataset(data, self.path)
            if (*self._pool, dataset) != self.labels:
                self.labels = (*self._pool, dataset)
            self.named = objsets.read(rest, self.path)
        self.rows = [(field, (self.labels, number)) for field, number in self.named.numbers.items()]
        self._body = body(data)


class Pool:
    """The files of one pool."""

    def __init__(self, name: str, folder: str) -> None:
        self.folder = folder
        self.labels = (shown(name),)
        self.io = _File(self.labels, f"{folder}/io")
        self.state_path = f"{folder}/state"
        self.objsets: list[_File] = []
        self.listed: list[str] = []
        self.left_out = 0
        self.state: tuple[bytes, list[Row]] = (b"", [])

    def list_files(self, host: Host) -> None:
        listed = host.list(self.folder, keep_s=LIST_SECONDS)
        if listed == self.listed:
            return
        known = {file.path: file for file in self.objsets}
        paths = [f"{self.folder}/{name}" for name in listed if name.startswith("objset-")]
        self.listed, self.left_out = listed, max(0, len(paths) - MAX_DATASETS)
        self.objsets = [known.get(path) or _File(self.labels, path) for path in paths[:MAX_DATASETS]]

    def read_state(self, host: Host) -> list[Row]:
        data = host.read_once(self.state_path)
        if data != self.state[0] or not data:
            rows: list[Row] = [((*self.labels, state), on) for state, on in parse_state(data, self.state_path)]
            self.state = (data, rows)
        return self.state[1]


class Pools:
    """The families of all pools: one run of it."""

    def __init__(self, host: Host, objsets: NamedReader) -> None:
        self._host = host
        self._objsets = objsets
        self._io: dict[bytes, list[Row]] = {}
        self._datasets: dict[bytes, list[Row]] = {}
        self._states: list[Row] = []
        self._seen: set[tuple[str, ...]] = set()
        self.left_out = 0
        self.odd: Malformed | OSError | None = None

    def families(self, pools: list[Pool]) -> list[Family]:
        for pool in pools:
            try:
                pool.list_files(self._host)
            except Absent:
                continue
            self.left_out += pool.left_out
            if "io" in pool.listed:
                self._file(pool.io, None, self._io)
            for file in pool.objsets:
                self._file(file, self._objsets, self._datasets)
            if "state" in pool.listed:
                self._state(pool)
        named = [
            *((metric_of(POOL, "io", _text(field), ("zpool",)), rows) for field, rows in self._io.items()),
            *(
                (metric_of(DATASET, "objset", _text(field), ("zpool", "dataset")), rows)
                for field, rows in self._datasets.items()
            ),
        ]
        return self._once_each([(STATE, self._states), *named])

    def _file(self, file: _File, objsets: NamedReader | None, columns: dict[bytes, list[Row]]) -> None:
        try:
            file.update(self._host, objsets)
        except Absent:
            return
        except (Malformed, OSError) as error:
            self._leave_out(error)
            return
        if file.labels in self._seen:
            self.left_out += 1
            return
        self._seen.add(file.labels)
        self.left_out += file.named.left_out
        for field, row in file.rows:
            rows = columns.get(field)
            if rows is None:
                columns[field] = [row]
            else:
                rows.append(row)

    def _state(self, pool: Pool) -> None:
        try:
            self._states += pool.read_state(self._host)
        except Absent:
            return
        except (Malformed, OSError) as error:
            self._leave_out(error)

    def _leave_out(self, error: Malformed | OSError) -> None:
        self.left_out += 1
        self.odd = error.with_traceback(None)

    def _once_each(self, named: list[tuple[Metric, list[Row]]]) -> list[Family]:
        """Of metrics that are called the same, the first."""
        families: dict[str, Family] = {}
        for metric, rows in named:
            if metric.name in families:
                self.left_out += 1
            elif rows:
                families[metric.name] = Family(metric, rows)
        return list(families.values())


def _text(field: bytes) -> str:
    return field.decode("utf-8", "replace")
