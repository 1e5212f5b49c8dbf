"""XIDs: NVIDIA's numbered errors, from the library's events and the kernel log, counted over restarts."""
