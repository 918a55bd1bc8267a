"""The estimate of a conversation's tokens: of text by its bytes, and all text there is."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tollhouse.domain.errors import InvalidField
from tollhouse.wire.count_tokens import CountTokensFormat
from tollhouse.wire.token_estimate import FILE_TOKENS, IMAGE_TOKENS, estimate_tokens

LONG = "x" * 4000


def of(content: Any, **fields: Any) -> int:
    return estimate_tokens({"messages": [{"role": "user", "content": content}], **fields})


def test_text_counts_by_its_bytes_and_other_scripts_for_more() -> None:
    nothing = of("")
    assert of(LONG) - nothing == 1000
    assert of("\u732b" * 1000) - nothing == 1000
    assert of("\u043a" * 1500) - nothing == 1000


def test_all_that_is_said_counts_wherever_it_stands() -> None:
    source = {"type": "text", "media_type": "text/plain", "data": LONG}
    for content in (
        [{"type": "text", "text": LONG}],
        [{"type": "tool_use", "id": "t", "name": "f", "input": {"a": LONG}}],
        [{"type": "tool_result", "tool_use_id": "t", "content": LONG}],
        [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": LONG}]}],
        [{"type": "thinking", "thinking": LONG, "signature": "s" * 9000}],
        [{"type": "document", "source": source}],
        [{"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": LONG}]}}],
    ):
        assert 1000 <= of(content) <= 1030, content
    assert 1000 <= of("", system=LONG) <= 1030
    assert 1000 <= of("", system=[{"type": "text", "text": LONG}]) <= 1030
    assert 1000 <= of("", tools=[{"name": "f", "description": LONG, "input_schema": {}}]) <= 1030


def test_what_is_not_text_counts_as_a_usual_one_of_its_kind() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": LONG}}
    file = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": LONG}}
    assert of([image, image]) - of([]) == 2 * IMAGE_TOKENS
    assert of([{"type": "tool_result", "tool_use_id": "t", "content": [image]}]) - of([]) == IMAGE_TOKENS
    assert of([file]) - of([]) == FILE_TOKENS


BLOCKS = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "content", "source", "input", "data", "name"]), inner)
    ),
)


@given(content=BLOCKS, system=BLOCKS, tools=BLOCKS)
def test_whatever_its_schema_lets_pass_has_an_estimate(content: Any, system: Any, tools: Any) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": content}], "system": system, "tools": tools}
    try:
        CountTokensFormat().read(body, 1)
    except InvalidField:
        return
    assert estimate_tokens(body) >= 1
