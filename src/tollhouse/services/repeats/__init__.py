"""A request that is sent again under its Idempotency-Key gets what the first one got."""
