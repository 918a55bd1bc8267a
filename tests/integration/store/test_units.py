"""What is priced by the unit, in the ledger: booked on both databases."""

from tests.ledgers import booked, make_key, order, writer_of
from tollhouse.domain.ledger import Entry, Settlement
from tollhouse.domain.money import Prices
from tollhouse.domain.usage import Usage
from tollhouse.store.database import Database
from tollhouse.store.ledger.documents import read_settlement, write_settlement

PRICES = Prices(0, 0, 0, 0, 10_000_000_000)


def test_units_and_their_price_are_booked(database: Database) -> None:
    writer = writer_of(database)
    writer.start()
    held = order(make_key(database), 0)
    writer.hold(held)
    usage = Usage(units=2**40)
    entry = Entry(held.attempt, 200, "ok", 1, usage, PRICES, PRICES.cost(usage), 1000, None)
    assert read_settlement(write_settlement(Settlement(held.id, entry))) == Settlement(held.id, entry)
    writer.settle(Settlement(held.id, entry))
    writer.stop()
    (row,) = booked(database)
    assert (row.units, row.unit_price, row.input_price) == (2**40, 10_000_000_000, 0)
    assert row.cost == -(-(2**40) * 10_000_000_000 // 1_000_000)


def test_tokens_have_no_price_of_a_unit(database: Database) -> None:
    writer = writer_of(database)
    writer.start()
    held = order(make_key(database), 0)
    writer.hold(held)
    entry = Entry(held.attempt, 200, "ok", 1, Usage(input=1), Prices(1, 1, 1, 1), 1, 1000, None)
    writer.settle(Settlement(held.id, entry))
    writer.stop()
    (row,) = booked(database)
    assert (row.units, row.unit_price) == (0, None)
