import pytest

from tollhouse.wire.spoken import spoken

CHAT = b"""data: {"choices":[{"delta":{"role":"assistant","content":"Hel"}}]}

data: {"choices":[{"delta":{"content":"lo"}}]}

data: {"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}}]}

data: [DONE]

"""
MESSAGES = b"""event: content_block_delta
data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"Hel"}}

event: content_block_delta
data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"lo"}}

"""
RESPONSES = b"""event: response.output_text.delta
data: {"type":"response.output_text.delta","delta":"Hello"}

"""


@pytest.mark.parametrize(
    ("transcript", "text"),
    [(CHAT, "Hellof{}"), (MESSAGES, "Hello"), (RESPONSES, "Hello"), (b"", ""), (b'data: {"choices": 5', "")],
)
def test_what_a_stream_says_is_put_together_from_its_events(transcript: bytes, text: str) -> None:
    assert spoken(transcript) == text


@pytest.mark.parametrize("odd", [b'data: {"choices":[5]}', b'data: {"delta":5}', b'data: {"choices":[{"delta":[]}]}'])
def test_what_is_no_known_event_says_nothing(odd: bytes) -> None:
    assert spoken(odd) == ""
