"""Prices beyond input and output: kept, refused, and used by the calls."""

from pathlib import Path

import pytest
from sqlalchemy import select

from tests.gateway import Gateway, settings_for
from tests.integration.services.conftest import VAULT, Hosts
from tollhouse.domain.actor import SHELL
from tollhouse.domain.errors import InvalidField, NotFound
from tollhouse.domain.money import MILLION, Prices
from tollhouse.domain.price_terms import PLAIN, LongContext, PriceTerms
from tollhouse.providers.price_list import PublishedPrices
from tollhouse.services.models.catalogue import CatalogueReader
from tollhouse.services.models.model_prices import ModelPrices
from tollhouse.services.models.models import Models, NewModel
from tollhouse.services.reports.replay import Replay
from tollhouse.store.database import Database
from tollhouse.store.records import AuditEntryRecord, PriceTermsRecord

TERMS = PriceTerms(MILLION, 3 * MILLION, 50, (LongContext(100, 4 * MILLION, 20 * MILLION, 2 * MILLION),))


@pytest.fixture
def prices(database: Database, models: Models, host: str) -> ModelPrices:
    models.add(NewModel("m", host, input_price=2 * MILLION, output_price=10 * MILLION))
    return ModelPrices(database)


def test_they_are_kept_changed_and_taken_back(prices: ModelPrices, database: Database) -> None:
    assert prices.of("m") == PLAIN
    assert prices.set("m", TERMS, by=SHELL) == TERMS
    assert prices.of("m") == TERMS
    assert prices.all() == {"m": TERMS}
    prices.set("m", PLAIN, by=SHELL)
    assert prices.all() == {}
    with database.read() as session:
        entries = list(session.scalars(select(AuditEntryRecord).where(AuditEntryRecord.action == "models.prices")))
    assert [entry.after["batch_discount"] for entry in entries if entry.after] == [50, 0]


def test_they_go_with_their_model(prices: ModelPrices, models: Models, database: Database) -> None:
    prices.set("m", TERMS, by=SHELL)
    models.remove("m")
    with database.read() as session:
        assert session.scalar(select(PriceTermsRecord)) is None


def test_targets_have_them(prices: ModelPrices, database: Database) -> None:
    prices.set("m", TERMS, by=SHELL)
    reader = CatalogueReader(database, VAULT, Hosts(), PublishedPrices(), "test")
    reader.refresh()
    (target,) = reader.current.routes["m"].stages[0].targets
    assert target.tariff is not None
    assert target.tariff.base == Prices(2 * MILLION, MILLION, 3 * MILLION, 10 * MILLION)
    assert target.tariff.prices_for(101) == Prices(4 * MILLION, 2 * MILLION, 6 * MILLION, 20 * MILLION)
    assert target.batch_discount == 50


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        (PriceTerms(cached_input=-1), "cached_input_price"),
        (PriceTerms(cache_write=10**15 + 1), "cache_write_price"),
        (PriceTerms(batch_discount=101), "batch_discount"),
        (PriceTerms(batch_discount=-1), "batch_discount"),
        (PriceTerms(long_context=(LongContext(0, 1, 1),)), "long_context[0].above"),
        (PriceTerms(long_context=(LongContext(2**31, 1, 1),)), "long_context[0].above"),
        (PriceTerms(long_context=(LongContext(5, 1, 1), LongContext(5, 1, 1))), "long_context[1].above"),
        (PriceTerms(long_context=(LongContext(5, 1, 1), LongContext(4, 1, 1))), "long_context[1].above"),
        (PriceTerms(long_context=(LongContext(5, 1, -1),)), "long_context[0].output_price"),
        (PriceTerms(long_context=tuple(LongContext(n, 1, 1) for n in range(1, 10))), "long_context"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name_and_changes_nothing(
    prices: ModelPrices, terms: PriceTerms, field: str
) -> None:
    prices.set("m", TERMS, by=SHELL)
    with pytest.raises(InvalidField) as raised:
        prices.set("m", terms, by=SHELL)
    assert raised.value.param == field
    assert prices.of("m") == TERMS


def test_a_model_that_is_not_there_is_not_found(prices: ModelPrices) -> None:
    with pytest.raises(NotFound):
        prices.set("nope", TERMS, by=SHELL)


def test_a_long_prompt_is_booked_at_its_step_and_the_bill_adds_up_after_another_change(tmp_path: Path) -> None:
    gateway = Gateway(settings_for(tmp_path))
    services = gateway.services
    try:
        gateway.add_echo("stepped", "words=3", input_price=2 * MILLION, output_price=10 * MILLION)
        services.model_prices.set("stepped", TERMS, by=SHELL)
        services.serve().catalogue.refresh()
        for words in (5, 300):
            assert gateway.chat("word " * words, "stepped").status_code == 200
        services.model_prices.set("stepped", PLAIN, by=SHELL)
        rows = gateway.rows(2)
        assert [(row.input_price, row.cache_read_price, row.output_price) for row in rows] == [
            (2 * MILLION, MILLION, 10 * MILLION),
            (4 * MILLION, 2 * MILLION, 20 * MILLION),
        ]
        told = Replay(services.database).run()
    finally:
        gateway.close()
    assert told.agrees
    assert (told.attempts, told.booked) == (2, sum(row.cost or 0 for row in rows))
