"""Work in the background as its owners see it."""
