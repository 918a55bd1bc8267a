"""Work that is begun by the clock."""
