"""One small image, made here, that every runtime can load: busybox and its applets."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any, Final

IMAGE: Final = "docker.io/local/busybox:1"
COMMAND: Final = ("/bin/sleep", "100000")


def make_rootfs(folder: Path, busybox: str) -> None:
    """A root filesystem in `folder`, which is made."""
    for name in ("bin", "proc", "sys", "dev", "tmp", "etc"):
        (folder / name).mkdir(parents=True)
    shutil.copy(busybox, folder / "bin/busybox")
    listed = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True, timeout=10)
    for name in set(listed.stdout.split()) - {"busybox"}:
        (folder / "bin" / name).symlink_to("busybox")
    (folder / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")


def image_archive(rootfs: Path, path: Path, **config: Any) -> str:
    """Writes an archive as `docker save` makes it, of one layer; the digest of its configuration.

    `config`: further keys of the configuration (Labels).
    """
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        archive.add(rootfs, arcname=".")
    described = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": list(COMMAND), "Env": ["PATH=/bin"], **config},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer.getvalue()).hexdigest()]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]
    files = {"layer.tar": layer.getvalue(), "config.json": json.dumps(described).encode()}
    files["manifest.json"] = json.dumps(manifest).encode()
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return "sha256:" + hashlib.sha256(files["config.json"]).hexdigest()
