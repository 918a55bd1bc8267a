"""Models: the public names that calls ask for."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.errors import Conflict, InvalidField, NotFound
from tollhouse.domain.identifiers import new_id
from tollhouse.services.deployment_terms import check_prices
from tollhouse.services.fallbacks import check_name_is_free, check_no_loop, fallback_users
from tollhouse.services.naming import check_model_name, check_name, upstream_name
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.records import ModelRecord, ProviderRecord

DEAREST_UNIT = 10**12


@dataclass(frozen=True, slots=True)
class NewModel:
    """A model to add. Prices are nano-dollars per million tokens, the unit's per whole image, second, character
    or search; None to take the published ones.
    """

    name: str
    provider: str
    upstream_model: str | None = None
    input_price: int | None = None
    output_price: int | None = None
    context_window: int | None = None
    max_output: int | None = None
    fallbacks: Sequence[str] = ()
    unit_price: int | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A model as it can be shown."""

    id: str
    name: str
    provider: str
    upstream_model: str
    input_price: int | None
    output_price: int | None
    unit_price: int | None
    context_window: int | None
    max_output: int | None
    fallbacks: tuple[str, ...]
    created_at: datetime


class Models:
    """Every change is effective in all processes within a second."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, new: NewModel) -> Model:
        """Raises Conflict when the name is taken, NotFound for the provider, InvalidField for the rest."""
        new = replace(new, name=check_model_name(new.name))
        with self._database.write() as session:
            check_name_is_free(session, new.name)
            provider = _provider(session, new.provider)
            _check(session, new)
            row = self._row(session, new, provider)
            session.add(row)
            announce(session)
        return _shown(row, provider.name)

    def change(self, name: str, new: NewModel) -> Model:
        """The model of this name becomes all that `new` says. Raises NotFound, Conflict, InvalidField."""
        new = replace(new, name=check_model_name(new.name))
        with self._database.write() as session:
            row = _named(session, name)
            if new.name != name:
                check_name_is_free(session, new.name)
            provider = _provider(session, new.provider)
            _check(session, new)
            row.name, row.provider_id, row.upstream_model = (
                new.name,
                provider.id,
                new.upstream_model or upstream_name(new.name),
            )
            row.input_price, row.output_price = new.input_price, new.output_price
            row.context_window, row.max_output, row.fallbacks = new.context_window, new.max_output, list(new.fallbacks)
            announce(session)
        return _shown(row, provider.name)

    def remove(self, name: str) -> None:
        """Calls for it are 404 from then on. Raises NotFound, and Conflict while another model falls back on it."""
        with self._database.write() as session:
            row = _named(session, name)
            for other in fallback_users(session, name):
                raise Conflict(f"The model {other!r} falls back on {name!r}: change that first.", param="name")
            session.delete(row)
            announce(session)

    def register(self, models: Sequence[NewModel]) -> None:
        """Add those whose names are not taken: what start-up does. Idempotent; names taken are left as they are."""
        with self._database.write() as session:
            taken = set(session.scalars(select(ModelRecord.name)))
            providers = {row.name: row for row in session.scalars(select(ProviderRecord))}
            # By name: a host may list a model twice.
            fresh = list({new.name: new for new in models if new.name not in taken}.values())
            session.add_all(self._row(session, new, providers[new.provider]) for new in fresh)
            if fresh:
                announce(session)

    def all(self) -> list[Model]:
        """All models, by name."""
        with self._database.read() as session:
            rows = session.execute(
                select(ModelRecord, ProviderRecord.name)
                .join(ProviderRecord, ProviderRecord.id == ModelRecord.provider_id)
                .order_by(ModelRecord.name)
            )
            return [_shown(row, provider) for row, provider in rows]

    def _row(self, session: Session, new: NewModel, provider: ProviderRecord) -> ModelRecord:
        return ModelRecord(
            id=new_id("mdl"),
            name=new.name,
            provider_id=provider.id,
            upstream_model=new.upstream_model or upstream_name(new.name),
            input_price=new.input_price,
            output_price=new.output_price,
            unit_price=new.unit_price,
            context_window=new.context_window,
            max_output=new.max_output,
            fallbacks=list(new.fallbacks),
            created_at=self._database.now(session),
        )


_FALLBACKS = select(ModelRecord.name, ModelRecord.fallbacks)


def _named(session: Session, name: str) -> ModelRecord:
    row = session.scalar(select(ModelRecord).where(ModelRecord.name == name))
    if row is None:
        raise NotFound(f"There is no model {name!r}; `tollhouse models list` shows them.", param="name")
    return row


def _provider(session: Session, name: str) -> ProviderRecord:
    row = session.scalar(select(ProviderRecord).where(ProviderRecord.name == name))
    if row is None:
        raise NotFound(f"There is no provider {name!r}; `tollhouse providers list` shows them.", param="provider")
    return row


def _check(session: Session, new: NewModel) -> None:
    check_prices(new.input_price, new.output_price, new.context_window, new.max_output)
    if new.unit_price is not None and not 0 <= new.unit_price <= DEAREST_UNIT:
        raise InvalidField("unit-price: it must be from 0 to 1000 USD.", param="unit-price")
    if new.upstream_model:
        check_name(new.upstream_model, "upstream-model", 200)
    known = {name: tuple(fallbacks) for name, fallbacks in session.execute(_FALLBACKS)}
    for name in new.fallbacks:
        if name not in known or name == new.name:
            raise InvalidField(f"fallback: there is no other model {name!r}.", param="fallback")
    check_no_loop(new.name, {**known, new.name: tuple(new.fallbacks)})


def _shown(row: ModelRecord, provider: str) -> Model:
    return Model(
        row.id,
        row.name,
        provider,
        row.upstream_model,
        row.input_price,
        row.output_price,
        row.unit_price,
        row.context_window,
        row.max_output,
        tuple(row.fallbacks),
        row.created_at,
    )
