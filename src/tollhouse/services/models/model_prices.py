"""What is said of models' prices beyond those of input and output: cache, long context, batches."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import InvalidField
from tollhouse.domain.price_terms import PLAIN, LongContext, PriceTerms
from tollhouse.domain.rights import Right
from tollhouse.services.audit import note
from tollhouse.services.models.deployment_terms import DEAREST
from tollhouse.services.models.routes import model_named
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.records import ModelRecord, PriceTermsRecord

MOST_STEPS = 8
LONGEST_CONTEXT = 2**31 - 1

Unchanged = Callable[[PriceTerms], None]
"""Given what they are, inside the transaction that changes them; raises Changed where that is not what was seen."""


class ModelPrices:
    """Every change is effective in all processes within a second. They are the prices at the model's own host: those of
    its other deployments are their hosts'. Models are named by name or id.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, model: str, *, by: Actor = SYSTEM) -> PriceTerms:
        """Raises NotFound."""
        by.require(Right.VIEW_CATALOGUE)
        with self._database.read() as session:
            return _of(session, model_named(session, model).id)

    def all(self) -> dict[str, PriceTerms]:
        """Of the models of which something is said, by name."""
        with self._database.read() as session:
            rows = session.execute(
                select(ModelRecord.name, PriceTermsRecord)
                .join(PriceTermsRecord, PriceTermsRecord.model_id == ModelRecord.id)
                .order_by(ModelRecord.name)
            )
            return {name: terms_of(row) for name, row in rows}

    def set(self, model: str, terms: PriceTerms, *, by: Actor = SYSTEM) -> PriceTerms:
        """The model's terms become these; calls that are under way keep those that they began with. Raises NotFound,
        InvalidField.
        """
        by.require(Right.CHANGE_CATALOGUE)
        with self._database.write() as session:
            announce(session)  # first of all, for that row lets in one change at a time
            return self._put(session, model_named(session, model).id, terms, by)

    def change(
        self,
        model: str,
        changes: Mapping[str, Any],
        *,
        by: Actor = SYSTEM,
        unless_changed: Unchanged | None = None,
    ) -> PriceTerms:
        """Set what `changes` has of the fields of PriceTerms. Raises as `set`."""
        by.require(Right.CHANGE_CATALOGUE)
        with self._database.write() as session:
            announce(session)
            id = model_named(session, model).id
            terms = _of(session, id)
            if unless_changed is not None:
                unless_changed(terms)
            return self._put(session, id, replace(terms, **changes), by)

    def _put(self, session: Session, model_id: str, terms: PriceTerms, by: Actor) -> PriceTerms:
        _check(terms)
        row = session.get(PriceTermsRecord, model_id)
        before = PLAIN if row is None else terms_of(row)
        if terms == PLAIN:
            if row is not None:
                session.delete(row)
        else:
            if row is None:
                row = PriceTermsRecord(model_id=model_id)
                session.add(row)
            for field, value in _columns(terms).items():
                setattr(row, field, value)
        now = self._database.now(session)
        note(session, by, "models.prices", model_id, at=now, before=_columns(before), after=_columns(terms))
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


def _of(session: Session, model_id: str) -> PriceTerms:
    row = session.get(PriceTermsRecord, model_id)
    return PLAIN if row is None else terms_of(row)


def _check(terms: PriceTerms) -> None:
    """InvalidField names what is wrong."""
    _check_price("cached-input-price", terms.cached_input, "cached_input_price")
    _check_price("cache-write-price", terms.cache_write, "cache_write_price")
    if not 0 <= terms.batch_discount <= 100:
        raise InvalidField("batch-discount: it must be from 0 to 100 percent.", param="batch_discount")
    if len(terms.long_context) > MOST_STEPS:
        raise InvalidField(f"long-context: there may be {MOST_STEPS} steps.", param="long_context")
    last = 0
    for number, step in enumerate(terms.long_context):
        if not last < step.above <= LONGEST_CONTEXT:
            raise InvalidField(
                "long-context: each step must begin above another number of tokens, from 1 up, the lowest first.",
                param=f"long_context[{number}].above",
            )
        last = step.above
        for field in ("input", "output", "cached_input", "cache_write"):
            _check_price("long-context", getattr(step, field), f"long_context[{number}].{field}_price")


def _check_price(option: str, price: int | None, field: str) -> None:
    """Said as the command line calls the field, and named as bodies do."""
    if price is not None and not 0 <= price <= DEAREST:
        raise InvalidField(f"{option}: a price must be from 0 to 1000000 USD per million tokens.", param=field)
