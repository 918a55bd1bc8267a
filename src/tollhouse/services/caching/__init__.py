"""Replies that are kept and told again, and one call for many who ask the same at once."""
