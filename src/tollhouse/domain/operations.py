"""What a call does, as OpenTelemetry's GenAI conventions name it, in metrics and traces."""

_OPERATIONS = {
    "chat": "chat",
    "messages": "chat",
    "responses": "chat",
    "completions": "text_completion",
    "embeddings": "embeddings",
}


def operation_of(format: str) -> str:
    """By format. Others than these have no name there, and keep ours."""
    return _OPERATIONS.get(format, format)
