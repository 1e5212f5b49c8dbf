"""The collectors of the host role: one table. A collector's name is its file, its settings key and its label value."""

from __future__ import annotations

from typing import Final, NamedTuple


class Collects(NamedTuple):
    """`what` it collects, in words that go behind "Collect"; `on`: unless told otherwise."""

    name: str
    what: str
    on: bool = True


HOST: Final[tuple[Collects, ...]] = (
    Collects("arp", "ARP entries of each network device"),
    Collects("bcache", "caches of block devices by bcache"),
    Collects("bcachefs", "space and errors of bcachefs filesystems"),
    Collects("bonding", "how many slaves of each bond are there and up"),
    Collects("btrfs", "space and errors of Btrfs filesystems"),
    Collects("buddyinfo", "free blocks of memory by order", on=False),
    Collects("cgroups", "how many cgroups each controller has", on=False),
    Collects("conntrack", "connection tracking"),
    Collects("cpu", "CPU seconds, topology, throttling"),
    Collects("cpu_vulnerabilities", "what the kernel says of the CPU's vulnerabilities", on=False),
    Collects("cpufreq", "CPU frequencies"),
    Collects("diskstats", "block device I/O"),
    Collects("dmi", "the machine's make, model and firmware"),
    Collects("dmmultipath", "paths of device-mapper multipath devices"),
    Collects("drbd", "block devices that DRBD mirrors", on=False),
    Collects("drm", "memory and load of graphics cards", on=False),
    Collects("edac", "memory errors that the memory controllers corrected or not"),
    Collects("entropy", "the kernel's pool of randomness"),
    Collects("epic", "use of CPUs, memory, disks and network under the names of MONITOR-POC's mock exporter", on=False),
    Collects("ethtool", "what network drivers count and say of their links", on=False),
    Collects("fibrechannel", "Fibre Channel ports"),
    Collects("filefd", "open files"),
    Collects("filesystem", "filesystem space and inodes"),
    Collects("hwmon", "temperatures, fans, voltages, power of hardware sensors"),
    Collects("infiniband", "InfiniBand and RoCE ports"),
    Collects("interrupts", "interrupts by line and CPU", on=False),
    Collects("ipvs", "IP virtual servers"),
    Collects("kernel_hung", "tasks that the kernel found hung"),
    Collects("ksmd", "kernel samepage merging", on=False),
    Collects("lnstat", "what /proc/net/stat counts, by CPU", on=False),
    Collects("loadavg", "load averages"),
    Collects("mdadm", "software RAID"),
    Collects("meminfo", "memory"),
    Collects("meminfo_numa", "memory by NUMA node", on=False),
    Collects("mountstats", "NFS mounts in detail", on=False),
    Collects("netclass", "what /sys/class/net says of network devices"),
    Collects("netdev", "network device counters"),
    Collects("netstat", "counters of IP, TCP, UDP, ICMP"),
    Collects("network_route", "routes", on=False),
    Collects("nfs", "calls of the NFS client"),
    Collects("nfsd", "calls to the NFS server"),
    Collects("nvme", "NVMe controllers and namespaces"),
    Collects("nvmesubsystem", "NVMe subsystems and their paths", on=False),
    Collects("os", "the operating system's release"),
    Collects("pcidevice", "PCI devices, their links and power states", on=False),
    Collects("powersupplyclass", "batteries and mains adapters"),
    Collects("pressure", "pressure stall information"),
    Collects("processes", "processes and threads by state", on=False),
    Collects("qdisc", "queueing disciplines", on=False),
    Collects("rapl", "energy that CPU packages and memory used"),
    Collects("schedstat", "run time and waiting time of each CPU"),
    Collects("selinux", "SELinux mode"),
    Collects("slabinfo", "kernel memory slabs", on=False),
    Collects("sockstat", "sockets by protocol"),
    Collects("softirqs", "soft interrupts by vector and CPU", on=False),
    Collects("softnet", "packets handled by each CPU"),
    Collects("stat", "interrupts, context switches, forks, boot time"),
    Collects("swap", "swap devices", on=False),
    Collects("sysctl", "chosen kernel settings", on=False),
    Collects("systemd", "systemd's units", on=False),
    Collects("tapestats", "I/O of tape drives"),
    Collects("tcpstat", "TCP connections by state", on=False),
    Collects("thermal_zone", "temperatures of thermal zones, states of cooling devices"),
    Collects("time", "system time and clock sources"),
    Collects("timex", "how well the clock is kept"),
    Collects("udp_queues", "bytes in UDP queues"),
    Collects("uname", "kernel identification"),
    Collects("vmstat", "virtual memory counters"),
    Collects("watchdog", "watchdog timers"),
    Collects("xfrm", "errors of IPsec packets", on=False),
    Collects("xfs", "operations of XFS filesystems"),
    Collects("zfs", "ZFS caches, pools and datasets"),
    Collects("zoneinfo", "memory by zone", on=False),
    # The last, so that no file can take a name before the collector whose name it is.
    Collects("textfile", "metrics from files that other programs write"),
)
