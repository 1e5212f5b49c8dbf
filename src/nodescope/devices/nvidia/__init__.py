"""NVIDIA GPUs. The vendor's library is loaded by a child process alone (`child/`); the rest only reads its frames."""
