"""Settings: one table. Precedence: flag > NODESCOPE_* environment > YAML file > default of the role > default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

Kind = Literal["bool", "int", "number", "duration", "string", "choice", "regex", "path", "list", "labels", "listeners"]

ENVIRONMENT_PREFIX: Final = "NODESCOPE_"


class Setting(NamedTuple):
    """One row of the table. `key` is the YAML path, and the flag is `--key`.

    `flag` is another spelling of the flag where node_exporter's differs from the key; `aliases` are further
    environment names that are honoured. A duration is in seconds once read.
    """

    key: str
    kind: Kind
    default: Any
    help: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    flag: str = ""
    aliases: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None

    @property
    def flag_name(self) -> str:
        return self.flag or self.key

    @property
    def environment_name(self) -> str:
        return ENVIRONMENT_PREFIX + self.key.upper().replace(".", "_").replace("-", "_")


class Origin(NamedTuple):
    """Where a value came from, in words a person can follow: "flag --web.max-requests", "file /etc/x.yaml"."""

    text: str


class SettingsError(Exception):
    """A value that cannot be used. The message is one sentence naming source, key and what was expected."""


class Settings:
    """The values in force, by key, each with its origin. Never changes once made."""

    def __init__(self, values: Mapping[str, Any], origins: Mapping[str, Origin], warnings: tuple[str, ...]) -> None:
        self._values = dict(values)
        self._origins = dict(origins)
        self.warnings = warnings

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def origin(self, key: str) -> str:
        return self._origins[key].text

    def is_set(self, key: str) -> bool:
        """Whether someone gave this value, rather than the table or the role."""
        return not self._origins[key].text.startswith("default")

    def replaced(self, values: Mapping[str, Any], origin: str) -> Settings:
        """These settings with other `values`, for one who knows better than all sources."""
        origins = {**self._origins, **dict.fromkeys(values, Origin(origin))}
        return Settings({**self._values, **values}, origins, self.warnings)

    def names(self) -> list[str]:
        return sorted(self._values)


DISK_EXCLUDE: Final = r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$"
MOUNT_EXCLUDE: Final = "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)"
FSTYPE_EXCLUDE: Final = (
    "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay"
    "|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$"
)
VMSTAT_FIELDS: Final = "^(oom_kill|pgpg|pswp|pg.*fault).*"


def _enabled(name: str, what: str, default: bool = True) -> Setting:
    return Setting(f"collector.{name}.enabled", "bool", default, f"Collect {what}.", flag=f"collector.{name}")


TABLE: Final[tuple[Setting, ...]] = (
    Setting("config.file", "path", "", "YAML file with settings."),
    Setting(
        "log.level",
        "choice",
        "info",
        "Least severity that is logged.",
        choices=("debug", "info", "warn", "error"),
        aliases=("LOG_LEVEL",),
    ),
    Setting(
        "log.format",
        "choice",
        "text",
        "Form of log lines on standard error; logfmt is another word for text.",
        choices=("text", "logfmt", "json"),
    ),
    Setting("path.procfs", "path", "/proc", "Where the host's procfs is mounted."),
    Setting("path.sysfs", "path", "/sys", "Where the host's sysfs is mounted."),
    Setting("path.rootfs", "path", "/", "Where the host's root filesystem is mounted."),
    Setting("path.udev.data", "path", "/run/udev/data", "Where the host's udev database lies."),
    Setting(
        "web.listen-address",
        "list",
        ("127.0.0.1:9100",),
        "Address to serve on, HOST:PORT, [IPV6]:PORT, :PORT (every interface) or unix:PATH; repeatable.",
    ),
    Setting(
        "web.systemd-socket", "bool", False, "Serve on the sockets that systemd passes, instead of listen-address."
    ),
    Setting("web.telemetry-path", "string", "/metrics", "Path of the metrics."),
    Setting(
        "web.max-requests", "int", 40, "Most scrapes at a time; more get 503. 0: no limit.", minimum=0, maximum=10_000
    ),
    Setting("web.disable-exporter-metrics", "bool", False, "Leave out the metrics about nodescope itself."),
    Setting(
        "web.config.file", "path", "", "Web config file in exporter-toolkit's format: TLS, users, headers, rate limit."
    ),
    Setting("web.workers", "int", 8, "Threads that answer requests, for each listener.", minimum=2, maximum=256),
    Setting(
        "web.request-timeout",
        "duration",
        10.0,
        "Longest that a client may take to send a request or take an answer.",
        unit="seconds",
        minimum=0.1,
        maximum=3600,
    ),
    Setting(
        "web.idle-timeout",
        "duration",
        120.0,
        "Longest that a connection may rest between two requests.",
        unit="seconds",
        minimum=0.1,
        maximum=86_400,
    ),
    Setting(
        "web.max-connections",
        "int",
        512,
        "Most connections at a time, for each listener; the one that has been silent longest makes room.",
        minimum=8,
        maximum=65_536,
    ),
    Setting(
        "scrape.timeout",
        "duration",
        9.5,
        "Longest that a scrape without a scrape-timeout header waits for its collectors.",
        unit="seconds",
        minimum=0.05,
        maximum=3600,
    ),
    Setting(
        "scrape.timeout-offset",
        "duration",
        0.5,
        "Taken off the scraper's own timeout, so that the answer arrives within it.",
        unit="seconds",
        minimum=0,
        maximum=60,
    ),
    Setting(
        "scrape.max-series", "int", 200_000, "Most series in one answer; the rest is dropped and counted.", minimum=1
    ),
    Setting(
        "collector.timeout",
        "duration",
        1.0,
        "Longest that one collector may take; it counts as failed until its read returns.",
        unit="seconds",
        minimum=0.01,
        maximum=3600,
    ),
    Setting("collector.disable-defaults", "bool", False, "Collect only what is switched on by name."),
    Setting("constant-labels", "labels", {}, "Labels on every series, NAME=VALUE; repeatable."),
    Setting(
        "listeners",
        "listeners",
        (),
        "YAML only: a list of listeners, each with address, role, collectors and constant_labels of its own.",
    ),
    _enabled("cpu", "CPU seconds, topology, throttling"),
    Setting("collector.cpu.guest", "bool", True, "Add node_cpu_guest_seconds_total."),
    Setting("collector.cpu.info", "bool", False, "Add node_cpu_info, from /proc/cpuinfo."),
    Setting("collector.cpu.info.flags-include", "regex", "", "Flags of /proc/cpuinfo that become node_cpu_flag_info."),
    Setting("collector.cpu.info.bugs-include", "regex", "", "Bugs of /proc/cpuinfo that become node_cpu_bug_info."),
    _enabled("diskstats", "block device I/O"),
    Setting(
        "collector.diskstats.device-exclude",
        "regex",
        DISK_EXCLUDE,
        "Block devices to leave out (not with device-include).",
    ),
    Setting("collector.diskstats.device-include", "regex", "", "Block devices to keep (not with device-exclude)."),
    _enabled("filesystem", "filesystem space and inodes"),
    Setting(
        "collector.filesystem.mount-points-exclude",
        "regex",
        MOUNT_EXCLUDE,
        "Mount points to leave out (not with mount-points-include).",
    ),
    Setting(
        "collector.filesystem.mount-points-include",
        "regex",
        "",
        "Mount points to keep (not with mount-points-exclude).",
    ),
    Setting(
        "collector.filesystem.fs-types-exclude",
        "regex",
        FSTYPE_EXCLUDE,
        "Filesystem types to leave out (not with fs-types-include).",
    ),
    Setting(
        "collector.filesystem.fs-types-include", "regex", "", "Filesystem types to keep (not with fs-types-exclude)."
    ),
    Setting(
        "collector.filesystem.mount-timeout",
        "duration",
        5.0,
        "A mount that takes longer counts as stuck.",
        unit="seconds",
        minimum=0.01,
        maximum=3600,
    ),
    Setting(
        "collector.filesystem.stat-workers",
        "int",
        4,
        "Accepted for node_exporter's command lines; has no effect, for a stuck mount never holds up another.",
        minimum=1,
    ),
    Setting(
        "collector.filesystem.interval",
        "duration",
        15.0,
        "Seconds between samples while no one scrapes.",
        unit="seconds",
        minimum=0.1,
        maximum=3600,
    ),
    _enabled("loadavg", "load averages"),
    _enabled("meminfo", "memory"),
    _enabled("netdev", "network device counters"),
    Setting("collector.netdev.device-include", "regex", "", "Network devices to keep (not with device-exclude)."),
    Setting("collector.netdev.device-exclude", "regex", "", "Network devices to leave out (not with device-include)."),
    Setting("collector.netdev.address-info", "bool", False, "Add node_network_address_info."),
    Setting("collector.netdev.enable-detailed-metrics", "bool", False, "Use the kernel's detailed counter names."),
    Setting("collector.netdev.netlink", "bool", True, "Read counters over netlink rather than from /proc/net/dev."),
    Setting("collector.netdev.label-ifalias", "bool", False, "Add the label ifalias."),
    _enabled("os", "the operating system's release"),
    _enabled("pressure", "pressure stall information"),
    _enabled("stat", "interrupts, context switches, forks, boot time"),
    Setting("collector.stat.softirq", "bool", False, "Add node_softirqs_total, by vector."),
    _enabled("time", "system time and clock sources"),
    _enabled("uname", "kernel identification"),
    _enabled("vmstat", "virtual memory counters"),
    Setting("collector.vmstat.fields", "regex", VMSTAT_FIELDS, "Fields of /proc/vmstat to keep."),
    Setting("simulate", "choice", "", "Measure a simulated machine instead of this one.", choices=("", "cpu")),
    Setting("simulate.seed", "int", 1, "Seed of the simulated machine: the same seed gives the same readings."),
    Setting("simulate.speed", "number", 1.0, "Virtual seconds in each real one.", minimum=0.001, maximum=100_000),
    Setting("simulate.truth-file", "path", "", "Where the simulator writes what is true, one JSON object a line."),
)

BY_KEY: Final[dict[str, Setting]] = {setting.key: setting for setting in TABLE}
BY_FLAG: Final[dict[str, Setting]] = {setting.flag_name: setting for setting in TABLE}
