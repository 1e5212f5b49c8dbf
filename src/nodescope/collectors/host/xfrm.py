"""Packets that IPsec could not handle."""

from __future__ import annotations

from typing import ClassVar, Final

from nodescope.host import Host, Malformed
from nodescope.kernel.number import uint64
from nodescope.metric import Family, Metric, single
from nodescope.settings import Settings

# Key -> the metric's name without node_xfrm_ and _packets_total, and its help.
_KEYS: Final = (
    ("XfrmInError", "in_error", "All errors not matched by other"),
    ("XfrmInBufferError", "in_buffer_error", "No buffer is left"),
    ("XfrmInHdrError", "in_hdr_error", "Header error"),
    (
        "XfrmInNoStates",
        "in_no_states",
        "No state is found i.e. Either inbound SPI, address, or IPsec protocol at SA is wrong",
    ),
    (
        "XfrmInStateProtoError",
        "in_state_proto_error",
        "Transformation protocol specific error e.g. SA key is wrong",
    ),
    ("XfrmInStateModeError", "in_state_mode_error", "Transformation mode specific error"),
    ("XfrmInStateSeqError", "in_state_seq_error", "Sequence error i.e. Sequence number is out of window"),
    ("XfrmInStateExpired", "in_state_expired", "State is expired"),
    (
        "XfrmInStateMismatch",
        "in_state_mismatch",
        "State has mismatch option e.g. UDP encapsulation type is mismatch",
    ),
    ("XfrmInStateInvalid", "in_state_invalid", "State is invalid"),
    (
        "XfrmInTmplMismatch",
        "in_tmpl_mismatch",
        "No matching template for states e.g. Inbound SAs are correct but SP rule is wrong",
    ),
    (
        "XfrmInNoPols",
        "in_no_pols",
        "No policy is found for states e.g. Inbound SAs are correct but no SP is found",
    ),
    ("XfrmInPolBlock", "in_pol_block", "Policy discards"),
    ("XfrmInPolError", "in_pol_error", "Policy error"),
    ("XfrmOutError", "out_error", "All errors which is not matched others"),
    ("XfrmOutBundleGenError", "out_bundle_gen_error", "Bundle generation error"),
    ("XfrmOutBundleCheckError", "out_bundle_check_error", "Bundle check error"),
    ("XfrmOutNoStates", "out_no_states", "No state is found"),
    ("XfrmOutStateProtoError", "out_state_proto_error", "Transformation protocol specific error"),
    ("XfrmOutStateModeError", "out_state_mode_error", "Transformation mode specific error"),
    ("XfrmOutStateSeqError", "out_state_seq_error", "Sequence error i.e. Sequence number overflow"),
    ("XfrmOutStateExpired", "out_state_expired", "State is expired"),
    ("XfrmOutPolBlock", "out_pol_block", "Policy discards"),
    ("XfrmOutPolDead", "out_pol_dead", "Policy is dead"),
    ("XfrmOutPolError", "out_pol_error", "Policy error"),
    ("XfrmFwdHdrError", "fwd_hdr_error", "Forward routing of a packet is not allowed"),
    ("XfrmOutStateInvalid", "out_state_invalid", "State is invalid, perhaps expired"),
    ("XfrmAcquireError", "acquire_error", "State hasn\N{RIGHT SINGLE QUOTATION MARK}t been fully acquired before use"),
)
METRICS: Final = {key.encode(): Metric(f"node_xfrm_{name}_packets_total", "counter", help) for key, name, help in _KEYS}
"""By the key of the line."""


def parse_xfrm_stat(data: bytes, source: str) -> tuple[dict[bytes, int], int]:
    """Key -> number, known keys alone; how many lines could not be used. Raises `Malformed` where none is known."""
    found: dict[bytes, int] = {}
    left_out = 0
    for line in data.split(b"\n"):
        words = line.split()
        if not words or (len(words) == 2 and words[0] not in METRICS):
            continue
        number = uint64(words[1]) if len(words) == 2 else None
        if number is None or words[0] in found:
            left_out += 1
        else:
            found[words[0]] = number
    if not found:
        raise Malformed(source, data, "lines of a counter's name and its number")
    return found, left_out


class XfrmCollector:
    """Why IPsec dropped packets, or could not send them.

    *Source*: /proc/net/xfrm_stat, Documentation/networking/xfrm_proc.rst. *Units*: packets. *Absent when*: the kernel
    has no CONFIG_XFRM_STATISTICS; a counter that it does not have. *Cost*: one read.
    """

    name: ClassVar[str] = "xfrm"
    metrics: ClassVar[tuple[Metric, ...]] = tuple(METRICS.values())
    left_out: int = 0

    def __init__(self, host: Host) -> None:
        self._host = host
        self._path = host.proc("net/xfrm_stat")
        self._last: tuple[bytes, list[Family]] = (b"", [])

    def collect(self) -> list[Family]:
        data = self._host.read(self._path, built_in=True)
        if data != self._last[0] or not data:
            found, self.left_out = parse_xfrm_stat(data, self._path)
            self._last = data, [single(METRICS[key], number) for key, number in found.items()]
        return self._last[1]


def build(host: Host, settings: Settings) -> XfrmCollector:
    return XfrmCollector(host)
