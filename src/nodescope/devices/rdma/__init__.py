"""RDMA devices of every vendor: InfiniBand, RoCE, iWARP."""
