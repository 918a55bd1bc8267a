"""A call on its way: admitted, sent, relayed, settled, and what is left when somebody leaves."""
