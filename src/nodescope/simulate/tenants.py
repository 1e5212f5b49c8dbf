"""Who the processes on the GPUs of a simulated machine belong to: pods, containers, jobs of a scheduler, a person.

No daemon is simulated: what tells of a container is its cgroup alone, as on a host whose runtimes may not be asked.
Source of the paths: the names that Docker, containerd's CRI under the kubelet, Slurm (cgroup v2) and systemd give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from nodescope.simulate.cgroup_files import GIB, Container, container_files, memory_bytes, root_files
from nodescope.simulate.cpu import Cpus
from nodescope.simulate.gpu_timeline import Job
from nodescope.simulate.load import FEMTOSECONDS, mix
from nodescope.simulate.part import Row
from nodescope.simulate.process_files import Process, process_files

POD: Final = "pod"
DOCKER: Final = "docker"
SLURM: Final = "slurm"
PERSON: Final = "person"
USERS: Final = {0: "root", 10_001: "research", 10_002: "hopper"}

_USER_OF: Final = {POD: 0, DOCKER: 0, SLURM: 10_002, PERSON: 10_001}
_PATHS: Final = {
    POD: "/kubepods.slice/kubepods-pod{uid}.slice/cri-containerd-{id}.scope",
    DOCKER: "/system.slice/docker-{id}.scope",
    SLURM: "/system.slice/slurmstepd.scope/job_{job}/step_0/user/task_0",
    PERSON: "/user.slice/user-10001.slice/session-4.scope",
}
_IN_CONTAINERS: Final = frozenset({POD, DOCKER})
_POD_LIMITS: Final = (64 * GIB, 4)
_FIRST_JOB: Final = 4000
_SHARE_PERMILLE: Final = 400
"""Of the machine's CPU time, what all containers use together."""
_MASK: Final = 2**64 - 1


class Tenant(NamedTuple):
    """`name`: what it is drawn from. `gpu`: the GPU by whose jobs it comes and goes, None for one that stays."""

    kind: str
    name: str
    gpu: int | None = None


class Seat(NamedTuple):
    """A process, and whose it is."""

    pid: int
    command: str
    tenant: Tenant


Present = Callable[[float], Iterable[tuple[dict[str, str], int]]]
"""Which processes are on which GPU at a time: labels of the GPU or the partition, and the PID."""
FIRST: Final = Job(0, 0.0)


class Tenants:
    """Files of all processes and of the cgroups of all containers, and what is true of whose they are.

    `job`: the job of a GPU at a time. A tenant that comes and goes with it is another container, or another job of the
    scheduler, each time; its processes are others, though they have the same numbers.
    """

    def __init__(
        self, seed: int, seats: Sequence[Seat], cpus: Cpus, job: Callable[[int, float], Job], present: Present
    ) -> None:
        self._key = mix(mix(seed & _MASK) + 0x7E4A)
        self._seats = {seat.pid: seat for seat in seats}
        self._tenants = {tenant: n for n, tenant in enumerate(dict.fromkeys(seat.tenant for seat in seats))}
        self._contained = sum(tenant.kind in _IN_CONTAINERS for tenant in self._tenants)
        self._cpus = cpus
        self._job = job
        self._present = present
        passwd = "".join(
            f"{name}:x:{uid}:{uid}::{'/root' if uid == 0 else f'/home/{name}'}:/bin/bash\n"
            for uid, name in USERS.items()
        )
        self._fixed = root_files() | {"etc/passwd": passwd.encode()}

    def files(self, seconds: float) -> dict[str, bytes]:
        found = dict(self._fixed)
        jobs = self._jobs(seconds)
        for seat in self._seats.values():
            job = jobs[seat.tenant]
            path, user = self._path(seat.tenant, job), _USER_OF[seat.tenant.kind]
            found |= process_files(Process(seat.pid, seat.command, user, path, job.began_seconds))
        now = self._cpu_microseconds(seconds)
        for tenant, job in jobs.items():
            if tenant.kind in _IN_CONTAINERS:
                used = now - self._cpu_microseconds(job.began_seconds)
                found |= container_files(self._path(tenant, job), self._container(tenant, job), seconds, used)
        return found

    def truths(self, seconds: float) -> Iterator[Row]:
        """Whose each process on a GPU is, and what memory each container uses, under names of their own."""
        jobs = self._jobs(seconds)
        for labels, pid in self._present(seconds):
            tenant = self._seats[pid].tenant
            yield "gpu_process_holder", {**labels, "pid": str(pid), "holder": self._holder(tenant, jobs[tenant])}, 1.0
        for tenant, job in jobs.items():
            if tenant.kind in _IN_CONTAINERS:
                used = memory_bytes(self._container(tenant, job), seconds)
                yield "container_memory_used_bytes", {"id": self._id(tenant, job)}, float(used)

    def _jobs(self, seconds: float) -> dict[Tenant, Job]:
        return {tenant: FIRST if tenant.gpu is None else self._job(tenant.gpu, seconds) for tenant in self._tenants}

    def _draw(self, tenant: Tenant, job: Job) -> int:
        key = self._key
        for letter in f"{tenant.name} {job.number}":
            key = mix(key ^ ord(letter))
        return key

    def _id(self, tenant: Tenant, job: Job) -> str:
        key = self._draw(tenant, job)
        return "".join(f"{mix(key + part):016x}" for part in range(4))

    def _path(self, tenant: Tenant, job: Job) -> str:
        digits = f"{mix(self._draw(tenant, job) + 4):016x}{mix(self._draw(tenant, job) + 5):016x}"
        uid = "_".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        return _PATHS[tenant.kind].format(id=self._id(tenant, job), uid=uid, job=self._number(tenant, job))

    def _number(self, tenant: Tenant, job: Job) -> int:
        return _FIRST_JOB + 100 * job.number + self._tenants[tenant]

    def _holder(self, tenant: Tenant, job: Job) -> str:
        """As the agent calls it."""
        if tenant.kind in _IN_CONTAINERS:
            return self._id(tenant, job)
        return f"job:{self._number(tenant, job)}" if tenant.kind == SLURM else f"user:{USERS[_USER_OF[PERSON]]}"

    def _container(self, tenant: Tenant, job: Job) -> Container:
        limits = _POD_LIMITS if tenant.kind == POD else (None, None)
        return Container(self._draw(tenant, job), *limits)

    def _cpu_microseconds(self, seconds: float) -> int:
        """Of each container: they share alike."""
        busy = self._cpus.busy_total(seconds) // (FEMTOSECONDS // 10**6)
        return busy * _SHARE_PERMILLE // 1000 // max(1, self._contained)
