"""The collectors of what the kubelet tells, and their options."""

from __future__ import annotations

from typing import Final

from nodescope.settings.host import Collects
from nodescope.settings.setting import Setting

KUBELET: Final[tuple[Collects, ...]] = (
    Collects("kubelet", "pods, their GPUs and their local storage from the kubelet"),
    Collects("kubelet_lens", "what the kubelet tells, under the names of Primus-Lens' node-exporter", on=False),
)

SERVICE_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"

KUBELET_OPTIONS: Final[tuple[Setting, ...]] = (
    Setting(
        "collector.kubelet.address",
        "string",
        "",
        "The kubelet: an IP address or name of the node, with the port where it is not 10250. Empty or 0.0.0.0: none "
        "is asked.",
        aliases=("NODE_IP",),
    ),
    Setting(
        "collector.kubelet.interval",
        "duration",
        5.0,
        "Time between two looks at the pods.",
        unit="seconds",
        minimum=1,
        maximum=3600,
    ),
    Setting(
        "collector.kubelet.summary-interval",
        "duration",
        10.0,
        "Time between two looks at the local storage, which the kubelet itself measures each ten seconds at most.",
        unit="seconds",
        minimum=1,
        maximum=3600,
    ),
    Setting(
        "collector.kubelet.pod-resources-socket",
        "path",
        "/var/lib/kubelet/pod-resources/kubelet.sock",
        "Where the kubelet tells which devices it gave to which pod, on the host or as it is mounted here. Empty: it "
        "is not asked.",
    ),
    Setting(
        "collector.kubelet.pod-resources-interval",
        "duration",
        5.0,
        "Time between two looks at which devices the kubelet gave to which pod.",
        unit="seconds",
        minimum=1,
        maximum=3600,
    ),
    Setting(
        "collector.kubelet.ca-file",
        "path",
        f"{SERVICE_ACCOUNT}/ca.crt",
        "The CA that signed the kubelet's certificate, in PEM, or that certificate where it is self-signed; empty for "
        "those that the machine trusts. It is read again when it changes.",
    ),
    Setting(
        "collector.kubelet.token-file",
        "path",
        f"{SERVICE_ACCOUNT}/token",
        "The token that the kubelet is shown; empty for none. It is read again when it changes.",
        aliases=("KUBELET_TOKEN_FILE",),
    ),
    Setting(
        "collector.kubelet.client-certificate",
        "path",
        "",
        "A client certificate to show to the kubelet, in PEM.",
    ),
    Setting("collector.kubelet.client-key", "path", "", "The client certificate's key, where it is in another file."),
    Setting(
        "collector.kubelet.server-name",
        "string",
        "",
        "The name in the kubelet's certificate, where it is not the address.",
    ),
    Setting(
        "collector.kubelet.insecure",
        "bool",
        False,
        "Believe any certificate. Whoever answers at the address is then shown the token.",
    ),
    Setting(
        "collector.kubelet.node-name",
        "string",
        "",
        "The node's name in labels; empty for the name that the kubelet gives.",
        aliases=("NODE_NAME",),
    ),
)
