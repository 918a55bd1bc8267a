"""Responses that are made when nobody waits."""
