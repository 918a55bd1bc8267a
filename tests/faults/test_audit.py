"""The audit finds what it is there to find."""

from collections.abc import Callable

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from tests.faults.audit import audit
from tests.faults.conftest import MakeGateway
from tests.faults.gateway import Gateway
from tollhouse.domain.identifiers import new_id
from tollhouse.store.records import BudgetWindowRecord, LedgerRecord


@pytest.fixture(scope="module")
def gateway(make_lasting_gateway: MakeGateway) -> Gateway:
    gateway = make_lasting_gateway()
    gateway.start("web")
    assert all(answer.whole for answer in gateway.client.calls(5))
    audit(gateway, within=5)
    return gateway


def lose_a_row(session: Session) -> None:
    session.execute(delete(LedgerRecord).where(LedgerRecord.id == one_of(session).id))


def book_twice(session: Session) -> None:
    row = one_of(session)
    columns = {column.name: getattr(row, column.name) for column in LedgerRecord.__table__.columns}
    session.add(LedgerRecord(**{**columns, "id": new_id("led"), "request_id": new_id("req")}))


def charge_more(session: Session) -> None:
    session.execute(
        update(LedgerRecord).where(LedgerRecord.id == one_of(session).id).values(cost=LedgerRecord.cost + 1)
    )


def count_less(session: Session) -> None:
    session.execute(update(LedgerRecord).values(output_tokens=LedgerRecord.output_tokens - 1))


def spend_more(session: Session) -> None:
    session.execute(update(BudgetWindowRecord).values(spent=BudgetWindowRecord.spent + 1))


def leave_held(session: Session) -> None:
    session.execute(update(BudgetWindowRecord).values(held=1))


def one_of(session: Session) -> LedgerRecord:
    return session.scalars(select(LedgerRecord).limit(1)).one()


@pytest.mark.parametrize(
    ("harm", "finding"),
    [
        (lose_a_row, "not in the ledger"),
        (book_twice, "booked more than once"),
        (charge_more, "cost"),
        (count_less, "output"),
        (spend_more, "spent"),
        (leave_held, "nano-dollars after"),
    ],
)
def test_the_audit_finds(gateway: Gateway, harm: Callable[[Session], None], finding: str) -> None:
    with gateway.database.read() as session:
        rows = [{**vars(row)} for row in session.scalars(select(LedgerRecord))]
        window = session.scalars(select(BudgetWindowRecord)).one()
        before = {"spent": window.spent, "held": window.held}
    with gateway.database.write() as session:
        harm(session)
    try:
        with pytest.raises(AssertionError, match=finding):
            audit(gateway, within=0.3)
    finally:
        with gateway.database.write() as session:
            session.execute(delete(LedgerRecord))
            for row in rows:
                row.pop("_sa_instance_state")
                session.add(LedgerRecord(**row))
            session.execute(update(BudgetWindowRecord).values(**before))
    audit(gateway, within=0.3)
