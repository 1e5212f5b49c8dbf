"""A bcachefs filesystem made of files, and the series that it is."""

from __future__ import annotations

from tests.collectors.host.machine import Machine

FOLDER = "sys/fs/bcachefs"
UUID = "0f3c5a1e-77aa-4f0b-9d2e-5b1f00c0ffee"
OTHER = "1a2b3c4d-0000-4000-8000-00000000cafe"

WRITES = """                   nr        size
initial:           31840     96.0k
interior:          720       1.50k
cache_reclaim:     0         0
"""
COMPRESSION = """typetype          compressed    uncompressed     average extent size
lz4                    1.50G           2.25G                   60.0k
incompressible         10.0T           10.0T                   512
gzip                       0               0                       0
"""
ERRORS = """bset_bad_csum                                   3       1767112063
subvol_missing                                  1940    1761076737
"""
IO_DONE = """read:
sb          :        4096
btree       :     1048576
need_discard:           0
write:
sb          :       12288
btree       :           0
need_discard:           7
"""
IO_ERRORS = """IO errors since filesystem creation
  read:    18
  write:   1
  checksum:0
IO errors since 2 y ago
  read:    4
  write:   0
  checksum:0
"""
COUNTER = """since mount:                   12
since filesystem creation:     3.50k
"""
OF_FILESYSTEM = {
    "btree_cache_size": "30.0M\n",
    "btree_write_stats": WRITES,
    "compression_stats": COMPRESSION,
    "errors": ERRORS,
    "counters/fsync": "since mount:                   5\nsince filesystem creation:     151\n",
    "counters/data_write": COUNTER,
}
OF_DEVICE = {
    "label": "ssd.fast\n",
    "state": "[rw] ro evacuating spare \n",
    "bucket_size": "512k\n",
    "nbuckets": "953880\n",
    "durability": "1\n",
    "io_done": IO_DONE,
    "io_errors": IO_ERRORS,
}


def named(name: str, uuid: str = UUID, **labels: object) -> str:
    inside = ",".join(f'{label}="{value}"' for label, value in {"uuid": uuid, **labels}.items())
    return f"node_bcachefs_{name}{{{inside}}}"


def device_series(device: int, uuid: str = UUID) -> dict[str, float]:
    done = {("read", "sb"): 4096, ("read", "btree"): 1048576, ("read", "need_discard"): 0}
    done |= {("write", "sb"): 12288, ("write", "btree"): 0, ("write", "need_discard"): 7}
    return {
        named("device_info", uuid, device=device, label="ssd.fast", state="[rw] ro evacuating spare"): 1,
        named("device_bucket_size_bytes", uuid, device=device): 524288,
        named("device_buckets", uuid, device=device): 953880,
        named("device_durability", uuid, device=device): 1,
        **{
            named("device_io_done_bytes_total", uuid, device=device, operation=operation, data_type=kind): number
            for (operation, kind), number in done.items()
        },
        **{
            named("device_io_errors_total", uuid, device=device, type=kind): number
            for kind, number in {"read": 18, "write": 1, "checksum": 0}.items()
        },
    }


def filesystem_series(uuid: str = UUID) -> dict[str, float]:
    return {
        named("info", uuid): 1,
        named("btree_cache_size_bytes", uuid): 31457280,
        named("compression_compressed_bytes", uuid, algorithm="lz4"): 1610612736,
        named("compression_compressed_bytes", uuid, algorithm="incompressible"): 10995116277760,
        named("compression_compressed_bytes", uuid, algorithm="gzip"): 0,
        named("compression_uncompressed_bytes", uuid, algorithm="lz4"): 2415919104,
        named("compression_uncompressed_bytes", uuid, algorithm="incompressible"): 10995116277760,
        named("compression_uncompressed_bytes", uuid, algorithm="gzip"): 0,
        named("errors_total", uuid, error_type="bset_bad_csum"): 3,
        named("errors_total", uuid, error_type="subvol_missing"): 1940,
        named("btree_writes_total", uuid, type="initial"): 31840,
        named("btree_writes_total", uuid, type="interior"): 720,
        named("btree_writes_total", uuid, type="cache_reclaim"): 0,
        named("btree_write_average_size_bytes", uuid, type="initial"): 98304,
        named("btree_write_average_size_bytes", uuid, type="interior"): 1536,
        named("btree_write_average_size_bytes", uuid, type="cache_reclaim"): 0,
        named("fsync_total", uuid): 151,
        named("data_write_total", uuid): 3584,
    }


def write_filesystem(machine: Machine, uuid: str = UUID, devices: tuple[int, ...] = (0,)) -> None:
    for file, content in OF_FILESYSTEM.items():
        machine.write(f"{FOLDER}/{uuid}/{file}", content)
    for device in devices:
        for file, content in OF_DEVICE.items():
            machine.write(f"{FOLDER}/{uuid}/dev-{device}/{file}", content)


def without(found: dict[str, float], *parts: str) -> dict[str, float]:
    return {name: number for name, number in found.items() if not any(part in name for part in parts)}


ALL = {**filesystem_series(), **device_series(0), **device_series(10)}
