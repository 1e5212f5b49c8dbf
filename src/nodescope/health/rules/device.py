"""Rules on the GPU as a whole, and on its driver."""

from __future__ import annotations

from typing import Final

from nodescope.health.rule import CRITICAL, UNKNOWN, WARNING, Rule

_REBOOT: Final = "take the node out of service and reboot it; where that does not help, cut its power for a minute"
_RESET: Final = "stop the programs on it, then {reset_command}; where that is refused, reboot the node"

_STATES: Final = (
    Rule(
        "device",
        "state",
        "is",
        "lost",
        CRITICAL,
        "the GPU no longer answers on its bus",
        _REBOOT + "; if it is lost again, have its seating, power and riser looked at and replace it",
        ("state_reason",),
    ),
    Rule(
        "device",
        "state",
        "is",
        "reset_required",
        CRITICAL,
        "the GPU takes no work until it is reset",
        _RESET,
        ("state_reason",),
    ),
    Rule(
        "device",
        "state",
        "is",
        "unresponsive",
        CRITICAL,
        "a call into the driver for this GPU does not return",
        "look for {logged} in the kernel log (dmesg -T); stop the programs on it, and where they cannot be "
        "killed, reboot the node",
        ("state_reason",),
    ),
    Rule(
        "device",
        "state",
        "is",
        "failed",
        CRITICAL,
        "the GPU cannot be read",
        "try {tool} on the host: if that works, nodescope's container has lost the device and is to be restarted; "
        "if not, look at the kernel log and reset the GPU",
        ("state_reason",),
    ),
    Rule(
        "device",
        "state",
        "is",
        "denied",
        UNKNOWN,
        "nodescope is not allowed to read the GPU",
        "run nodescope as {reader}, and in a container with the GPU given to it",
        ("state_reason",),
    ),
    Rule("device", "state", "is", "starting", UNKNOWN, "the GPU has not been read yet", "wait for its first reading"),
    Rule(
        "device",
        "stale",
        "==",
        1,
        UNKNOWN,
        "there is no reading of the GPU that is new enough",
        "see what the driver component says; if the driver is well, look at nodescope's log",
        ("age_seconds",),
    ),
)
_RECOVERY: Final = (
    (1, CRITICAL, "for a reset of this GPU", _RESET),
    (2, CRITICAL, "for a reboot of the node", _REBOOT),
    (
        3,
        WARNING,
        "to free this GPU of peer-to-peer traffic",
        "let no job over several GPUs start on it, end those that are there, then {reset_command}",
    ),
    (
        4,
        WARNING,
        "to drain this GPU and to reset it then",
        "let no new job start on it; when the last has ended, {reset_command}",
    ),
    (
        5,
        WARNING,
        "to recover its IMEX domain",
        "look at nvidia-imex on all nodes of the domain (nvidia-imex-ctl -N) and restart it where it is not ready",
    ),
    (
        6,
        CRITICAL,
        "for a reset of its bus",
        "drain the node and reboot it, which resets the bus too",
    ),
    (7, CRITICAL, "for a reboot of the system", _REBOOT),
)
_LAST_RECOVERY: Final = _RECOVERY[-1][0]

RULES: Final[tuple[Rule, ...]] = (
    *_STATES,
    *(
        Rule("device", "recovery_action", "==", number, state, f"the driver asks {what}", action)
        for number, state, what, action in _RECOVERY
    ),
    Rule(
        "device",
        "recovery_action",
        ">",
        _LAST_RECOVERY,
        WARNING,
        "the driver asks for a recovery that this version of nodescope does not know",
        "see nvidia-smi -q, GPU Recovery Action, for what it is",
    ),
    Rule(
        "device",
        "tpc_repair_pending",
        ">=",
        1,
        WARNING,
        "a bad group of the GPU's processors (TPC) is repaired only when the GPU is reset",
        "let its jobs end, then {reset_command}",
    ),
    Rule(
        "driver",
        "source_state",
        "is",
        "failed",
        CRITICAL,
        "the driver cannot be read on this node",
        "run {tool}: after an update of the driver reboot, else look at the kernel log for {log_name}",
        ("source_reason",),
    ),
    Rule(
        "driver",
        "source_state",
        "is",
        "abandoned",
        CRITICAL,
        "the driver hangs in the kernel, so that what reads it can neither go on nor be ended",
        "look for XID 79, 119 or 120 in the kernel log; " + _REBOOT,
        ("source_reason",),
    ),
    Rule(
        "driver",
        "source_state",
        "is",
        "paused",
        UNKNOWN,
        "nodescope has given up the driver, as it was asked to",
        "nodescope resume gpu, when the work on the GPUs is done",
        ("source_reason",),
    ),
    Rule(
        "driver",
        "source_state",
        "is",
        "starting",
        UNKNOWN,
        "the driver is being started",
        "wait for its first answer",
        ("source_reason",),
    ),
    Rule(
        "driver",
        "driver_hung_calls_last_hour",
        ">=",
        "driver_hung_calls_last_hour",
        WARNING,
        "calls into the driver have hung in the last hour",
        "look for XIDs in the kernel log; if it goes on, update the driver or reboot the node",
    ),
)
