"""What the kernel says, and how it is asked: files, numbers, attributes, netlink, ioctl. Knows no metric."""
