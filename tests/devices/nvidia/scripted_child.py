"""What a scripted GPU child is made of: a test writes a Python file that imports all of this and says what to do.

Each start is counted in a folder, so that a script can do something else the second time.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

import msgspec

FOLDER: Final = Path(sys.argv[1])
OPTIONS: Final[dict[str, Any]] = json.loads(sys.argv[-1])
INTERVAL_S: Final[float] = OPTIONS["interval_seconds"]
SKIP: Final[dict[str, list[str]]] = OPTIONS["skip"]


def _number() -> int:
    for number in range(1, 1000):
        try:
            fd = os.open(FOLDER / f"start-{number}", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            continue
        os.write(fd, json.dumps({"pid": os.getpid(), "skip": SKIP}).encode())
        os.close(fd)
        return number
    raise SystemExit("too many starts")


NUMBER: Final = _number()
_lock: Final = threading.Lock()


def raw(data: bytes) -> None:
    """Writes bytes as they are."""
    with _lock:
        while data:
            data = data[os.write(1, data) :]


def send(kind: str, **fields: Any) -> None:
    """Writes a frame."""
    data = msgspec.msgpack.encode({"type": kind, **fields})
    raw(len(data).to_bytes(4, "big") + data)


def hello() -> None:
    send("hello", pid=os.getpid(), driver_version="570.1", library_version="12.570.1", cuda_version="12.8")


def address(uuid: str) -> str:
    """Where a GPU of these scripts is: GPU-3 at 0000:03:00.0."""
    return f"0000:{int(uuid.removeprefix('GPU-')):02x}:00.0"


def inventory(*uuids: str, generation: int = 1, instances: tuple[dict[str, Any], ...] = ()) -> None:
    gpus = [
        {"vendor": "nvidia", "uuid": uuid, "index": index, "pci_address": address(uuid)}
        for index, uuid in enumerate(uuids)
    ]
    send("inventory", generation=generation, gpus=gpus, instances=instances)


def report(uuid: str, **fields: Any) -> dict[str, Any]:
    known = {"sampled_monotonic_seconds": time.monotonic(), "reading": {"power_milliwatts": 1000 * NUMBER}}
    return {"uuid": uuid, **known, **fields}


def sample(*uuids: str, busy: dict[str, str] | None = None, since: float = 0.0, generation: int = 1) -> None:
    """A sample. `busy`: the call in which a GPU hangs since `since`, unless it is left out."""
    reports = []
    for uuid in uuids:
        call = (busy or {}).get(uuid, "")
        left_out = SKIP.get(uuid, [])
        if call and call not in left_out and "*" not in left_out:
            hung = {"sampled_monotonic_seconds": 0.0, "busy_call": call, "busy_seconds": time.monotonic() - since}
            reports.append(report(uuid, **hung))
        elif "*" in left_out:
            reports.append({"uuid": uuid, "state": "unresponsive", "reason": "left out"})
        else:
            reports.append(report(uuid))
    send("sample", number=1, generation=generation, reports=reports)


def samples(*uuids: str, busy: dict[str, str] | None = None, seconds: float = 3600.0, generation: int = 1) -> None:
    """A sample each interval."""
    since = time.monotonic()
    while time.monotonic() - since < seconds:
        sample(*uuids, busy=busy, since=since, generation=generation)
        time.sleep(INTERVAL_S)


def good(*uuids: str, busy: dict[str, str] | None = None, seconds: float = 3600.0) -> None:
    """All that a child says that is well, from the start."""
    hello()
    inventory(*uuids)
    samples(*uuids, busy=busy, seconds=seconds)


def complain(text: str) -> None:
    os.write(2, text.encode())


def stay() -> None:
    """Does nothing for good."""
    while True:
        time.sleep(3600)


def deaf() -> None:
    """Ignores what asks it to end politely."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _end_with_input() -> None:
    while os.read(0, 1):
        pass
    os._exit(0)


threading.Thread(target=_end_with_input, daemon=True).start()
