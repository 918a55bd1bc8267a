"""The real PostgreSQL and the real Redis-compatible server that the tests run against.

Both come from wheels, so that no system package is needed and no server that happens to be on PATH is used.
Neither outlives the process that started it, however that ends (on Linux; elsewhere `stop` must be reached).
"""
