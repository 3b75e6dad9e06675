"""Where a model comes from, and what is in it."""
