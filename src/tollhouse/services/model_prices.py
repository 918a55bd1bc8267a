"""What is said of models' prices beyond those of input and output: cache, long context, batches."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import Actor
from tollhouse.domain.errors import InvalidField, NotFound
from tollhouse.domain.price_terms import PLAIN, LongContext, PriceTerms
from tollhouse.services.audit import note
from tollhouse.services.deployment_terms import DEAREST
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.records import ModelRecord, PriceTermsRecord

MOST_STEPS = 8
LONGEST_CONTEXT = 2**31 - 1


class ModelPrices:
    """Every change is effective in all processes within a second. They are the prices at the model's own host: those of
    its other deployments are their hosts'.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, model: str) -> PriceTerms:
        """Raises NotFound."""
        with self._database.read() as session:
            row = session.get(PriceTermsRecord, _id(session, model))
            return PLAIN if row is None else terms_of(row)

    def all(self) -> dict[str, PriceTerms]:
        """Of the models of which something is said, by name."""
        with self._database.read() as session:
            rows = session.execute(
                select(ModelRecord.name, PriceTermsRecord)
                .join(PriceTermsRecord, PriceTermsRecord.model_id == ModelRecord.id)
                .order_by(ModelRecord.name)
            )
            return {name: terms_of(row) for name, row in rows}

    def set(self, model: str, terms: PriceTerms, *, by: Actor) -> PriceTerms:
        """The model's terms become these; calls that are under way keep those that they began with. Raises NotFound,
        InvalidField.
        """
        _check(terms)
        with self._database.write() as session:
            announce(session)  # first of all, for that row lets in one change at a time
            id = _id(session, model)
            row = session.get(PriceTermsRecord, id)
            before = PLAIN if row is None else terms_of(row)
            if terms == PLAIN:
                if row is not None:
                    session.delete(row)
            else:
                if row is None:
                    row = PriceTermsRecord(model_id=id)
                    session.add(row)
                for field, value in _columns(terms).items():
                    setattr(row, field, value)
            now = self._database.now(session)
            note(session, by, "models.prices", id, at=now, before=_columns(before), after=_columns(terms))
        return terms


def terms_of(row: PriceTermsRecord) -> PriceTerms:
    steps = tuple(LongContext(**step) for step in row.long_context)
    return PriceTerms(row.cached_input, row.cache_write, row.batch_discount, steps)


def _columns(terms: PriceTerms) -> dict[str, Any]:
    return {
        "cached_input": terms.cached_input,
        "cache_write": terms.cache_write,
        "batch_discount": terms.batch_discount,
        "long_context": [_stated(step) for step in terms.long_context],
    }


def _stated(step: LongContext) -> dict[str, int]:
    return {name: value for name, value in asdict(step).items() if value is not None}


def _check(terms: PriceTerms) -> None:
    """InvalidField names what is wrong."""
    _check_price("cached-input-price", terms.cached_input)
    _check_price("cache-write-price", terms.cache_write)
    if not 0 <= terms.batch_discount <= 100:
        raise InvalidField("batch-discount: it must be from 0 to 100 percent.", param="batch-discount")
    if len(terms.long_context) > MOST_STEPS:
        raise InvalidField(f"long-context: there may be {MOST_STEPS} steps.", param="long-context")
    last = 0
    for step in terms.long_context:
        if not last < step.above <= LONGEST_CONTEXT:
            raise InvalidField(
                "long-context: each step must begin above another number of tokens, from 1 up, the lowest first.",
                param="long-context",
            )
        last = step.above
        for price in (step.input, step.output, step.cached_input, step.cache_write):
            _check_price("long-context", price)


def _check_price(field: str, price: int | None) -> None:
    if price is not None and not 0 <= price <= DEAREST:
        raise InvalidField(f"{field}: a price must be from 0 to 1000000 USD per million tokens.", param=field)


def _id(session: Session, model: str) -> str:
    id = session.scalar(select(ModelRecord.id).where(ModelRecord.name == model))
    if id is None:
        raise NotFound(f"There is no model {model!r}; `tollhouse models list` shows them.", param="name")
    return id
