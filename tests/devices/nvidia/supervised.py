"""A supervisor over scripted children, with limits that are short, and a look at what it leaves behind."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from nodescope.devices.nvidia.frame import Options, Xid
from nodescope.devices.nvidia.limits import Limits
from nodescope.devices.nvidia.supervisor import Supervisor
from nodescope.devices.source import Observed, SourceFailed
from nodescope.host import Absent, Host
from nodescope.records.gpu import GpuReport

DEADLINE_S: Final = 30.0
SHORT: Final = Limits(
    start_s=10.0,
    least_silence_s=0.8,
    call_s=0.3,
    reap_s=1.0,
    back_off_s=0.1,
    longest_back_off_s=0.4,
    no_library_s=1.0,
    quarantine_s=1.0,
    longest_quarantine_s=20.0,
    identity_kept_s=1.0,
    look_s=0.05,
)
SCRIPT: Final = Path(__file__).with_name("scripted_child.py")


def until(done: Callable[[], Any], deadline_s: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + deadline_s
    while not done():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def processes_of_ours() -> list[int]:
    """Children of this process, whichever thread started them; zombies too."""
    found = []
    for task in os.listdir("/proc/self/task"):
        try:
            found += [int(pid) for pid in Path(f"/proc/self/task/{task}/children").read_text().split()]
        except OSError:
            continue
    return found


class Supervised:
    """A supervisor and what it told. `script`: the body of the child's Python file. `told`: called with each XID and
    each change first."""

    def __init__(
        self,
        folder: Path,
        script: str,
        limits: Limits = SHORT,
        told: Callable[[Any], object] = lambda what: None,
        python: str = sys.executable,
        **more: Any,
    ) -> None:
        self.folder = folder
        self.xids: list[Xid] = []
        self.changes: list[tuple[str, str, Mapping[str, str]]] = []

        def change(*what: Any) -> None:
            self.changes.append(what)
            told(what)

        def xid(what: Xid) -> None:
            self.xids.append(what)
            told(what)

        file = folder / "child.py"
        path = f"import sys\nsys.path.insert(0, {str(SCRIPT.parent)!r})"
        file.write_text(f"{path}\nfrom scripted_child import *\n{script}\n")
        (folder / "sys").mkdir(exist_ok=True)
        self.source = Supervisor(
            (python, str(file), str(folder)),
            Options(interval_seconds=0.05),
            Host(sysfs=str(folder / "sys")),
            xid,
            change,
            limits=limits,
            **more,
        )

    def plug(self, uuid: str) -> Path:
        """Makes the PCI device of a GPU of the scripts."""
        path = self.folder / f"sys/bus/pci/devices/0000:{int(uuid.removeprefix('GPU-')):02x}:00.0"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def observe(self) -> Observed | Exception:
        """What the source gives or raises, soon."""
        try:
            return self.source.observe(0.1)
        except (SourceFailed, Absent) as error:
            return error

    def reports(self) -> dict[str, GpuReport]:
        observed = self.observe()
        return {one.uuid: one for one in observed.reports} if isinstance(observed, Observed) else {}

    def states(self) -> dict[str, str]:
        return {uuid: report.state for uuid, report in self.reports().items()}

    def until_states(self, **states: str) -> None:
        """Waits for reports of exactly these GPUs, `GPU_0="ok"`."""
        wanted = {uuid.replace("_", "-"): state for uuid, state in states.items()}
        until(lambda: self.states() == wanted)

    def starts(self) -> list[dict[str, Any]]:
        """What each child was started with, in order."""
        files = sorted(self.folder.glob("start-*"), key=lambda path: int(path.name.partition("-")[2]))
        return [json.loads(text) for text in (file.read_text() for file in files) if text]

    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.changes]

    def close(self) -> None:
        """Closes it, and looks whether anything is left."""
        began = time.monotonic()
        self.source.close()
        self.source.close()
        assert time.monotonic() - began < 5.0
        assert not [thread for thread in threading.enumerate() if thread.name == "gpu-supervisor"]
