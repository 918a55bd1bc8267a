"""What a call asks last, and the call without it."""

from typing import Any

import pytest

from tollhouse.wire.embeddings import first_vector
from tollhouse.wire.last_turn import last_turn

BEFORE = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]


@pytest.mark.parametrize(
    ("format", "field", "content", "left"),
    [
        ("chat", "messages", "why?", ""),
        ("chat", "messages", [{"type": "text", "text": "why?"}], [{"type": "text", "text": ""}]),
        ("messages", "messages", "why?", ""),
        (
            "messages",
            "messages",
            [{"type": "text", "text": "why?", "cache_control": {"type": "ephemeral"}}],
            [{"type": "text", "text": "", "cache_control": {"type": "ephemeral"}}],
        ),
        ("responses", "input", [{"type": "input_text", "text": "why?"}], [{"type": "input_text", "text": ""}]),
    ],
)
def test_the_text_is_taken_out_and_all_else_left(format: str, field: str, content: Any, left: Any) -> None:
    body = {"model": "m", field: [*BEFORE, {"role": "user", "content": content}], "seed": 1}
    assert last_turn(format, body) == (
        "why?",
        {"model": "m", field: [*BEFORE, {"role": "user", "content": left}], "seed": 1},
    )
    assert body[field][-1]["content"] == content, "the call is as it was"


def test_an_input_that_is_a_text_is_a_turn() -> None:
    assert last_turn("responses", {"input": "why?", "store": False}) == ("why?", {"input": "", "store": False})


@pytest.mark.parametrize(
    ("format", "body"),
    [
        ("chat", {"messages": [{"role": "tool", "tool_call_id": "1", "content": "why?"}]}),
        ("chat", {"messages": [{"role": "assistant", "content": "why?"}]}),
        ("chat", {"messages": [{"role": "user", "content": ""}]}),
        ("chat", {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}] * 2}]}),
        ("chat", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}),
        ("chat", {"messages": []}),
        ("messages", {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1"}]}]}),
        ("responses", {"input": [{"type": "function_call_output", "call_id": "1", "output": "why?"}]}),
        ("responses", {}),
        ("completions", {"prompt": "why?"}),
        ("embeddings", {"input": "why?"}),
    ],
)
def test_what_is_no_plain_text_of_the_users_is_not_compared(format: str, body: dict[str, Any]) -> None:
    assert last_turn(format, body) is None


@pytest.mark.parametrize(
    ("reply", "vector"),
    [
        (b'{"data":[{"embedding":[0.5,-1,2e-3]},{"embedding":[9]}]}', [0.5, -1, 2e-3]),
        (b'{"data":[{"embedding":"AAAAPwAAgL8="}]}', [0.5, -1.0]),
        (b'{"data":[{"embedding":"AAAA"}]}', None),
        (b'{"data":[{"embedding":"!"}]}', None),
        (b'{"data":[{"embedding":[]}]}', None),
        (b'{"data":[{"embedding":[true]}]}', None),
        (b'{"data":[{"embedding":["1"]}]}', None),
        (b'{"data":[]}', None),
        (b"[]", None),
        (b"half", None),
    ],
)
def test_the_first_vector_is_read_as_it_is_written_or_not_at_all(reply: bytes, vector: Any) -> None:
    assert first_vector(reply) == vector
