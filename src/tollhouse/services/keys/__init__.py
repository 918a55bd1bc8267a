"""API keys and the server's own secrets: made, known again, changed, ended."""
