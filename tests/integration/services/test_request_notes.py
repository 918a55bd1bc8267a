"""What is written down of calls beside the ledger: sealed, bounded, and gone when its time is over."""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from tests.integration.services.conftest import VAULT
from tests.integration.services.test_server_secrets import start
from tollhouse import metrics
from tollhouse.domain.actor import SHELL
from tollhouse.domain.errors import InvalidField, InvalidSetting
from tollhouse.services.calls.request_notes import NOTE_BYTES, Payload, RequestNotes
from tollhouse.services.keys import server_secrets
from tollhouse.services.payloads import Payloads
from tollhouse.services.people.teams import Teams
from tollhouse.store.database import Database
from tollhouse.store.records import FailedRequestRecord, PayloadRecord
from tollhouse.store.sealed_boxes import SealedBoxes

BOXES = SealedBoxes(VAULT)


def payload(request_id: str, text: str = "hello", team_id: str = "team_default", **given: object) -> Payload:
    request = b'{"messages":[{"role":"user","content":"%s"}]}' % text.encode()
    values = {"reply": b'{"answer":"yes"}', "reply_bytes": 16, "streamed": False, "broken": False, **given}
    return Payload(request_id, team_id, "chat", request, len(request), **values)  # type: ignore[arg-type]


def counted(kind: str, outcome: str) -> float:
    return metrics.REGISTRY.get_sample_value("tollhouse_request_notes_total", {"kind": kind, "outcome": outcome}) or 0


@pytest.fixture
def notes(database: Database) -> Iterator[RequestNotes]:
    notes = RequestNotes(database, BOXES, most_bytes=100_000)
    yield notes
    notes.stop()


def test_what_is_kept_is_sealed_and_is_opened_again(database: Database, notes: RequestNotes) -> None:
    notes.put(payload("req_1", "a secret plan"))
    notes.put(payload("req_1", "a better plan"))
    notes.stop()
    with database.read() as session:
        (row,) = session.scalars(select(PayloadRecord))
        assert b"plan" not in row.content
        found = Payloads(database, BOXES).find(session, "req_1")
    assert found is not None
    assert found.request["messages"][0]["content"] == "a better plan"
    assert (found.answer, found.answer_bytes, found.broken) == ({"answer": "yes"}, 16, False)


def test_a_box_opens_under_its_own_label_alone() -> None:
    key, box = BOXES.seal("req_1", b"content")
    assert BOXES.open("req_1", key, box) == b"content"
    with pytest.raises(InvalidSetting):
        BOXES.open("req_2", key, box)
    with pytest.raises(InvalidSetting):
        BOXES.open("req_1", key, box[:-1] + bytes([box[-1] ^ 1]))


def test_it_outlives_the_secret_that_it_was_sealed_under(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_secrets, "KNOWN_EVERYWHERE", timedelta(0))
    process = start(database, tmp_path)
    notes = RequestNotes(database, SealedBoxes(process.vault), most_bytes=100_000)
    notes.put(payload("req_1"))
    notes.stop()
    process.secrets.rotate(by=SHELL)
    process.secrets.forget(by=SHELL)
    with database.read() as session:
        assert Payloads(database, SealedBoxes(start(database, tmp_path).vault)).find(session, "req_1") is not None


def test_secrets_in_what_is_kept_are_masked(database: Database, notes: RequestNotes) -> None:
    servers = (
        b'{"messages":[{"role":"user","content":"my key is sk-th-abcdefghijklmnop"}],'
        b'"tools":[{"type":"mcp","server_url":"https://x.example","headers":{"X-Token":"planted-1"},'
        b'"authorization":"planted-2"}],"mcp_servers":[{"authorization_token":"planted-3"}]}'
    )
    notes.put(Payload("req_1", "team_default", "chat", servers, 1, None, 0, False, False))
    notes.stop()
    with database.read() as session:
        found = str(Payloads(database, BOXES).find(session, "req_1"))
    assert "https://x.example" in found
    assert not [one for one in ("planted", "abcdefghijklmnop") if one in found]


def test_what_finds_no_room_is_dropped_and_counted_at_once_however_long_the_database_takes(database: Database) -> None:
    stuck = threading.Event()

    def outside(work):  # type: ignore[no-untyped-def]
        stuck.wait(60)
        return work()

    notes = RequestNotes(database, BOXES, most_bytes=3 * NOTE_BYTES + 500, outside=outside)
    before = counted("payload", "dropped")
    began = time.monotonic()
    for number in range(10):
        notes.put(payload(f"req_{number}"))
    assert time.monotonic() - began < 10, "nobody waited for the sixty seconds"
    assert counted("payload", "dropped") == before + 7
    stuck.set()
    notes.stop()
    with database.read() as session:
        assert len(session.scalars(select(PayloadRecord)).all()) == 3


def test_what_a_caller_was_told_is_kept_without_secrets(database: Database, notes: RequestNotes) -> None:
    notes.failed("req_1", "team_default", "key_1", InvalidField("No: Bearer abcdefghijkl."))
    notes.stop()
    with database.read() as session:
        (row,) = session.scalars(select(FailedRequestRecord))
    assert (row.request_id, row.status, row.code, row.key_id) == ("req_1", 400, "invalid_value", "key_1")
    assert "abcdefghijkl" not in row.message


def test_it_goes_when_the_days_of_its_team_are_over_or_the_team_keeps_nothing(
    database: Database, notes: RequestNotes
) -> None:
    teams, payloads = Teams(database), Payloads(database, BOXES, failed_days=7)
    keeping, stopping = (teams.create(name).id for name in ("keeping", "stopping"))
    teams.change(keeping, payload_days=3)
    for number in range(6):
        notes.put(payload(f"req_{number}", team_id=keeping if number < 4 else stopping))
    notes.failed("req_new", keeping, "key_1", InvalidField("x"))
    notes.failed("req_old", keeping, "key_1", InvalidField("x"))
    notes.stop()
    with database.write() as session:
        now = database.now(session)
        old = update(PayloadRecord).where(PayloadRecord.request_id == "req_0")
        session.execute(old.values(kept_at=now - timedelta(days=3, minutes=1)))
        told = update(FailedRequestRecord).where(FailedRequestRecord.request_id == "req_old")
        session.execute(told.values(failed_at=now - timedelta(days=8)))
    assert payloads.expire() == 4
    with database.read() as session:
        assert sorted(session.scalars(select(PayloadRecord.request_id))) == ["req_1", "req_2", "req_3"]
        assert session.scalars(select(FailedRequestRecord.request_id)).all() == ["req_new"]
