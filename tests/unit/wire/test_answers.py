"""Which whole documents are an answer of their format, and what is wrong with those that are none."""

import json
from typing import Any

import pytest

from tollhouse.domain.call import Facts
from tollhouse.wire import FORMATS


def said(**message: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}]}


def called(**call: Any) -> dict[str, Any]:
    return said(content=None, tool_calls=[{"id": "a", **call}])


TEXT = {"type": "text", "text": "Hi"}

NONE = [
    ("chat", {}, "choices"),
    ("chat", {"choices": [7]}, "choices"),
    ("chat", {"choices": [{}]}, "choices[0].message"),
    ("chat", said(content=5), "choices[0].message.content"),
    ("chat", said(content=[5]), "choices[0].message.content"),
    ("chat", said(content=[{"type": "text", "text": 5}]), "choices[0].message.content[0].text"),
    ("chat", said(content="Hi", tool_calls=5), "choices[0].message.tool_calls"),
    ("chat", said(content="Hi", tool_calls=[5]), "choices[0].message.tool_calls"),
    ("chat", called(), "choices[0].message.tool_calls[0].function.name"),
    ("chat", called(function=5), "choices[0].message.tool_calls[0].function.name"),
    ("chat", called(function={"name": 5}), "choices[0].message.tool_calls[0].function.name"),
    ("messages", {"content": "Hi"}, "content"),
    ("messages", {"content": [TEXT, 5]}, "content"),
    ("messages", {"content": [TEXT, {"type": "text", "text": 5}]}, "content[1].text"),
    ("messages", {"content": [{"type": "tool_use", "id": "a", "input": {}}]}, "content[0].name"),
    ("completions", {"choices": [5]}, "choices"),
    ("completions", {"choices": [{"text": 5}]}, "choices[0].text"),
    ("responses", {"output": [5]}, "output"),
    ("embeddings", {"data": [5]}, "data"),
    ("moderations", {"results": 5}, "results"),
    ("rerank", {"results": 5}, "results"),
    ("images", {"data": 5}, "data"),
    ("images", {"data": ["x"]}, "data"),
    ("transcriptions", {"text": 5}, "text"),
    *(("count_tokens", {"input_tokens": value}, "input_tokens") for value in (None, -1, "x", True, 1.5, 10**30)),
]
ANSWERS = [
    ("chat", said(content="Hi")),
    ("chat", said(content=None)),
    ("chat", said()),
    ("chat", said(content=[TEXT, {"type": "thinking", "thinking": [TEXT]}], tool_calls=None)),
    ("chat", called(function={"name": "f", "arguments": "{}"})),
    ("chat", called(type="custom", custom={"name": "f", "input": "x"})),
    ("chat", said(content="", tool_calls=[])),
    ("messages", {"content": []}),
    ("messages", {"content": [TEXT, {"type": "tool_use", "id": "a", "name": "f", "input": {}}, {"type": "new"}]}),
    ("completions", {"choices": [{"text": "Hi"}]}),
    ("rerank", {"data": [{"index": 0, "relevance_score": 1}]}),
    ("transcriptions", {"text": ""}),
    ("count_tokens", {"input_tokens": 0}),
]


def problem(format: str, document: dict[str, Any], *, stream: bool = False) -> str | None:
    meter = FORMATS[format].meter(Facts("m", 10, stream=stream), 7)
    meter.feed(json.dumps(document).encode())
    meter.finish()
    assert meter.complete == meter.started == (meter.problem is None)
    return meter.problem


@pytest.mark.parametrize(("format", "document", "wrong"), NONE)
def test_a_document_that_is_no_answer_is_told_by_what_is_wrong(
    format: str, document: dict[str, Any], wrong: str
) -> None:
    assert problem(format, document) == f"an answer whose {wrong!r} is missing or wrong"


@pytest.mark.parametrize(("format", "document"), ANSWERS)
def test_an_answer_has_no_problem(format: str, document: dict[str, Any]) -> None:
    assert problem(format, document) is None


@pytest.mark.parametrize(("format", "answer"), [("images", {"data": [{}]}), ("transcriptions", {"text": "Hi"})])
def test_a_document_in_place_of_a_stream_is_held_to_the_same(format: str, answer: dict[str, Any]) -> None:
    assert problem(format, answer, stream=True) is None
    assert problem(format, {}, stream=True) is not None
