"""A filesystem that really hangs: a FUSE mount whose server never answers, in a mount namespace of its own."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.collectors.host.machine import Machine, series
from tests.collectors.host.mount_namespace import DEADLINE_S, NotAllowed, in_a_namespace, mount, unmount
from tests.collectors.host.test_filesystem import line


@contextlib.contextmanager
def hung_mount(folder: Path) -> Iterator[Callable[[], None]]:
    """Mounts at `folder`; yields what makes the mount fail instead of hang."""
    try:
        server = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        raise NotAllowed(str(error)) from error
    with contextlib.ExitStack() as cleanup:
        fail = cleanup.enter_context(contextlib.closing(os.fdopen(server, "rb", buffering=0))).close
        mount("hung", folder, "fuse.hung", f"fd={server},rootmode=40000,user_id=0,group_id=0")
        cleanup.callback(unmount, folder)
        yield fail


def test_a_mount_that_hangs(machine: Machine) -> None:
    """The others are there at once; the hung one is stuck after the timeout, and has its error when it returns."""
    for name in ("local", "hung", "remote"):
        (machine.folder / "root" / name).mkdir()
    mounts = line("/local") + line("/hung", "hung", "fuse.hung") + line("/remote", "r:/", "nfs4")
    machine.write("proc/1/mountinfo", mounts)
    collector = machine.build("filesystem", {"mount-timeout": "300ms"})

    def of(mountpoint: str, label: str = "") -> list[str]:
        return [name for name in series(collector.collect()) if f'mountpoint="/{mountpoint}"' in name and label in name]

    def until(mountpoint: str, label: str, count: int) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while len(of(mountpoint, label)) != count:
            assert time.monotonic() < deadline, (label, series(collector.collect()))
            time.sleep(0.05)

    def watch() -> None:
        with hung_mount(machine.folder / "root/hung") as fail:
            began = time.monotonic()
            assert len(of("local")) == 9
            assert of("hung") == []
            assert len(of("remote")) == 9
            assert time.monotonic() - began < DEADLINE_S
            until("hung", 'device_error="mountpoint timeout"', 2)
            assert len(of("hung")) == 2
            assert len(of("local") + of("remote")) == 18
            fail()
            until("hung", 'device_error="transport endpoint is not connected"', 2)

    try:
        in_a_namespace(watch)
    finally:
        collector.loop.stop()  # type: ignore[attr-defined]
