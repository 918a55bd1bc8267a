"""Deliveries to real receivers: signed so that the official SDK takes them, and none of them holds up another."""

import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import gevent.socket
import pytest
from openai import InvalidWebhookSignatureError
from openai.types.webhooks import BatchCompletedWebhookEvent
from standardwebhooks import Webhook as StandardWebhook
from standardwebhooks.webhooks import WebhookVerificationError

from tests.receiver import Arrived, Receiver, receiving
from tests.webhooks import COMPLETED, World
from tollhouse import metrics
from tollhouse.domain.errors import InvalidSetting
from tollhouse.domain.webhooks import Event
from tollhouse.services.webhooks.claims import AT_ONCE_EACH
from tollhouse.store.database import Database

FAILED = Event("batch.failed", "team_default", {"id": "batch_2"})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def counted(outcome: str) -> float:
    return metrics.REGISTRY.get_sample_value("tollhouse_webhook_deliveries_total", {"outcome": outcome}) or 0.0


def test_what_arrives_is_verified_by_the_official_sdk_and_by_the_specifications_own_library(
    world: World, receiver: Receiver
) -> None:
    hook = world.hook(receiver)
    world.tell()
    before = counted("delivered")
    assert world.work() is False
    (arrived,) = receiver.got
    assert arrived.path == "/hook"
    assert arrived.headers["content-type"] == "application/json"
    event = arrived.unwrapped(hook.signing_secret or "")
    assert isinstance(event, BatchCompletedWebhookEvent)
    assert (event.type, event.data.id, event.id) == ("batch.completed", "batch_1", arrived.id)
    StandardWebhook(hook.signing_secret or "").verify(arrived.body, dict(arrived.headers))
    with pytest.raises(InvalidWebhookSignatureError):
        arrived.unwrapped("whsec_bm9ib2R5J3Mgc2VjcmV0IGF0IGFsbC4uLi4=")
    assert [one.state for one in world.of(hook)] == ["delivered"]
    assert counted("delivered") == before + 1


def test_each_attempt_has_the_same_id_and_a_time_and_signature_of_its_own(world: World, receiver: Receiver) -> None:
    hook = world.hook(receiver)
    receiver.answer = lambda _: (500, {})
    world.tell()
    world.work()
    time.sleep(1.1)  # the time has whole seconds
    world.due_now()
    receiver.answer = lambda _: (200, {})
    world.work()
    first, second = receiver.got
    assert first.id == second.id
    assert first.body == second.body
    assert int(first.headers["webhook-timestamp"]) < int(second.headers["webhook-timestamp"])
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    second.unwrapped(hook.signing_secret or "")
    assert [one["status"] for one in world.of(hook)[0].log] == [500, 200]


def test_during_an_overlap_both_secrets_verify_and_afterwards_the_new_one(world: World, receiver: Receiver) -> None:
    hook = world.hook(receiver)
    secrets = [hook.signing_secret or ""]
    for hours in (2, 1):
        rotated = world.webhooks.rotate(hook.id, overlap=timedelta(hours=hours))
        secrets.insert(0, rotated.signing_secret or "")
    assert [one.hint for one in rotated.secrets] == [secret[-4:] for secret in (secrets[0], secrets[2], secrets[1])]
    world.tell()
    world.work()
    (arrived,) = receiver.got
    assert len(arrived.headers["webhook-signature"].split()) == 3
    for secret in secrets:
        arrived.unwrapped(secret)
        StandardWebhook(secret).verify(arrived.body, dict(arrived.headers))
    last = world.webhooks.rotate(hook.id).signing_secret or ""
    world.tell()
    world.work()
    receiver.got[-1].unwrapped(last)
    for secret in secrets:
        with pytest.raises(InvalidWebhookSignatureError):
            receiver.got[-1].unwrapped(secret)
        with pytest.raises(WebhookVerificationError):
            StandardWebhook(secret).verify(receiver.got[-1].body, dict(receiver.got[-1].headers))


@pytest.mark.parametrize("status", [301, 302, 305, 307, 308, 400, 404, 418, 500, 503])
def test_anything_but_a_success_is_a_failure(world: World, receiver: Receiver, status: int) -> None:

    hook = world.hook(receiver)
    receiver.answer = lambda _: (status, {"location": f"http://127.0.0.1:{receiver.port}/elsewhere"})
    world.tell()
    world.work()
    (delivery,) = world.of(hook)
    assert delivery.state == "waiting"
    assert delivery.log[0]["status"] == status
    assert [one.path for one in receiver.got] == ["/hook"], "no redirect is followed"


def test_a_body_that_is_compressed_or_endless_is_nobodys_business(world: World, receiver: Receiver) -> None:
    hook = world.hook(receiver)
    world.tell()
    receiver.answer = lambda _: (200, {"content-encoding": "gzip", "content-length": "999999999999"})
    world.work()
    assert [one.state for one in world.of(hook)] == ["delivered"]


def test_a_receiver_that_hangs_is_given_up(database: Database, receiver: Receiver) -> None:
    world = World(database, answer_seconds=0.5)
    hook = world.hook(receiver)
    receiver.answer = receiver.hang
    world.tell(*[COMPLETED] * (AT_ONCE_EACH + 2))
    world.run().work(0.0, 0.4)  # begins nothing after that
    tried = [one for one in world.of(hook) if one.log]
    assert len(tried) == AT_ONCE_EACH
    assert {one.state for one in tried} == {"waiting"}
    assert tried[0].log[0]["error"] == f"127.0.0.1:{receiver.port} did not answer within 0.5 s."


def test_a_receiver_that_hangs_holds_up_no_other(database: Database) -> None:
    world = World(database, answer_seconds=60.0)
    others = threading.Event()
    with receiving() as hanging, receiving() as alive:

        def hang_until_others_are_served(_: Arrived) -> tuple[int, dict[str, str]]:
            return (200 if others.wait(50) else 500), {}

        def serve(_: Arrived) -> tuple[int, dict[str, str]]:
            if len(alive.got) == 2:
                others.set()
            return 200, {}

        hanging.answer, alive.answer = hang_until_others_are_served, serve
        slow, quick = world.hook(hanging, "batch.completed"), world.hook(alive, "batch.failed")
        world.tell(*[COMPLETED] * (AT_ONCE_EACH + 2), FAILED, FAILED)
        world.work()
    for hook in (slow, quick):
        assert {one.state for one in world.of(hook)} == {"delivered"}
        assert {one.attempts for one in world.of(hook)} == {1}


def test_nobody_there_and_no_such_name_are_told(world: World) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = world.hook(f"http://127.0.0.1:{closed.getsockname()[1]}/secret-path")
        nameless = world.hook("https://no-such-name.invalid/secret-path")
        world.tell()
        world.work()
    (refused,), (unknown,) = world.of(nobody), world.of(nameless)
    assert "Connection refused" in refused.log[0]["error"]
    assert unknown.log[0]["error"] == "The name no-such-name.invalid has no address."
    for one in (refused, unknown):
        assert one.log[0]["status"] is None
        assert "secret-path" not in one.log[0]["error"]
        assert "provider" not in one.log[0]["error"].lower()


def test_a_name_that_leads_inside_the_network_is_refused_at_each_attempt_anew(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is public when it is checked, and private when it is asked again (DNS rebinding)."""
    answers = ["93.184.216.34", "10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "127.0.0.1"]
    asked: list[str] = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        address = answers[len(asked) - 1]
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    connected: list[str] = []
    monkeypatch.setattr(gevent.socket, "getaddrinfo", resolve)
    real = gevent.socket.socket.connect

    def connect(self: Any, address: Any) -> Any:
        connected.append(address[0])
        if address[0] == "93.184.216.34":  # that of nobody: the name is asked for no second time on the way there
            return real(self, ("127.0.0.1", receiver.port))
        return real(self, address)

    monkeypatch.setattr(gevent.socket.socket, "connect", connect)
    world.courier._networks = ()
    hook = world.hook(f"http://rebinding.example.com:{receiver.port}/hook")
    world.tell()
    receiver.answer = lambda _: (500, {})
    for _ in answers:
        world.due_now()
        world.work()
    assert asked == ["rebinding.example.com"] * 5, "one look-up an attempt"
    assert connected == ["93.184.216.34"]
    log = world.of(hook)[0].log
    assert log[0]["status"] == 500
    for one in log[1:]:
        assert one["error"] == (
            "rebinding.example.com is at a private address; TOLLHOUSE_WEBHOOK_NETWORKS says which are allowed."
        )


def test_two_runners_at_once_send_each_once(world: World, receiver: Receiver) -> None:
    world.hook(receiver)
    world.tell(*[COMPLETED] * 30)
    threads = [threading.Thread(target=world.work, args=(owner,)) for owner in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.work()
    assert len(receiver.got) == 30
    assert len({one.id for one in receiver.got}) == 30


def test_one_that_stood_still_since_it_claimed_sends_nothing(world: World, receiver: Receiver) -> None:
    hook = world.hook(receiver)
    world.tell()
    before = counted("lost")
    world.work(freshness=-1.0)
    assert receiver.got == []
    assert counted("lost") == before + 1
    world.pass_time(seconds=31)
    world.work()
    assert [one.state for one in world.of(hook)] == ["delivered"]


def test_a_secret_that_cannot_be_read_is_no_failure_of_the_receiver(
    world: World, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    class Locked:
        def seal(self, secret: str) -> str:
            raise AssertionError

        def unseal(self, sealed: str) -> str:
            raise InvalidSetting("It was sealed under another secret key.")

    hook = world.hook(receiver)
    world.tell()
    vault, world.vault = world.vault, Locked()  # type: ignore[assignment]
    world.work()
    assert receiver.got == []
    assert "webhook_secret_not_read" in caplog.messages
    world.vault = vault
    world.pass_time(seconds=301)
    world.work()
    assert len(receiver.got) == 1
    assert world.show(hook).failures == 0


def test_one_that_is_disabled_by_itself_is_told_of(
    world: World, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    hook = world.hook(receiver)
    receiver.answer = lambda _: (410, {})
    world.tell()
    world.work()
    assert [(one.id, one.reason) for one in world.told_disabled] == [(hook.id, "gone")]
    assert "webhook_disabled" in caplog.messages
    world.tell()
    world.work()
    assert len(receiver.got) == 1


def test_a_delivery_that_is_made_again_comes_under_the_same_id(world: World, receiver: Receiver) -> None:
    hook = world.hook(receiver)
    world.tell()
    world.work()
    (delivery,) = world.of(hook)
    again = world.deliveries.redeliver(hook.id, delivery.id)
    assert (again.state, again.ended_at) == ("waiting", None)
    world.work()
    first, second = receiver.got
    assert first.id == second.id == delivery.event_id
    assert [one["status"] for one in world.of(hook)[0].log] == [200, 200]


def test_it_says_whether_there_is_more_when_its_time_is_over(world: World, receiver: Receiver) -> None:
    world.hook(receiver)
    world.tell()
    assert world.run().work(0.0, 0.0) is True
    assert receiver.got == []


def test_a_first_retry_is_waited_for(world: World, receiver: Receiver) -> None:
    hook = world.hook(receiver)
    answers = iter([(500, {}), (200, {})])
    receiver.answer = lambda _: next(answers)
    world.tell()
    assert world.run().work(0.0, 60.0) is False
    assert [one.state for one in world.of(hook)] == ["delivered"]
    assert receiver.got[1].at - receiver.got[0].at > 4.0
