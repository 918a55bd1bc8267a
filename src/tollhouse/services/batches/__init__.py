"""Files and batches: checked, worked off, handed over, gathered."""
