"""The checkpoint format: nothing here yet; it comes with training."""
