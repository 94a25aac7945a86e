"""Which examples of a batch count."""
