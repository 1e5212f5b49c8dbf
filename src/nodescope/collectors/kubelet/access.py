"""How the settings say that the kubelet is asked."""

from __future__ import annotations

from typing import Final

from nodescope.containers.kubelet.access import Access, AccessFailed, address
from nodescope.settings import Settings, SettingsError

GRACE_S: Final = 15.0
"""What the first answer may take."""

_ADDRESS: Final = "collector.kubelet.address"


def access(settings: Settings) -> Access | None:
    """None where no address is given. Raises `SettingsError` where what is given is none."""
    try:
        found = address(settings[_ADDRESS])
    except AccessFailed as error:
        raise SettingsError(f"{settings.origin(_ADDRESS)}: {error}") from error
    if found is None:
        return None
    certificate = settings["collector.kubelet.client-certificate"]
    token_file = settings["collector.kubelet.token-file"]
    # Who shows a certificate needs no token, unless one was asked for by name.
    if certificate and not settings.is_set("collector.kubelet.token-file"):
        token_file = ""
    return Access(
        *found,
        ca_file=settings["collector.kubelet.ca-file"],
        token_file=token_file,
        client_certificate=certificate,
        client_key=settings["collector.kubelet.client-key"],
        server_name=settings["collector.kubelet.server-name"],
        insecure=settings["collector.kubelet.insecure"],
    )
