"""The sampler of containers: what runtimes tell, what cgroups say, and whose each device is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from nodescope.collectors.container.choice import Choice, choice
from nodescope.collectors.container.event_gate import CONFIRM_SECONDS, EventGate
from nodescope.collectors.container.holding import DRI, SOURCES, Holding
from nodescope.collectors.container.owning import with_owners
from nodescope.collectors.container.pods import KubeletPods, kubelet_pods
from nodescope.collectors.gpu.attributing import ledger
from nodescope.collectors.kept_state import kept_path
from nodescope.collectors.over_reloads import over_reloads
from nodescope.collectors.parts import Parts, Publish
from nodescope.containers.cgroup.hierarchy import FOLDER
from nodescope.containers.cgroup.network import ContainerNetworks
from nodescope.containers.cgroup.path import ContainerPath
from nodescope.containers.cgroup.process import ProcessCgroups
from nodescope.containers.cgroup.untold import Untold
from nodescope.containers.cgroup.usage import ContainerUsage, Snapshot
from nodescope.containers.kept import KeptContainers
from nodescope.containers.runtimes import Runtimes
from nodescope.devices.process_names import Users
from nodescope.host import Absent, Host
from nodescope.ownership.claims import Claims
from nodescope.records.container import Container, ContainerEvent, ContainerWithoutNetwork, DeviceClaim
from nodescope.records.container_choice import ContainersLeftOut
from nodescope.sampling import SamplerLoop

GRACE_S: Final = 30.0
FIRST_ANSWERS_S: Final = 3.0
"""How long the first sample waits for runtimes: without their answers it tells of no container, for an interval."""
KEPT: Final = "containers"
KEPT_FILE: Final = "containers.json"
ENDED_WELL: Final = frozenset({0, 143})
"""Exit codes of what ended by itself, or as it was asked to (SIGTERM)."""
MISSING_LOOKS: Final = 2
MAX_TOLD: Final = 5
"""Of requests that mean nothing here, so many are in a line of the log."""

log = logging.getLogger(__name__)


class ContainerSampler:
    """Every container of every runtime that the filter shows.

    *Source*: runtimes for what a container is, cgroups for what it uses, the kubelet for its pod; the newest snapshots
    of GPUs and RDMA devices for whose they are. *Absent when*: there is neither a runtime nor a container's cgroup,
    and no one holds a device. *Cost*: about a fifth of a millisecond for each container.
    """

    name: ClassVar[str] = "container"
    demand_wait_s: float = 0.0

    def __init__(
        self,
        host: Host,
        runtimes: Runtimes,
        pods: KubeletPods,
        holding: Holding,
        filtering: tuple[Choice, EventGate],
        interval_s: float,
    ) -> None:
        self.interval_s = self.rest_s = interval_s
        self._host = host
        self._runtimes = runtimes
        self._pods = pods
        self._holding = holding
        self._choice, self._gate = filtering
        self._networks = ContainerNetworks(host, holding.processes)
        self._usage: ContainerUsage | None = None
        self._untold = Untold()
        self._unknown: Sequence[str] = ()
        self._unread = False
        self._missing_looks = 0
        self._is_first = True
        self._told: frozenset[str] = frozenset()

    def sample(self) -> tuple[Any, ...]:
        self._pods.start(devices=bool(self._holding.loops()))
        self._runtimes.look()
        if self._is_first:
            self._is_first = False
            self._runtimes.first_answers(FIRST_ANSWERS_S)
        told = self._runtimes.containers()
        statuses = self._runtimes.statuses()
        if not self._runtimes.lead():
            # What is known here is nothing any more, and whose GPUs are is told to who goes on.
            raise Absent("what follows the runtimes: another does, after a reload")
        usage = self._used({one.key: one.cgroup for one in told if one.cgroup})
        self._tell_unread(usage)
        self._tell_missing(told, usage)
        usage = self._settled(usage)
        self._runtimes.killed(usage.oom_kills)
        self._forget(frozenset(one.key for one in told))
        untold = self._untold.of(_with_processes(usage), {one.key for one in told}, statuses, self._is_frozen)
        known = self._pods.named((*told, *untold))
        known = tuple(with_owners(known, usage.containers, self._holding.users.name))
        # Whose devices are waits for names: no one is to be told under an id first.
        waits = self._untold.waits(statuses)
        held = Claims() if waits else self._holding.claims(known, self._pods.devices())
        claims = held.claims
        self._tell_unknown(held.unknown)
        statuses = (*statuses, *self._pods.statuses())
        if not statuses and not usage.uses and not claims:
            raise Absent("a container runtime's socket, or a container's cgroup")
        containers, shown = self._chosen(known, claims)
        return (
            *containers,
            *(use for use in usage.uses if use.id in shown),
            *(io for io in usage.io if io.id in shown),
            *self._networks.read({one.key: one.pid for one in containers if one.pid}),
            *(ContainerWithoutNetwork(id=key) for key in sorted(self._networks.without)),
            *(claim for claim in claims if claim.container_id is None or claim.container_id in shown),
            *statuses,
            ContainersLeftOut(
                containers=len({one.key for one in known}) - len(shown),
                events=self._gate.left_out,
                requests=len(held.unknown),
                claims=held.left_out,
                files=usage.left_out,
            ),
        )

    def _used(self, told: Mapping[str, str]) -> Snapshot:
        """What cgroups say; nothing where none are mounted, for what runtimes tell stands without."""
        if self._usage is None:
            try:
                self._usage = ContainerUsage(self._host)
            except Absent:
                return Snapshot({}, (), (), (), {}, 0)
        return self._usage.look(told)

    def _settled(self, usage: Snapshot) -> Snapshot:
        """Without OOM kills of which but a cgroup above knows, where the runtime says that the container ended well."""
        if self._usage is None or not any(death.inferred for death in usage.deaths):
            return usage
        return self._usage.settled(
            usage, {one.key for one in self._runtimes.containers() if one.exit_code in ENDED_WELL}
        )

    def _forget(self, told: frozenset[str]) -> None:
        """Of containers that their runtime has deleted nothing is kept: containerd's ids may be given again."""
        if self._usage is not None:
            for key in self._told - told:
                self._usage.forget(key)
        self._told = told

    def _is_frozen(self, container_id: str) -> bool:
        return self._usage is not None and self._usage.is_frozen(container_id)

    def _tell_unknown(self, unknown: Sequence[str]) -> None:
        """One line where there are others than before."""
        if unknown and unknown != self._unknown:
            shown = ", ".join(unknown[:MAX_TOLD])
            log.warning("of containers' requests %d name no device of this node: %s", len(unknown), shown)
        self._unknown = unknown

    def _tell_unread(self, usage: Snapshot) -> None:
        """One line where all could be read before."""
        if usage.problem and not self._unread:
            log.warning(
                "of what containers' cgroups tell %d are left out; the first: %s", usage.left_out, usage.problem
            )
        self._unread = bool(usage.problem)

    def _tell_missing(self, told: Sequence[Container], usage: Snapshot) -> None:
        """One line where no container that runs has a cgroup here. One may have ended since; users' may have none."""
        running = sum(one.state == "running" and one.pid is not None and one.engine_uid is None for one in told)
        missing = running > 0 and not usage.containers
        self._missing_looks = self._missing_looks + 1 if missing else 0
        if self._missing_looks == MISSING_LOOKS:
            log.warning(
                "%d containers run, and no cgroup of them is below %s, so that what they use is not known; where "
                "nodescope is in a container, give it the host's (docker run --cgroupns host, or the host's /sys as "
                "path.sysfs)",
                running,
                self._host.sys(FOLDER),
            )

    def close(self) -> None:
        """Ends what follows the runtimes; then nothing waits any more to be told."""
        self._runtimes.close()
        self._gate.close()

    def _chosen(
        self, known: Sequence[Container], claims: Sequence[DeviceClaim]
    ) -> tuple[Sequence[Container], frozenset[str]]:
        """The containers that are shown, and their keys; the gate of events hears of all."""
        if not self._choice.active:
            return known, frozenset(one.key for one in known)
        held: dict[str, set[str]] = {}
        for claim in claims:
            if claim.container_id is not None:
                held.setdefault(claim.container_id, set()).add("rdma" if claim.kind == "rdma" else "gpu")
        shown = frozenset(one.key for one in known if self._choice.shows(one, held.get(one.key, ())))
        self._gate.decided((one.key, one.key in shown) for one in known)
        return [self._choice.bare(one) for one in known if one.key in shown], shown


def _with_processes(usage: Snapshot) -> dict[str, ContainerPath]:
    """Without the cgroups that a container left behind: nothing runs in them, nor in any below them."""
    empty = {use.id for use in usage.uses if use.pids == 0}
    return {container_id: path for container_id, path in usage.containers.items() if container_id not in empty}


def loop(parts: Parts) -> SamplerLoop:
    """The loop of the one sampler of containers. Raises `SettingsError`."""
    settings, host = parts.settings, parts.host
    chosen = choice(settings)
    interval_s = settings["collector.container.interval"]
    holding = Holding(
        host,
        ProcessCgroups(host),
        Users(host),
        ledger(parts),
        lambda: [parts.loops[module] for module in SOURCES if module in parts.loops],
        lambda: parts.loop((DRI,)),
    )

    def find(key: str) -> Container | None:
        return next((one for one in runtimes.containers() if one.key == key), None)

    # By the second look after an event all is known of its container.
    gate = EventGate(_published(parts.publish), chosen, find, 2 * (interval_s + CONFIRM_SECONDS))
    runtimes = Runtimes(host, chosen.labels, gate.take, _kept(parts), settings["collector.container.sockets"])
    sampler = ContainerSampler(host, runtimes, kubelet_pods(parts), holding, (chosen, gate), interval_s)
    return SamplerLoop(sampler, sampler.close, GRACE_S)


def _kept(parts: Parts) -> KeptContainers:
    """What is known of containers, for the life of the agent and, where it keeps state, beyond that."""
    return over_reloads(parts, KEPT, lambda: KeptContainers(kept_path(parts, KEPT_FILE)))


def _published(publish: Publish) -> Callable[[ContainerEvent], None]:
    def emit(event: ContainerEvent) -> None:
        told = {"runtime": event.runtime, "name": event.name or "", "evidence": event.evidence}
        if event.namespace is not None:
            told["namespace"] = event.namespace
        if event.exit_code is not None:
            told["exit_code"] = str(event.exit_code)
        if event.health is not None:
            told["health"] = event.health
        if event.inferred:
            told["inferred"] = "true"
        publish(f"container.{event.kind}", event.key, told)

    return emit
