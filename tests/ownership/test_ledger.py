"""What the samplers of containers and of GPUs tell each other."""

from __future__ import annotations

import threading

from nodescope.containers.cgroup.path import Holder as Place
from nodescope.containers.cgroup.path import holder_of
from nodescope.ownership.attribution import ENERGY, MEMORY
from nodescope.ownership.ledger import PATIENCE_SECONDS, Ledger
from nodescope.records.container import DeviceClaim
from tests.ownership.gpus import NVIDIA, A, container, gpu, process

ID = "4f0c1d2e" * 8
GIB = 2**30


class Cgroups:
    """Processes below 100 are the container's, others of user 1000's session."""

    def paths(self, pid: int) -> tuple[str, ...]:
        return ()

    def of(self, pid: int) -> Place:
        return holder_of(f"/docker/{ID}" if pid < 100 else "/user.slice/user-1000.slice/session-3.scope")


def attributed(
    ledger: Ledger, now: float = 1.0, vendor: str = "nvidia", pids: tuple[int, ...] = (1, 100)
) -> dict[tuple[str, str], float]:
    whole = gpu(NVIDIA[0], memory_used_bytes=10, energy_millijoules=int(now * 300_000), power_milliwatts=300_000)
    records = (whole, *(process(NVIDIA[0], pid, memory_used_bytes=4) for pid in pids))
    rows = ledger.attributed(vendor, records, Cgroups(), lambda uid: f"u{uid}", now)
    return {(row.quantity, row.container or row.holder): row.value for row in rows}


def test_there_is_a_word_to_wait_for() -> None:
    """Before anything was told there are no parts, but not for long: containers may never be looked at."""
    now = 100.0
    ledger = Ledger(lambda: now)
    assert attributed(ledger) == {}
    now += PATIENCE_SECONDS
    assert attributed(ledger, 2.0)[MEMORY, ID[:12]] == 4


def test_names_come_with_what_is_told() -> None:
    """A container that was not told yet is its cgroup's id, then it has its name, with the same key and counter."""
    ledger = Ledger()
    ledger.tell((), ())
    first = attributed(ledger)
    assert (first[MEMORY, ID[:12]], first[MEMORY, "user:u1000"], first[MEMORY, "unattributed"]) == (4, 4, 2)
    attributed(ledger, 2.0)
    ledger.tell([container(id=ID, name="web")], ())
    then = attributed(ledger, 3.0)
    assert then[MEMORY, "web"] == 4
    assert then[ENERGY, "web"] > 0
    assert sum(value for (quantity, _), value in then.items() if quantity == ENERGY) == 600.0


def test_who_claims_counts_where_no_process_is_seen() -> None:
    """Claims are taken into account as they were told last."""
    ledger = Ledger()
    ledger.tell((), [DeviceClaim(device=A, kind="gpu", evidence="cdi", container_id="c1", container="web")])
    attributed(ledger, pids=())
    assert attributed(ledger, 2.0, pids=())[ENERGY, "web"] > 0


def test_vendors_and_threads() -> None:
    """Each vendor has counters of its own, and no sum is lost where threads ask at once."""
    ledger = Ledger()
    ledger.tell((), ())
    attributed(ledger, 1.0)
    assert attributed(ledger, 5.0, "amd")[ENERGY, "unattributed"] == 0
    threads = [threading.Thread(target=attributed, args=(ledger, 2.0 + n)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(value for (quantity, _), value in attributed(ledger, 20.0).items() if quantity == ENERGY) == 5700.0
    ledger.close()
