"""The kubelet: its pods and what they use, over its own HTTPS API."""
