"""Certificates of a cluster of one node, and a kubelet that answers over real TLS as it is told to."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.containers.kubelet.fake_kubelet import FakeKubelet

OPENSSL_TIMEOUT_S: Final = 30

Start = Callable[..., FakeKubelet]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs NAME.crt and NAME.key: `ca` and `other` are CAs; `kubelet` and `client` are signed by `ca`; `named` is a
    kubelet's that has no address in it, only the name node-1.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the program openssl is not here: no certificates can be made")
    folder = tmp_path_factory.mktemp("cluster")

    def make(name: str, names: str, *options: str) -> None:
        command = [
            openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}",
            "-keyout", f"{name}.key", "-out", f"{name}.crt", *options,
        ]  # fmt: skip
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=OPENSSL_TIMEOUT_S)

    signed = (
        "-CA", "ca.crt", "-CAkey", "ca.key", "-addext", "basicConstraints=critical,CA:FALSE",
        "-addext", "keyUsage=digitalSignature", "-addext", "authorityKeyIdentifier=keyid",
    )  # fmt: skip
    for name in ("ca", "other"):
        make(name, f"DNS:{name}.example", "-addext", "keyUsage=critical,keyCertSign")
    make("kubelet", "DNS:node-1,IP:127.0.0.1", *signed)
    make("named", "DNS:node-1", *signed)
    make("client", "DNS:agent", *signed)
    return folder


@pytest.fixture
def start(cluster: Path) -> Iterator[Start]:
    """start(...): a `FakeKubelet` with the cluster's certificates; all are stopped at the end."""
    started: list[FakeKubelet] = []

    def begin(pair: str = "kubelet", client_ca: bool = False) -> FakeKubelet:
        kubelet = FakeKubelet(cluster, pair, client_ca)
        started.append(kubelet)
        return kubelet

    yield begin
    for kubelet in started:
        kubelet.stop()
