"""Options of the host's collectors."""

from __future__ import annotations

from typing import Final

from nodescope.settings.setting import Setting

DISK_EXCLUDE: Final = r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$"
MOUNT_EXCLUDE: Final = "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)"
FSTYPE_EXCLUDE: Final = (
    "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay"
    "|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$"
)
VMSTAT_FIELDS: Final = "^(oom_kill|pgpg|pswp|pg.*fault).*"
NETSTAT_FIELDS: Final = (
    "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)"
    "|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)"
    "|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)"
    "|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$"
)
SYSTEMD_EXCLUDE: Final = r".+\.(automount|device|mount|scope|slice)"

HOST_OPTIONS: Final[tuple[Setting, ...]] = (
    Setting("collector.arp.device-exclude", "regex", "", "Network devices to leave out (not with device-include)."),
    Setting("collector.arp.device-include", "regex", "", "Network devices to keep (not with device-exclude)."),
    Setting("collector.arp.netlink", "bool", True, "Read neighbours over netlink rather than from /proc/net/arp."),
    Setting(
        "collector.bcache.priorityStats", "bool", False, "Read priority_stats too, for which the kernel sorts a cache."
    ),
    Setting("collector.cpu.guest", "bool", True, "Add node_cpu_guest_seconds_total."),
    Setting("collector.cpu.info", "bool", False, "Add node_cpu_info, from /proc/cpuinfo."),
    Setting("collector.cpu.info.flags-include", "regex", "", "Flags of /proc/cpuinfo that become node_cpu_flag_info."),
    Setting("collector.cpu.info.bugs-include", "regex", "", "Bugs of /proc/cpuinfo that become node_cpu_bug_info."),
    Setting(
        "collector.diskstats.device-exclude",
        "regex",
        DISK_EXCLUDE,
        "Block devices to leave out (not with device-include).",
    ),
    Setting("collector.diskstats.device-include", "regex", "", "Block devices to keep (not with device-exclude)."),
    Setting(
        "collector.epic.interval",
        "duration",
        15.0,
        "Seconds between samples; what is shown in percent or by second is of that time.",
        unit="seconds",
        minimum=0.1,
        maximum=3600,
    ),
    Setting("collector.ethtool.device-exclude", "regex", "", "Network devices to leave out (not with device-include)."),
    Setting("collector.ethtool.device-include", "regex", "", "Network devices to keep (not with device-exclude)."),
    Setting("collector.ethtool.metrics-include", "regex", ".*", "Statistics of drivers to keep."),
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
        "collector.filesystem.max-mounts",
        "int",
        2_000,
        "Most mounts that are shown; the rest is counted by nodescope_collector_left_out.",
        minimum=1,
        maximum=65_536,
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
    Setting("collector.hwmon.chip-exclude", "regex", "", "Chips to leave out (not with chip-include)."),
    Setting("collector.hwmon.chip-include", "regex", "", "Chips to keep (not with chip-exclude)."),
    Setting(
        "collector.hwmon.sensor-exclude", "regex", "", "Sensors to leave out, as CHIP;SENSOR (not with sensor-include)."
    ),
    Setting(
        "collector.hwmon.sensor-include", "regex", "", "Sensors to keep, as CHIP;SENSOR (not with sensor-exclude)."
    ),
    Setting(
        "collector.infiniband.device-exclude", "regex", "", "InfiniBand devices to leave out (not with device-include)."
    ),
    Setting(
        "collector.infiniband.device-include", "regex", "", "InfiniBand devices to keep (not with device-exclude)."
    ),
    Setting("collector.interrupts.include-zeros", "bool", True, "Keep interrupts that have never come."),
    Setting("collector.interrupts.name-exclude", "regex", "", "Interrupts to leave out (not with name-include)."),
    Setting("collector.interrupts.name-include", "regex", "", "Interrupts to keep (not with name-exclude)."),
    Setting(
        "collector.ipvs.backend-labels",
        "string",
        "local_address,local_port,proto,remote_address,remote_port,local_mark",
        "Labels of backends, with commas between them; backends that then have the same labels are summed.",
    ),
    Setting(
        "collector.netclass.max-devices",
        "int",
        2_000,
        "Most network devices that are shown, in the order of their names; the rest is counted.",
        minimum=1,
        maximum=65_536,
    ),
    Setting("collector.netclass.ignored-devices", "regex", "^$", "Network devices to leave out."),
    Setting(
        "collector.netclass.ignore-invalid-speed", "bool", False, "Leave out the speed of devices that do not know it."
    ),
    Setting("collector.netclass.netlink", "bool", False, "Read over netlink rather than from /sys/class/net."),
    Setting(
        "collector.netclass.with-stats",
        "bool",
        False,
        "With netlink: add the counters of each device, under the names of netdev.",
        flag="collector.netclass_rtnl.with-stats",
    ),
    Setting("collector.netdev.device-include", "regex", "", "Network devices to keep (not with device-exclude)."),
    Setting("collector.netdev.device-exclude", "regex", "", "Network devices to leave out (not with device-include)."),
    Setting("collector.netdev.address-info", "bool", False, "Add node_network_address_info."),
    Setting(
        "collector.netdev.max-devices",
        "int",
        2_000,
        "Most network devices that are shown, in the order in which they came; the rest is counted.",
        minimum=1,
        maximum=65_536,
    ),
    Setting("collector.netdev.enable-detailed-metrics", "bool", False, "Use the kernel's detailed counter names."),
    Setting("collector.netdev.netlink", "bool", True, "Read counters over netlink rather than from /proc/net/dev."),
    Setting("collector.netdev.label-ifalias", "bool", False, "Add the label ifalias."),
    Setting("collector.netstat.fields", "regex", NETSTAT_FIELDS, "Fields to keep, as PROTOCOL_FIELD."),
    Setting("collector.pcidevice.names", "bool", False, "Add names of makers, devices and classes, from pci.ids."),
    Setting("collector.pcidevice.idsfile", "path", "", "The file pci.ids; unset: the usual places."),
    Setting(
        "collector.powersupplyclass.ignored-supplies",
        "regex",
        "^$",
        "Power supplies to leave out.",
        flag="collector.powersupply.ignored-supplies",
    ),
    Setting("collector.qdisc.device-exclude", "regex", "", "Network devices to leave out (not with device-include)."),
    Setting("collector.qdisc.device-include", "regex", "", "Network devices to keep (not with device-exclude)."),
    Setting(
        "collector.qdisc.fixtures",
        "path",
        "",
        "Read queueing disciplines from the JSON files of this directory; for tests.",
    ),
    Setting("collector.rapl.enable-zone-label", "bool", False, "One family for all zones, with the label rapl_zone."),
    Setting("collector.slabinfo.slabs-exclude", "regex", "", "Slabs to leave out."),
    Setting("collector.slabinfo.slabs-include", "regex", ".*", "Slabs to keep."),
    Setting("collector.stat.softirq", "bool", False, "Add node_softirqs_total, by vector."),
    Setting(
        "collector.sysctl.include",
        "list",
        (),
        "Kernel setting that is a number, or NAME:FIELD,... for several in one; repeatable.",
        separator=" ",
    ),
    Setting(
        "collector.sysctl.include-info",
        "list",
        (),
        "Kernel setting that is a text, or NAME:FIELD,... for several in one; repeatable.",
        separator=" ",
    ),
    Setting(
        "collector.systemd.unit-include",
        "regex",
        ".+",
        "Units to keep, those that unit-exclude does not match; must match the whole name.",
    ),
    Setting(
        "collector.systemd.unit-exclude", "regex", SYSTEMD_EXCLUDE, "Units to leave out; must match the whole name."
    ),
    Setting("collector.systemd.enable-restarts-metrics", "bool", False, "Add node_systemd_service_restart_total."),
    Setting("collector.systemd.enable-start-time-metrics", "bool", False, "Add node_systemd_unit_start_time_seconds."),
    Setting("collector.systemd.enable-task-metrics", "bool", False, "Add node_systemd_unit_tasks_current and _max."),
    Setting(
        "collector.systemd.private",
        "bool",
        False,
        "Ask over the private socket of systemd, which needs root, rather than over the system bus.",
    ),
    Setting("collector.tapestats.ignored-devices", "regex", "^$", "Tape drives to leave out."),
    Setting(
        "collector.textfile.directory",
        "list",
        (),
        "Directory with files *.prom, or a pattern of directories; repeatable.",
    ),
    Setting("collector.vmstat.fields", "regex", VMSTAT_FIELDS, "Fields of /proc/vmstat to keep."),
)
