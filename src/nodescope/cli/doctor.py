"""`nodescope doctor`: what this node has, what is missing, and what to do about it."""

from __future__ import annotations

import errno
import logging
import os
import platform
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from nodescope import __version__, logs
from nodescope.cli import EXIT_FAILURE, say
from nodescope.cli.finding import Finding
from nodescope.cli.flags import parse_for_role, parser
from nodescope.cli.gpu_findings import gpu_findings, is_starting
from nodescope.cli.runtime_findings import is_being_asked, runtime_findings
from nodescope.host import Absent
from nodescope.listening import address_problem, plans, unserved, web_config_problem
from nodescope.measurement import Measurement, empty_roots
from nodescope.roles import BY_NAME, Role
from nodescope.runner import Outcome
from nodescope.settings import Settings
from nodescope.simulated import machine

log = logging.getLogger(__name__)

LEAST_DESCRIPTORS: Final = 1024
FIRST_SAMPLES_S: Final = 10.0
POLL_S: Final = 0.1

_NO_RDMA: Final = "where there are RDMA adapters: load their driver (mlx5_ib, bnxt_re, irdma)"
_NO_EDAC: Final = "virtual machines have none; else load the controller's driver (modprobe i10nm_edac, amd64_edac)"
_NO_RUNTIME: Final = (
    "where containers run: start their runtime; in a container, mount the host's root or /run and its cgroups, "
    "or name the sockets in collector.container.sockets"
)

# What to do where a collector has nothing to read, by the start of its name.
_ABSENT_ACTIONS: Final[tuple[tuple[str, str], ...]] = (
    ("bcachefs", "where there are bcachefs filesystems: mount them"),
    ("bcache", "where block devices are cached: modprobe bcache"),
    ("btrfs", "where there are Btrfs filesystems: mount them"),
    ("bonding", "where there are bonded devices: modprobe bonding"),
    ("container", _NO_RUNTIME),
    ("docker_stats", _NO_RUNTIME),
    ("conntrack", "where connections are tracked: modprobe nf_conntrack"),
    ("dmi", "virtual machines and some boards have none; else the kernel needs CONFIG_DMIID"),
    ("drbd", "where DRBD 8 mirrors disks: modprobe drbd; DRBD 9 does not tell by /proc/drbd"),
    ("drm", "where there are graphics cards: load their driver"),
    ("edac", _NO_EDAC),
    ("fibrechannel", "where there are Fibre Channel adapters: load their driver (lpfc, qla2xxx)"),
    ("gpu_rocm", "where there are AMD GPUs: load their driver (modprobe amdgpu)"),
    ("gpu_conductor", "where there are AMD GPUs: load their driver (modprobe amdgpu)"),
    ("gpu_lens", "where there are GPUs: load their driver (modprobe nvidia, amdgpu, i915 or xe)"),
    ("gpu_", "where there are NVIDIA GPUs: load their driver (modprobe nvidia); in a container, pass the devices in"),
    (
        "gpu",
        "where there are GPUs: load their driver (modprobe nvidia, amdgpu, i915 or xe); in a container, pass them in",
    ),
    ("hwmon", "virtual machines have no sensors; else load their drivers (modprobe coretemp, k10temp; sensors-detect)"),
    ("infiniband", _NO_RDMA),
    ("ipvs", "where virtual servers are used: modprobe ip_vs"),
    ("kernel_hung", "the kernel needs CONFIG_DETECT_HUNG_TASK, and counts hung tasks since Linux 6.13 only"),
    ("kubelet", "on a Kubernetes node: set NODE_IP or collector.kubelet.address, and give a token that may read it"),
    ("ksmd", "the kernel needs CONFIG_KSM"),
    ("memory_modules", _NO_EDAC),
    ("mdadm", "where there is software RAID: modprobe md_mod"),
    ("nfsd", "where this machine serves NFS: start nfs-server"),
    ("nfs", "where this machine mounts NFS: modprobe nfs"),
    ("nvme", "where there are NVMe drives: modprobe nvme"),
    ("os", "mount the host's root and give --path.rootfs, so that etc/os-release is found"),
    ("powersupplyclass", "most servers have none; where there are batteries or chargers: load their driver"),
    ("pressure", "boot the kernel with psi=1 (it needs CONFIG_PSI, Linux 4.20 or later)"),
    ("rdma", _NO_RDMA),
    ("rapl", "modprobe intel_rapl_msr; virtual machines have none, and energy_uj is for root alone"),
    ("schedstat", "the kernel needs CONFIG_SCHEDSTATS"),
    ("slabinfo", "run as root: /proc/slabinfo is for root alone"),
    ("systemd", "where systemd runs: start dbus, and in a container mount /run/dbus/system_bus_socket"),
    ("swap", "the kernel needs CONFIG_SWAP"),
    ("tapestats", "where there are tape drives: modprobe st"),
    ("tcpstat", "modprobe tcp_diag"),
    ("thermal_zone", "virtual machines have none; else load the sensors' driver (modprobe x86_pkg_temp_thermal)"),
    ("watchdog", "where there is a watchdog timer: load its driver (modprobe iTCO_wdt, sp5100_tco)"),
    ("xfs", "where there are XFS filesystems: mount them"),
    ("xfrm", "the kernel needs CONFIG_XFRM_STATISTICS"),
    ("zfs", "where there are ZFS pools: modprobe zfs"),
    ("", "check --path.procfs, --path.sysfs and --path.rootfs: in a container they must be the host's mounts"),
)
_ERROR_ACTIONS: Final[tuple[tuple[str, str], ...]] = (
    ("PermissionError", "run as root, or give the service user the right to read it"),
    ("Malformed", "the file is not what the kernel documents: check what is mounted at --path.procfs and --path.sysfs"),
    ("AccessFailed", "correct it; nodescope config show has what collector.kubelet is given"),
    ("NoSnapshot", "something under it does not answer: look for a hung mount or device"),
    ("", "run with --log.level=debug to see where it fails"),
)


def main(arguments: Sequence[str]) -> int:
    made = parser(
        "nodescope doctor",
        "Say what this node has, what is missing and what to do about it. "
        "Ends with 1 where something that was asked for cannot work.",
    )
    made.add_argument("--role", choices=sorted(BY_NAME), default="agent", help="look at what this role needs (agent)")
    _, role, settings, warnings = parse_for_role(made, arguments)
    logs.configure("error", settings["log.format"])
    findings = [Finding("problem", "settings", text, "see nodescope config show") for text in warnings]
    findings += examine(settings, role)
    say(report(findings, role))
    return EXIT_FAILURE if any(finding.level == "problem" for finding in findings) else 0


def examine(settings: Settings, role: Role) -> list[Finding]:
    """Runs every collector once and looks at what the role needs besides."""
    with machine(settings) as (here, surroundings):
        measurement = Measurement(here, {role.name: role.collectors}, None, surroundings)
        measurement.start()
        try:
            records = _records(measurement, time.monotonic() + FIRST_SAMPLES_S)
            outcomes = measurement.runner.scrape(measurement.names[role.name], settings["scrape.timeout"])
            outcomes = [_without_samples(outcome, measurement) for outcome in outcomes]
        finally:
            measurement.stop()
    of_collectors = (_collector(outcome, settings) for outcome in outcomes)
    of_runtimes = runtime_findings(records, bool(settings["collector.container.sockets"]))
    return [*of_collectors, *gpu_findings(records), *of_runtimes, *_surroundings(settings, role)]


def _records(measurement: Measurement, deadline: float) -> list[Any]:
    """What the samplers have once each GPU and runtime has answered, or at `deadline` (monotonic)."""
    measurement.first_samples(deadline - time.monotonic())
    while True:
        snapshots = [loop.snapshot for loop in measurement.loops.values()]
        records = [record for snapshot in snapshots if snapshot is not None for record in snapshot.records]
        if not (is_starting(records) or is_being_asked(records)) or time.monotonic() >= deadline:
            return records
        time.sleep(POLL_S)


def _without_samples(outcome: Outcome, measurement: Measurement) -> Outcome:
    """That of a collector with nothing to measure is "absent", though it says, as some exporters do, that it runs."""
    loop = measurement.loops.get(outcome.collector)
    if outcome.succeeded and loop is not None:
        try:
            loop.fresh()
        except Absent as absent:
            reason = f"{absent} is not there"
            return Outcome(outcome.collector, "absent", (), outcome.duration_seconds, reason)
        except Exception:
            log.debug("collector %s has no new sample", outcome.collector, exc_info=True)
    return outcome


def _collector(outcome: Outcome, settings: Settings) -> Finding:
    name = outcome.collector
    if outcome.state == "ok":
        series = sum(len(family.rows) for family in outcome.families)
        text = f"{series} series" if series else "nothing to show"
        if not outcome.left_out:
            return Finding("ok", name, text)
        text += f"; {outcome.left_out} of its lines, files or devices left out"
        return Finding("ok", name, text, f"nodescope metrics --collector={name} says which, with the same settings")
    if outcome.state == "absent":
        asked_for = settings.is_set(f"collector.{name}.enabled")
        return Finding("problem" if asked_for else "missing", name, outcome.reason, absent_action(name))
    return Finding("problem", name, f"{outcome.state}: {outcome.reason}", _action(_ERROR_ACTIONS, outcome.reason))


def absent_action(name: str) -> str:
    """What to do where collector `name` has nothing to read."""
    return _action(_ABSENT_ACTIONS, name)


def _action(table: Sequence[tuple[str, str]], text: str) -> str:
    return next(action for start, action in table if text.startswith(start))


def _surroundings(settings: Settings, role: Role) -> Iterator[Finding]:
    for key, problem in empty_roots(settings):
        yield Finding("problem", key, problem, f"mount it, or correct --{key}")
    wanted = plans(settings, role)
    for key, told in unserved(settings, wanted):
        yield Finding("problem", key, told)
    for address in [] if settings["web.systemd-socket"] else [plan.address for plan in wanted]:
        problem = address_problem(address)
        yield Finding("problem", "web", problem) if problem else Finding("ok", "web", f"{address} is free to listen on")
    problem = web_config_problem(settings)
    if problem:
        yield Finding("problem", "web", problem, "correct the web config file")
    limit = os.sysconf("SC_OPEN_MAX")
    if 0 < limit < LEAST_DESCRIPTORS:
        yield Finding(
            "problem",
            "process",
            f"at most {limit} open files are allowed",
            f"raise the limit to {LEAST_DESCRIPTORS} or more (ulimit -n, LimitNOFILE=)",
        )
    yield _first_process(settings)


def _first_process(settings: Settings) -> Finding:
    """Mounts of the host are those of process 1; hidepid or a container's own /proc hides them."""
    path = f"{settings['path.procfs']}/1/mountinfo"
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError as error:
        word = errno.errorcode.get(error.errno or 0, "error")
        return Finding(
            "missing",
            "mounts",
            f"{path} cannot be read ({word}): the mounts seen are this process' own",
            "run as root without hidepid, or mount the host's /proc and give --path.procfs",
        )
    return Finding("ok", "mounts", "the mounts of process 1 can be read")


_HEADINGS: Final = (("ok", "has"), ("missing", "missing"), ("problem", "cannot work"))


def report(findings: Sequence[Finding], role: Role) -> str:
    """The findings as text for a person."""
    lines = [
        f"nodescope {__version__}, role {role.name}, on {platform.system()} {platform.release()} "
        f"({platform.machine()}), Python {platform.python_version()}"
    ]
    width = max((len(finding.subject) for finding in findings), default=0)
    for level, heading in _HEADINGS:
        chosen = [finding for finding in findings if finding.level == level]
        lines += ["", f"{heading}:"] if chosen else []
        for finding in chosen:
            lines.append(f"  {finding.subject:<{width}}  {finding.text}")
            if finding.action:
                lines.append(f"  {'':<{width}}  -> {finding.action}")
    problems = sum(finding.level == "problem" for finding in findings)
    things = "1 thing" if problems == 1 else f"{problems} things"
    lines += ["", f"{things} cannot work" if problems else "all that was asked for works"]
    return "\n".join(lines)
