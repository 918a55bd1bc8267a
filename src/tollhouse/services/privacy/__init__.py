"""A person's data: given out, and forgotten."""
