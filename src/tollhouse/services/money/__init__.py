"""Budgets and limits: what a scope may spend, how fast, and who is told."""
