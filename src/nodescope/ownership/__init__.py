"""Who holds which device, and what that is of each GPU: pure functions over records."""
