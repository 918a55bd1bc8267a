"""`Idempotency-Key` on what is posted under /v1: once for each key, one charge, and the same answer again."""

import io
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from tests.batches import BATCHES, NoQueue, jsonl, keep, line, submit
from tests.counting_host import CountingHost
from tests.gateway import CHAT, EMBEDDINGS, MESSAGES, Gateway, settings_for
from tests.ledgers import open_holds
from tests.running import wait_until
from tollhouse.domain.call import Call, Facts
from tollhouse.domain.errors import AlreadyUnderWay
from tollhouse.domain.form import Form, Part
from tollhouse.domain.ports import at_once
from tollhouse.services.models.models import NewModel
from tollhouse.services.repeats.claim_renewal import ClaimRenewal
from tollhouse.services.repeats.idempotency import LEASE, Claim
from tollhouse.store.records import IdempotencyRecord
from tollhouse.web.inference import once

HELLO = [{"role": "user", "content": "hello big world"}]
BODY = {"model": "m", "messages": HELLO}
RESPONSES = "/v1/responses"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    gateway = Gateway(settings_for(tmp_path / "home", idempotency_bytes=16384))
    gateway.services.__dict__["queue"] = NoQueue()
    gateway.add_echo("m", "")
    yield gateway
    gateway.close()


@pytest.fixture
def host(gateway: Gateway) -> Iterator[CountingHost]:
    """Behind the model `counted`."""
    host = CountingHost(0)
    gateway.services.providers.add("counting", "openai", host.url, credential="sk-x", allow_private=True)
    gateway.services.models.add(NewModel("counted", "counting", input_price=10**9, output_price=10**9))
    gateway.services.serve().catalogue.refresh()
    yield host
    host.close()


def ask(gateway: Gateway, body: Any = BODY, path: str = CHAT, name: str = "a", **more: Any) -> TestResponse:
    return gateway.post(path, body, headers={"idempotency-key": name, **more.pop("headers", {})}, **more)


def error(response: TestResponse) -> tuple[int, str]:
    return response.status_code, response.json["error"]["code"]


def records(gateway: Gateway) -> list[IdempotencyRecord]:
    with gateway.services.database.read() as session:
        return list(session.scalars(select(IdempotencyRecord)))


def age(gateway: Gateway, by: timedelta) -> None:
    with gateway.services.database.write() as session:
        for row in session.scalars(select(IdempotencyRecord)):
            row.taken_until, row.expires_at = row.taken_until - by, row.expires_at - by


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {"messages": HELLO}),
        (MESSAGES, {"messages": HELLO, "max_tokens": 50}),
        ("/v1/completions", {"prompt": "hello big world"}),
        (RESPONSES, {"input": "hello big world"}),
        (RESPONSES, {"input": "hello big world", "store": False}),
        (EMBEDDINGS, {"input": ["a b", "c"]}),
    ],
)
def test_the_same_request_has_the_same_answer_and_one_charge(
    gateway: Gateway, path: str, body: dict[str, Any], stream: bool
) -> None:
    if path == EMBEDDINGS and stream:
        pytest.skip("embeddings do not stream")
    asked = {"model": "m", **body, **({"stream": True} if stream else {})}
    first, again = ask(gateway, asked, path), ask(gateway, asked, path)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.get_data() == first.get_data()
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    (row,) = gateway.rows()
    assert again.headers["x-tollhouse-original-request"] == row.request_id == first.headers["x-request-id"]
    assert again.headers["x-request-id"] != row.request_id
    for name in ("content-type", "x-tollhouse-model", "x-tollhouse-provider", "x-tollhouse-attempts"):
        assert again.headers[name] == first.headers[name]
    assert again.headers.get("x-tollhouse-cost-usd") == (None if stream else "0")
    assert open_holds(gateway.services.database) == []


def test_the_order_of_fields_and_white_space_make_no_difference(gateway: Gateway) -> None:
    first = ask(gateway, {"model": "m", "messages": HELLO})
    again = ask(gateway, json.dumps({"messages": HELLO, "model": "m"}, indent=4).encode())
    assert again.get_data() == first.get_data()
    assert len(gateway.rows()) == 1


def test_another_body_or_another_path_with_the_key_is_refused_and_not_made(gateway: Gateway) -> None:
    ask(gateway)
    for body, path in (({**BODY, "temperature": 0}, CHAT), ({**BODY, "max_tokens": 5}, MESSAGES)):
        refused = ask(gateway, body, path)
        assert refused.status_code == 422
    assert error(ask(gateway, {**BODY, "temperature": 0})) == (422, "idempotency_key_reused")
    assert len(gateway.rows()) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "ümläut", "a\tb"])
def test_a_key_that_is_none_is_refused_by_its_name(gateway: Gateway, key: str) -> None:
    refused = ask(gateway, name=key)
    assert (refused.status_code, refused.json["error"]["param"]) == (400, "Idempotency-Key")
    assert gateway.rows(0) == []


def test_keys_are_of_whoever_sends_them(gateway: Gateway) -> None:
    other = gateway.services.keys.create("other").key or ""
    assert "idempotency-replayed" not in ask(gateway).headers
    assert "idempotency-replayed" not in ask(gateway, key=other).headers
    assert len(gateway.rows(2)) == 2


def test_while_the_first_is_answered_the_second_is_told_so(gateway: Gateway, host: CountingHost) -> None:
    host.seconds = 1.0
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, gateway, {**BODY, "model": "counted"})
        wait_until(lambda: host.seen["hello big world"], 30)
        refused = ask(gateway, {**BODY, "model": "counted"})
        assert error(refused) == (409, "idempotency_key_under_way")
        assert refused.headers["retry-after"] == "1"
        done = first.result()
    assert ask(gateway, {**BODY, "model": "counted"}).get_data() == done.get_data()
    assert host.seen["hello big world"] == 1


def test_of_many_at_once_one_is_made(gateway: Gateway, host: CountingHost) -> None:
    host.seconds = 0.3
    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda _: ask(gateway, {**BODY, "model": "counted"}).status_code, range(24)))
    assert set(statuses) <= {200, 409}
    assert 200 in statuses
    assert host.seen["hello big world"] == 1
    assert len(gateway.rows()) == 1


def test_a_stream_whose_client_left_is_read_to_its_end_for_who_comes_back(gateway: Gateway) -> None:
    gateway.add_echo("slow", "words=30&chunk_ms=5")
    asked = {**BODY, "model": "slow", "stream": True}
    headers = {"authorization": f"Bearer {gateway.key}", "idempotency-key": "a"}
    response = gateway.app.test_client().post(CHAT, data=json.dumps(asked), headers=headers)
    begun = next(response.iter_encoded())
    response.close()
    whole = ask(gateway, asked)
    assert whole.headers["idempotency-replayed"] == "true"
    assert whole.get_data().startswith(begun)
    assert whole.get_data().endswith(b"data: [DONE]\n\n")
    assert whole.get_data(as_text=True).count('"content"') >= 30
    (row,) = gateway.rows()
    assert (row.outcome, row.status, row.estimated) == ("ok", 200, False)


@pytest.mark.parametrize("options", ["status=500", "status=429", "cut_after=0"])
def test_what_failed_is_not_kept_and_is_tried_anew(gateway: Gateway, options: str) -> None:
    gateway.add_echo("failing", options)
    for _ in range(2):
        refused = ask(gateway, {**BODY, "model": "failing"})
        assert refused.status_code >= 400
        assert "idempotency-replayed" not in refused.headers
    assert records(gateway) == []
    assert len(gateway.rows(2)) == 2


def test_what_was_refused_is_not_kept(gateway: Gateway) -> None:
    assert ask(gateway, {**BODY, "model": "none"}).status_code == 404
    assert ask(gateway, {**BODY, "messages": "hello"}).status_code == 400
    assert ask(gateway).status_code == 200


@pytest.mark.parametrize("how", ["cut_after=2", "error_after=2"])
def test_a_stream_that_broke_off_frees_its_key_and_stays_booked(gateway: Gateway, how: str) -> None:
    gateway.add_echo("broken", f"words=9&{how}")
    asked = {**BODY, "model": "broken", "stream": True}
    for _ in range(2):
        assert b"error" in ask(gateway, asked).get_data()
    assert records(gateway) == []
    assert [row.outcome == "ok" for row in gateway.rows(2)] == [False, False]


@pytest.mark.parametrize("stream", [False, True])
def test_a_longer_answer_than_is_kept_is_told_so_and_not_made_again(gateway: Gateway, stream: bool) -> None:
    gateway.add_echo("long", "words=3000")
    asked = {**BODY, "model": "long", "stream": stream}
    first = ask(gateway, asked)
    assert len(first.get_data()) > 16384
    assert first.headers.get("idempotency-kept") == (None if stream else "false")
    refused = ask(gateway, asked)
    assert error(refused) == (409, "idempotency_answer_not_kept")
    assert refused.headers["x-should-retry"] == "false"
    assert first.headers["x-request-id"] in refused.json["error"]["message"]
    assert len(gateway.rows()) == 1
    assert records(gateway)[0].status == 200


def test_the_key_of_a_process_that_died_is_free_when_its_lease_is_over(gateway: Gateway) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tollhouse.services.repeats.repeats.Record.keep", lambda *_: None)
        patch.setattr("tollhouse.services.repeats.repeats.Record.give_up", lambda *_: None)
        ask(gateway)  # as if nothing of it came to its end
    assert error(ask(gateway)) == (409, "idempotency_key_under_way")
    age(gateway, LEASE)
    assert "idempotency-replayed" not in ask(gateway).headers
    assert ask(gateway).headers["idempotency-replayed"] == "true"
    assert len(gateway.rows(2)) == 2


def test_who_comes_late_does_not_take_the_place_of_who_was_taken_for_alive(
    gateway: Gateway, host: CountingHost
) -> None:
    host.seconds = 1.0
    body = {**BODY, "model": "counted"}
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(ask, gateway, body)
        wait_until(lambda: host.seen["hello big world"], 30)
        age(gateway, LEASE)
        other = ask(gateway, body)
        assert late.result().status_code == other.status_code == 200
    assert ask(gateway, body).headers["x-tollhouse-original-request"] == other.headers["x-request-id"]


def test_after_24_hours_it_is_a_new_request(gateway: Gateway) -> None:
    ask(gateway)
    age(gateway, timedelta(hours=24))
    assert "idempotency-replayed" not in ask(gateway, {**BODY, "temperature": 1}).headers


def test_an_answer_that_cannot_be_kept_is_given_all_the_same(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OperationalError("UPDATE", None, Exception("the disk is full"))

    monkeypatch.setattr(gateway.services.idempotency, "keep", fail)
    for stream in (False, True):
        answer = ask(gateway, {**BODY, "stream": stream}, name=f"s{stream}")
        assert answer.status_code == 200
        assert b"hello" in answer.get_data()


def test_a_response_in_the_background_is_asked_for_once_and_its_events_are_streamed_again(gateway: Gateway) -> None:
    asked = {"model": "m", "input": "hello", "background": True}
    first, again = ask(gateway, asked, RESPONSES), ask(gateway, asked, RESPONSES)
    assert first.json["id"] == again.json["id"]
    streamed = {**asked, "stream": True}
    headers = {"authorization": f"Bearer {gateway.key}", "idempotency-key": "b"}
    begun = gateway.app.test_client().post(RESPONSES, data=json.dumps(streamed), headers=headers)
    next(begun.iter_encoded())
    begun.close()
    gateway.services.run_responses(0.1)
    events = ask(gateway, streamed, RESPONSES, name="b")
    assert events.headers["idempotency-replayed"] == "true"
    text = events.get_data(as_text=True)
    assert text.startswith("event: response.created")
    assert "event: response.completed" in text
    assert len(gateway.rows(2)) == 2


def test_what_is_no_call_is_made_once_too(gateway: Gateway) -> None:
    batch = {"input_file_id": keep(gateway, jsonl([line("a")])), "endpoint": CHAT, "completion_window": "24h"}
    message = {"custom_id": "one", "params": {"model": "m", "max_tokens": 5, "messages": HELLO}}
    for path, body in (
        (BATCHES, batch),
        ("/v1/messages/batches", {"requests": [message]}),
        ("/v1/conversations", {"metadata": {"a": "b"}}),
    ):
        first, again = (ask(gateway, body, path, name=path) for _ in range(2))
        assert first.status_code == 200, first.get_data()
        assert again.get_data() == first.get_data()
        assert again.headers["idempotency-replayed"] == "true"
        other = ask(gateway, {**body, "metadata": {"c": "d"}}, path, name=path)
        assert other.status_code == 422
    assert len(gateway.get(BATCHES).json["data"]) == 1


def test_what_was_made_is_not_made_again_where_its_answer_was_lost_with_its_process(gateway: Gateway) -> None:
    batch = {"input_file_id": keep(gateway, jsonl([line("a")])), "endpoint": CHAT, "completion_window": "24h"}
    response = {"model": "m", "input": "hello", "background": True}
    with pytest.MonkeyPatch.context() as patch:
        for method in ("keep", "give_up"):
            patch.setattr(f"tollhouse.services.repeats.repeats.Record.{method}", lambda *_: None)
        for path, body in ((BATCHES, batch), (RESPONSES, response)):
            assert ask(gateway, body, path, name=path).status_code == 200
    for path, body in ((BATCHES, batch), (RESPONSES, response)):
        assert error(ask(gateway, body, path, name=path)) == (409, "idempotency_key_under_way")
    age(gateway, LEASE)
    for path, body in ((BATCHES, batch), (RESPONSES, response)):
        lost = ask(gateway, body, path, name=path)
        assert error(lost) == (409, "conflict")
        assert "answer was lost" in lost.json["error"]["message"]
    assert len(gateway.get(BATCHES).json["data"]) == 1
    assert len(gateway.services.background_jobs.page(10, kind="response").items) == 1


def test_who_lost_the_claim_makes_nothing(gateway: Gateway) -> None:
    idempotency, batches = gateway.services.idempotency, gateway.services.batches
    batch = {"input_file_id": keep(gateway, jsonl([line("a")])), "endpoint": CHAT, "completion_window": "24h"}
    principal = gateway.services.authentication.principal(gateway.key)
    late = idempotency.claim("key_1", "a", "f")
    age(gateway, LEASE)
    assert isinstance(late, Claim)
    assert isinstance(idempotency.claim("key_1", "a", "f"), Claim)
    with pytest.raises(AlreadyUnderWay), idempotency.riding(late):
        batches.create(principal, batch)
    assert gateway.get(BATCHES).json["data"] == []
    batches.create(principal, batch)  # nothing rides any more


def test_a_change_that_is_refused_frees_its_key(gateway: Gateway) -> None:
    id = submit(gateway, jsonl([line("a")]))["id"]
    gateway.services.run_batches(5)
    for _ in range(2):
        assert error(ask(gateway, {}, f"{BATCHES}/{id}/cancel")) == (409, "conflict")
    assert records(gateway) == []


def upload(gateway: Gateway, content: bytes, boundary: str) -> TestResponse:
    part = f'--{boundary}\r\nContent-Disposition: form-data; name="'
    body = f'{part}purpose"\r\n\r\nbatch\r\n{part}file"; filename="c.jsonl"\r\n\r\n'.encode() + content
    kind = {"content-type": f"multipart/form-data; boundary={boundary}"}
    return ask(gateway, body + f"\r\n--{boundary}--\r\n".encode(), "/v1/files", headers=kind)


def test_a_file_is_kept_once_whatever_its_boundary(gateway: Gateway) -> None:
    first, again = upload(gateway, b"one", "aaa"), upload(gateway, b"one", "bbb")
    assert first.json == again.json
    assert upload(gateway, b"two", "aaa").status_code == 422
    assert len(gateway.get("/v1/files").json["data"]) == 1


class Memory:
    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)

    def read(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        return self._file.read(size)


def test_uploads_are_the_same_by_their_parts() -> None:
    def sum_of(content: bytes, filename: str = "a.wav", gap: int = 0) -> str:
        part = Part("file", gap, len(content), filename, "audio/wav")
        form = Form((part,), {}, Memory(b"-" * gap + content), len(content))
        facts = Facts(model="m", stream=False, size=len(content))
        return once.fingerprint("/v1/audio/transcriptions", Call("req_1", "t", {}, facts, form=form), at_once)

    sound = b"RIFF" * 40_000
    assert sum_of(sound) == sum_of(sound, gap=7)
    assert len({sum_of(sound), sum_of(sound[:-1] + b"x"), sum_of(sound, "b.wav"), sum_of(sound[:-1])}) == 4


def test_claims_are_renewed_while_there_are_any() -> None:
    renewed: list[set[str]] = []
    seen = threading.Event()

    def renew(claims: Any) -> None:
        renewed.append({claim.attempt for claim in claims})
        seen.set()
        if len(renewed) == 1:
            raise OperationalError("UPDATE", None, Exception("away"))

    renewal = ClaimRenewal(renew, seconds=0.02)
    first, second = Claim("k", "d", "try_1"), Claim("k", "e", "try_2")
    renewal.add(first)
    assert seen.wait(30)
    renewal.add(second)
    wait_until(lambda: {"try_1", "try_2"} in renewed, 30)
    renewal.drop(first)
    renewal.drop(second)
    wait_until(lambda: not renewal._runs, 30)
    count = len(renewed)
    time.sleep(0.1)
    assert len(renewed) == count
    renewal.add(first)
    wait_until(lambda: len(renewed) > count, 30)
    renewal.stop()


def test_a_renewed_claim_is_not_free_when_its_first_lease_is_over(gateway: Gateway) -> None:
    idempotency = gateway.services.idempotency
    claim = idempotency.claim("key_1", "a", "f")
    assert isinstance(claim, Claim)
    age(gateway, LEASE / 2)
    before = records(gateway)[0].taken_until
    idempotency.renew([claim])
    with gateway.services.database.read() as session:
        assert session.scalar(select(func.count()).where(IdempotencyRecord.taken_until > before)) == 1
