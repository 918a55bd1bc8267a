"""Legacy Completions through the whole pipeline, over a host of chat and at a host of their own."""

import json
from collections.abc import Iterator

import pytest

from tests.gateway import Gateway
from tests.ledgers import booked
from tests.transcript_host import TranscriptHost
from tollhouse.services.models.models import NewModel

COMPLETIONS = "/v1/completions"


@pytest.fixture
def host(gateway: Gateway) -> Iterator[TranscriptHost]:
    """A vLLM of recorded answers, behind the model `native`."""
    host = TranscriptHost()
    gateway.services.providers.add("native", "vllm", f"{host.url}/v1", allow_private=True)
    prices = {"input_price": 1_000_000_000, "output_price": 2_000_000_000, "context_window": 10_000}
    gateway.services.models.add(NewModel("native", "native", "davinci", **prices))
    gateway.services.serve().catalogue.refresh()
    yield host
    host.close()


def test_a_prompt_is_answered_over_chat_and_booked_as_what_was_asked_for(gateway: Gateway) -> None:
    gateway.add_echo("priced", "")
    response = gateway.post(COMPLETIONS, {"model": "priced", "prompt": "one two", "echo": True, "max_tokens": 1})
    (choice,) = response.json["choices"]
    assert (choice["text"], choice["finish_reason"]) == ("one twoone", "length")
    assert response.headers["x-tollhouse-cost-usd"] == "0.000004"
    (row,) = gateway.rows()
    assert (row.format, row.input_tokens, row.output_tokens, row.cost) == ("completions", 2, 1, 4000)


def test_a_stream_over_chat_has_the_usage_that_the_caller_asked_for_and_no_other(gateway: Gateway) -> None:
    asked = {"model": "echo", "prompt": "one two", "stream": True}
    events = gateway.post(COMPLETIONS, asked).get_data(as_text=True).strip().split("\n\n")
    assert events[-1] == "data: [DONE]"
    assert "".join(json.loads(event[6:])["choices"][0]["text"] for event in events[:-1]) == "one two"
    events = (
        gateway.post(COMPLETIONS, {**asked, "stream_options": {"include_usage": True}})
        .get_data(as_text=True)
        .strip()
        .split("\n\n")
    )
    assert json.loads(events[-2][6:])["usage"]["completion_tokens"] == 2


def test_what_a_host_of_chat_cannot_be_asked_is_refused_by_name_and_costs_nothing(gateway: Gateway) -> None:
    for field, value in {"prompt": [[1, 2], [3]], "suffix": "end", "max_tokens": 0}.items():
        response = gateway.post(COMPLETIONS, {"model": "echo", "prompt": "x", field: value})
        assert (response.status_code, response.json["error"]["param"]) == (400, field)
    assert booked(gateway.services.database) == []


def test_what_is_lost_is_told_and_refused_where_nothing_may_be(gateway: Gateway) -> None:
    asked = {"model": "echo", "prompt": "x", "best_of": 3}
    assert gateway.post(COMPLETIONS, asked).headers["x-tollhouse-dropped"] == "best_of"
    strict = gateway.post(COMPLETIONS, asked, headers={"x-tollhouse-strict": "true"})
    assert (strict.status_code, strict.json["error"]["param"]) == (400, "best_of")


def test_a_host_of_completions_gets_them_as_they_are(gateway: Gateway, host: TranscriptHost) -> None:
    host.says("completions-whole.json")
    asked = {"model": "native", "prompt": [[1, 2], [3]], "suffix": "x", "best_of": 2, "top_k": 3}
    response = gateway.post(COMPLETIONS, asked)
    assert response.json["choices"][0]["text"] == "\n\nThis is indeed a test"
    assert host.asked == [{**asked, "model": "davinci"}]
    host.says("completions-openai.sse")
    streamed = gateway.post(COMPLETIONS, {"model": "native", "prompt": "x", "stream": True})
    assert host.asked[-1]["stream_options"] == {"include_usage": True}
    assert '"choices":[]' not in streamed.get_data(as_text=True)
    whole, stream = gateway.rows(2)
    assert (whole.input_tokens, whole.output_tokens, whole.estimated) == (5, 7, False)
    assert (stream.input_tokens, stream.output_tokens, stream.estimated) == (5, 7, False)


def test_a_hard_budget_puts_its_cap_in_and_holds_all_that_may_be_made(gateway: Gateway, host: TranscriptHost) -> None:
    host.says("completions-whole.json")
    gateway.services.budgets.set(("key", gateway.key_id()), 20_000_000, "day")
    response = gateway.post(COMPLETIONS, {"model": "native", "prompt": "x"})
    assert response.headers["x-tollhouse-output-cap"] == "4096"
    assert host.asked[-1]["max_tokens"] == 4096
    # Two prompts of three tries each would be six times as much.
    dear = gateway.post(COMPLETIONS, {"model": "native", "prompt": ["x", "y"], "best_of": 3})
    assert (dear.status_code, dear.json["error"]["code"]) == (429, "insufficient_quota")
    # Some hosts take 0 for no cap.
    assert gateway.post(COMPLETIONS, {"model": "native", "prompt": "x", "max_tokens": 0}).status_code == 429
