"""Intel GPUs, integrated and discrete, of the kernel's drivers i915 and xe. No device node is opened."""
