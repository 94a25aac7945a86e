"""What rewrites examples: one paper, one file."""
