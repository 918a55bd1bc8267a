"""Stored responses and conversations: what a Responses call leaves, and what the next one starts from."""
