"""Images, sound, moderation and rerank: the official SDK at the gateway as a user runs it, and a host that checks."""

import http.client
import json
import os
import socket
import sqlite3
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai as openai_errors
import pytest
from openai import OpenAI

from tests.media_host import SOUND, MediaHost, file_of, wav
from tests.running import RunningGateway, wait_until

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(5000)


@pytest.fixture(scope="module")
def host(running: RunningGateway) -> Iterator[MediaHost]:
    """Its models: `unit` is a cent a unit, `tokens` 1 and 2 USD a million, and `unpriced` has no price."""
    host = MediaHost()
    running.command("providers", "add", "media", "--format", "openai", "--base-url", host.url, "--allow-private")
    for name, *prices in (
        ("unit", "--unit-price", "0.01"),
        ("tokens", "--input-price", "1", "--output-price", "2"),
        ("unpriced",),
    ):
        running.command("models", "add", name, "--provider", "media", "--upstream-model", f"host-{name}", *prices)
    time.sleep(1)
    yield host
    host.close()


@pytest.fixture
def key(running: RunningGateway, request: pytest.FixtureRequest) -> dict[str, Any]:
    created: dict[str, Any] = running.json("keys", "create", "--name", request.node.name[:60])
    return created


@pytest.fixture
def client(running: RunningGateway, host: MediaHost, key: dict[str, Any]) -> OpenAI:
    host.answers.clear()
    host.asked.clear()
    host.stop_after = None
    return running.openai(key["key"])


def rows(running: RunningGateway, key: dict[str, Any], expected: int = 1) -> list[dict[str, Any]]:
    """The key's rows, once there are so many and nothing of it is held."""
    database = sqlite3.connect(running.home / "tollhouse.db")
    database.row_factory = sqlite3.Row

    def booked() -> list[sqlite3.Row]:
        return database.execute("SELECT * FROM ledger WHERE key_id = ? ORDER BY id", (key["id"],)).fetchall()

    wait_until(lambda: len(booked()) >= expected, 15, "no row in the ledger")
    wait_until(lambda: not database.execute("SELECT 1 FROM holds WHERE key_id = ?", (key["id"],)).fetchall(), 5)
    found = [dict(row) for row in booked()]
    database.close()
    assert len(found) == expected
    return found


def test_a_moderation_is_recorded_and_free(running: RunningGateway, client: OpenAI, host: MediaHost, key: Any) -> None:
    answer = client.moderations.create(model="unpriced", input=["a", "b"])
    assert not answer.results[0].flagged
    assert host.asked[-1].body == {"input": ["a", "b"], "model": "host-unpriced"}
    (row,) = rows(running, key)
    assert (row["format"], row["cost"], row["units"], row["estimated"]) == ("moderations", 0, 0, 0)


def test_a_moderation_without_a_model_asks_for_the_vendors_default(client: OpenAI, host: MediaHost) -> None:
    with pytest.raises(openai_errors.NotFoundError, match="omni-moderation-latest"):
        client.moderations.create(input="a")


def test_rerank_is_paid_for_by_the_search(running: RunningGateway, client: OpenAI, host: MediaHost, key: Any) -> None:
    body = {"model": "unit", "query": "q", "documents": ["a", "b"], "top_n": 1}
    answer: Any = client.post("/rerank", body=body, cast_to=object)
    assert answer["results"][0]["index"] == 0
    assert host.asked[-1].path == "/v1/rerank"
    (row,) = rows(running, key)
    assert (row["units"], row["unit_price"], row["cost"]) == (1000, 10_000_000_000, 10_000_000)


def test_images_are_paid_for_one_by_one(running: RunningGateway, client: OpenAI, host: MediaHost, key: Any) -> None:
    raw = client.images.with_raw_response.generate(model="unit", prompt="a cat", n=3)
    assert raw.headers["x-tollhouse-cost-usd"] == "0.03"
    assert len(raw.parse().data or ()) == 3
    assert host.asked[-1].body == {"model": "host-unit", "prompt": "a cat", "n": 3}
    (row,) = rows(running, key)
    assert (row["units"], row["cost"], row["input_tokens"], row["estimated"]) == (3000, 30_000_000, 0, 0)


def test_a_stream_of_images_is_paid_for_by_its_tokens(running: RunningGateway, client: OpenAI, key: Any) -> None:
    events = list(client.images.generate(model="tokens", prompt="a cat", stream=True, partial_images=1))
    assert [event.type for event in events] == ["image_generation.partial_image", "image_generation.completed"]
    (row,) = rows(running, key)
    assert (row["input_tokens"], row["output_tokens"], row["cost"], row["streamed"]) == (10, 20, 50_000, 1)


def test_an_edit_carries_its_images(running: RunningGateway, client: OpenAI, host: MediaHost, key: Any) -> None:
    name = 'h"é\n.png'
    answer = client.images.edit(
        model="unit",
        prompt="bluer",
        image=[(name, PICTURE, "image/png"), ("two.png", PICTURE + b"2", "image/png")],
        mask=("mask.png", b"mask", "image/png"),
        n=2,
    )
    assert len(answer.data or ()) == 2
    asked = host.asked[-1]
    assert asked.body == {"model": "host-unit", "prompt": "bluer", "n": "2"}
    assert asked.files["mask"] == file_of("mask.png", "image/png", b"mask")
    assert asked.files["image[]"][1:] == file_of("", "image/png", PICTURE)[1:]
    assert asked.files["image[]1"] == file_of("two.png", "image/png", PICTURE + b"2")
    assert "tollhouse-" in asked.headers["content-type"]
    (row,) = rows(running, key)
    assert (row["format"], row["units"], row["cost"]) == ("image_edits", 2000, 20_000_000)


def test_an_edit_streams(running: RunningGateway, client: OpenAI, key: Any) -> None:
    events = list(client.images.edit(model="tokens", prompt="bluer", image=("a.png", PICTURE), stream=True))
    assert events[-1].type == "image_edit.completed"
    (row,) = rows(running, key)
    assert (row["input_tokens"], row["output_tokens"]) == (10, 20)


@pytest.mark.filterwarnings("ignore:deprecated")
def test_a_variation(running: RunningGateway, client: OpenAI, host: MediaHost, key: Any) -> None:
    client.images.create_variation(model="unit", image=("a.png", PICTURE, "image/png"))
    assert host.asked[-1].files == {"image": file_of("a.png", "image/png", PICTURE)}
    assert rows(running, key)[0]["cost"] == 10_000_000


def test_speech_is_relayed_as_it_comes(running: RunningGateway, client: OpenAI, host: MediaHost, key: Any) -> None:
    given = {"model": "unit", "voice": "alloy", "input": "Grüß Gott"}
    with client.audio.speech.with_streaming_response.create(**given) as response:
        pieces = list(response.iter_bytes())
    assert b"".join(pieces) == SOUND
    assert len(pieces) > 1
    assert response.headers["content-type"] == "audio/mpeg"
    assert host.asked[-1].headers["accept"] == "*/*"
    (row,) = rows(running, key)
    assert (row["units"], row["cost"], row["estimated"], row["outcome"]) == (9000, 90_000_000, 0, "ok")


def test_speech_in_events_is_paid_for_by_its_tokens(running: RunningGateway, client: OpenAI, key: Any) -> None:
    sound = client.audio.speech.create(model="tokens", voice="alloy", input="Hello", stream_format="sse")
    assert b"speech.audio.done" in sound.content
    (row,) = rows(running, key)
    assert (row["input_tokens"], row["output_tokens"], row["cost"]) == (10, 20, 50_000)


@pytest.mark.parametrize(("kind", "units"), [("json", 9000), ("verbose_json", 8470), ("text", 1500)])
def test_transcripts_are_paid_for_by_the_second(
    running: RunningGateway, client: OpenAI, host: MediaHost, key: Any, kind: Any, units: int
) -> None:
    recording = wav(1.497)
    answer: Any = client.audio.transcriptions.create(
        model="unit",
        file=("talk.wav", recording, "audio/wav"),
        response_format=kind,
        timestamp_granularities=["word", "segment"],
    )
    assert (answer if kind == "text" else answer.text).strip() == "hello"
    asked = host.asked[-1]
    assert asked.body["timestamp_granularities[]"] == ["word", "segment"]
    assert asked.files == {"file": file_of("talk.wav", "audio/wav", recording)}
    (row,) = rows(running, key)
    assert (row["units"], row["cost"]) == (units, units * 10_000)
    # Its own header says how long a WAV is at most; what the host says is what counts.
    assert bool(row["estimated"]) == (kind == "text")


def test_a_transcript_streams(running: RunningGateway, client: OpenAI, key: Any) -> None:
    recording = ("a.mp3", b"ID3" + bytes(100))
    events = list(client.audio.transcriptions.create(model="tokens", file=recording, stream=True))
    assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]
    (row,) = rows(running, key)
    assert (row["input_tokens"], row["output_tokens"], row["estimated"]) == (10, 20, 0)


def test_a_host_that_cannot_stream_a_transcript_answers_with_a_document(
    running: RunningGateway, client: OpenAI, host: MediaHost, key: Any
) -> None:
    document = b'{\n  "text": "hello",\n  "usage": {"type": "duration", "seconds": 2}\n}'
    host.answers["transcriptions"] = (200, "application/json", document)
    raw = client.audio.transcriptions.with_raw_response.create(model="unit", file=("a.mp3", b"x"), stream=True)
    assert raw.http_response.read() == document
    assert rows(running, key)[0]["units"] == 2000


@pytest.mark.filterwarnings("ignore:deprecated")
def test_a_translation(running: RunningGateway, client: OpenAI, host: MediaHost, key: Any) -> None:
    answer = client.audio.translations.create(model="unit", file=("a.mp3", b"x"))
    assert answer.text == "hello"
    assert host.asked[-1].path == "/v1/audio/translations"
    assert rows(running, key)[0]["format"] == "translations"


def test_what_has_no_price_is_booked_without_a_cost(running: RunningGateway, client: OpenAI, key: Any) -> None:
    client.images.generate(model="unpriced", prompt="a cat")
    (row,) = rows(running, key)
    assert (row["cost"], row["unit_price"], row["units"]) == (None, None, 1000)


def test_an_image_that_a_hard_budget_has_no_room_for_is_refused(
    running: RunningGateway, host: MediaHost, key: Any
) -> None:
    running.command("budgets", "set", "--key", key["id"], "--usd", "0.05", "--period", "total")
    client = running.openai(key["key"])
    asked = len(host.asked)
    client.images.generate(model="unit", prompt="a cat", n=2)
    with pytest.raises(openai_errors.RateLimitError, match="budget"):
        client.images.generate(model="unit", prompt="a cat", n=4)
    with pytest.raises(openai_errors.RateLimitError, match="budget"):  # nobody can say how long this is
        client.audio.transcriptions.create(model="unit", file=("a.mp3", b"x"))
    client.audio.transcriptions.create(model="unit", file=("a.wav", wav(2)))
    assert len(host.asked) == asked + 2
    assert sum(row["cost"] for row in rows(running, key, 2)) == 20_000_000 + 90_000_000


def test_a_sound_that_breaks_off_breaks_off_for_its_client_too(
    running: RunningGateway, client: OpenAI, host: MediaHost, key: Any
) -> None:
    host.stop_after = 50_000
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
    body = json.dumps({"model": "unit", "voice": "alloy", "input": "Hello"})
    connection.request("POST", "/v1/audio/speech", body, {"authorization": f"Bearer {key['key']}"})
    response = connection.getresponse()
    assert response.status == 200
    with pytest.raises(http.client.IncompleteRead) as raised:
        response.read()
    connection.close()
    assert SOUND.startswith(raised.value.partial)
    (row,) = rows(running, key)
    assert (row["outcome"], row["units"]) == ("upstream_gone", 5000)
    assert "Traceback" not in running.output()


def test_a_client_that_leaves_in_the_middle_of_a_sound(
    running: RunningGateway, client: OpenAI, host: MediaHost, key: Any
) -> None:
    body = json.dumps({"model": "unit", "voice": "alloy", "input": "Hello"}).encode()
    leaver = _begin(running, key, "/v1/audio/speech", "application/json", len(body))
    leaver.sendall(body)
    assert leaver.recv(2000)
    _leave(leaver)
    (row,) = rows(running, key)
    assert (row["outcome"], row["units"], row["cost"]) == ("client_gone", 5000, 50_000_000)


def test_a_client_that_leaves_in_the_middle_of_an_upload_costs_nothing(
    running: RunningGateway, client: OpenAI, host: MediaHost, key: Any
) -> None:
    leaver = _begin(running, key, "/v1/audio/transcriptions", "multipart/form-data; boundary=b", 50_000_000)
    leaver.sendall(b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n' + bytes(3_000_000))
    _leave(leaver)
    time.sleep(1)
    assert host.asked == []
    assert rows(running, key, 0) == []
    assert list(running.home.glob("tmp*")) == []


def _begin(running: RunningGateway, key: dict[str, Any], path: str, kind: str, length: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", running.port), timeout=20)
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key['key']}\r\ncontent-type: {kind}\r\n"
    client.sendall(f"{head}content-length: {length}\r\n\r\n".encode())
    return client


def _leave(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_an_upload_is_never_held_whole(running: RunningGateway, client: OpenAI, host: MediaHost, key: Any) -> None:
    """100 MB: by the peak of the gateway's processes, and by what the host got."""
    recording = os.urandom(1 << 20) * 100
    client.audio.transcriptions.create(model="unit", file=("a.mp3", b"x"))
    before = _peaks(running)
    client.with_options(timeout=100).audio.transcriptions.create(model="unit", file=("long.mp3", recording))
    assert host.asked[-1].files["file"] == file_of("long.mp3", "application/octet-stream", recording) or (
        host.asked[-1].files["file"][2:] == file_of("", "", recording)[2:]
    )
    grown = {pid: peak - before.get(pid, peak) for pid, peak in _peaks(running).items()}
    assert max(grown.values()) < 30_000, grown


def _peaks(running: RunningGateway) -> dict[int, int]:
    """The most memory that each process ever had, in kB."""
    peaks = {}
    for pid in running.children():
        status = Path(f"/proc/{pid}/status").read_text()
        peaks[pid] = int(status.split("VmHWM:")[1].split()[0])
    return peaks
