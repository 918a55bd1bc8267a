"""The ledger summed up: usage, reports, and the bill made again from its rows."""
