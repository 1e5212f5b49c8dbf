"""What Primus-Lens' documentation shows for /pods."""

from __future__ import annotations

from typing import Any, Final

PODS: Final[list[dict[str, Any]]] = [
    {
        "id": "abc123...",
        "pod_name": "gpu-workload-pod",
        "pod_namespace": "default",
        "pod_uuid": "uuid-123",
        "devices": {
            "gpu": [
                {
                    "name": "AMD Instinct MI300X",
                    "id": 0,
                    "path": "/dev/dri/card0",
                    "kind": "GPU",
                    "uuid": "0x74a1",
                    "serial": "0x123456789",
                    "slot": "0000:c1:00.0",
                }
            ],
            "infiniband": [
                {
                    "name": "mlx5_0",
                    "id": 0,
                    "path": "/dev/infiniband/uverbs0",
                    "kind": "RDMA",
                    "uuid": "98:03:9b:ff:fe:12:34:56",
                }
            ],
        },
    }
]
