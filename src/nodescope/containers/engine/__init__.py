"""Docker Engine, and podman by its service of the same API: what containers there are, and what happens to them."""
