"""Models: the public names that calls ask for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.caching import LONGEST_SECONDS
from tollhouse.domain.errors import Conflict, InvalidField, NotFound
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.money import usd_from_nanos
from tollhouse.domain.page import Page, page_of
from tollhouse.domain.rights import Right
from tollhouse.services.audit import note
from tollhouse.services.models.deployment_terms import check_prices
from tollhouse.services.models.fallbacks import (
    check_name_is_free,
    check_no_loop,
    embedding_users,
    fallback_users,
    is_known,
)
from tollhouse.services.naming import check_model_name, check_name, upstream_name
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.records import ModelRecord, ProviderRecord

DEAREST_UNIT = 10**12


@dataclass(frozen=True, slots=True)
class NewModel:
    """A model to add. Prices are nano-dollars per million tokens, the unit's per whole image, second, character
    or search; None to take the published ones. `cache_seconds` is how long its replies are kept to be given again:
    None where each call says, 0 for never. By the vectors of `cache_embedding_model` calls are compared that ask in
    other words: from `cache_similarity` on, None for the default, they are taken for one.
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
    cache_seconds: int | None = None
    cache_embedding_model: str | None = None
    cache_similarity: float | None = None


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
    cache_seconds: int | None
    cache_embedding_model: str | None
    cache_similarity: float | None
    created_at: datetime


Unchanged = Callable[[Model], None]
"""Given what a model is, inside the transaction that changes it; raises Changed where that is not what was seen."""

_PRICES = ("input_price", "output_price", "unit_price")
_CACHE = ("cache_seconds", "cache_embedding_model", "cache_similarity")
_FIELDS = ("upstream_model", *_PRICES, "context_window", "max_output", "fallbacks", *_CACHE)


class Models:
    """They are the organisation's. Every change is effective in all processes within a second."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, new: NewModel, *, by: Actor = SYSTEM) -> Model:
        """Raises Conflict when the name is taken, NotFound for the provider, InvalidField for the rest."""
        by.require(Right.CHANGE_CATALOGUE)
        new = replace(new, name=check_model_name(new.name))
        with self._database.write() as session:
            announce(session)  # first of all, for that row lets in one change at a time
            check_name_is_free(session, new.name)
            provider = _provider(session, new.provider)
            _check(session, new)
            row = self._add(session, new, provider, by)
        return _shown(row, provider.name)

    def change(
        self,
        name: str,
        changes: Mapping[str, Any],
        *,
        by: Actor = SYSTEM,
        unless_changed: Unchanged | None = None,
    ) -> Model:
        """Set what `changes` has of NewModel's fields but the name, of the model of this name or id; None there is as
        in NewModel. Raises NotFound, InvalidField.
        """
        by.require(Right.CHANGE_CATALOGUE)
        with self._database.write() as session:
            announce(session)
            row, host = _named(session, name, unless_changed)
            before = _state(row, host)
            new = NewModel(**{**_terms(row, host), **changes, "name": row.name})
            new = replace(new, fallbacks=new.fallbacks or ())
            if new.cache_embedding_model is None and "cache_similarity" not in changes:
                new = replace(new, cache_similarity=None)
            provider = _provider(session, new.provider)
            _check(session, new)
            _put(row, new, provider)
            after = _state(row, provider.name)
            note(session, by, "models.change", row.id, at=self._database.now(session), before=before, after=after)
        return _shown(row, provider.name)

    def remove(self, name: str, *, by: Actor = SYSTEM, unless_changed: Unchanged | None = None) -> None:
        """By name or id. Calls for it are 404 from then on. Raises NotFound, and Conflict while another model falls
        back on it.
        """
        by.require(Right.CHANGE_CATALOGUE)
        with self._database.write() as session:
            announce(session)
            row, host = _named(session, name, unless_changed)
            for other in fallback_users(session, row.name):
                raise Conflict(f"The model {other!r} falls back on {row.name!r}: change that first.")
            for other in embedding_users(session, row.name):
                raise Conflict(f"The cache of the model {other!r} compares by {row.name!r}: change that first.")
            note(session, by, "models.remove", row.id, at=self._database.now(session), before=_state(row, host))
            session.delete(row)

    def register(self, models: Sequence[NewModel], *, by: Actor = SYSTEM) -> None:
        """Add those whose names are not taken: what start-up does. Idempotent; names taken are left as they are."""
        with self._database.write() as session:
            taken = set(session.scalars(select(ModelRecord.name)))
            providers = {row.name: row for row in session.scalars(select(ProviderRecord))}
            # By name: a host may list a model twice.
            fresh = list({new.name: new for new in models if new.name not in taken}.values())
            for new in fresh:
                self._add(session, new, providers[new.provider], by)
            if fresh:
                announce(session)

    def all(self) -> list[Model]:
        """All models, by name; for the shell."""
        with self._database.read() as session:
            return [_shown(row, host) for row, host in session.execute(_with_hosts().order_by(ModelRecord.name))]

    def page(
        self,
        limit: int,
        after: str | None = None,
        *,
        name: str | None = None,
        provider: str | None = None,
        by: Actor = SYSTEM,
    ) -> Page[Model]:
        """Models, oldest first: all, the one of this name, those of a provider."""
        by.require(Right.VIEW_CATALOGUE)
        asked = _with_hosts().order_by(ModelRecord.id).limit(limit + 1)
        if name is not None:
            asked = asked.where(ModelRecord.name == name)
        if provider is not None:
            asked = asked.where(ProviderRecord.name == provider)
        if after is not None:
            asked = asked.where(ModelRecord.id > after)
        with self._database.read() as session:
            shown = [_shown(row, host) for row, host in session.execute(asked)]
        return page_of(shown, limit, lambda model: model.id)

    def get(self, name: str, *, by: Actor = SYSTEM) -> Model:
        """By name or id."""
        by.require(Right.VIEW_CATALOGUE)
        with self._database.read() as session:
            return _shown(*_named(session, name))

    def _add(self, session: Session, new: NewModel, provider: ProviderRecord, by: Actor) -> ModelRecord:
        row = ModelRecord(id=new_id("mdl"), name=new.name, created_at=self._database.now(session))
        _put(row, new, provider)
        session.add(row)
        note(session, by, "models.create", row.id, at=row.created_at, after=_state(row, provider.name))
        return row


_FALLBACKS = select(ModelRecord.name, ModelRecord.fallbacks)


def _with_hosts() -> Select[ModelRecord, str]:
    return select(ModelRecord, ProviderRecord.name).join(ProviderRecord, ProviderRecord.id == ModelRecord.provider_id)


def _named(session: Session, name: str, unless_changed: Unchanged | None = None) -> tuple[ModelRecord, str]:
    """The model of this name or id, which is as they saw it, and its provider's name."""
    found = session.execute(_with_hosts().where(or_(ModelRecord.id == name, ModelRecord.name == name))).first()
    if found is None:
        raise NotFound(f"There is no model {name[:200]!r}; `tollhouse models list` shows them.", param="name")
    row, host = found
    if unless_changed is not None:
        unless_changed(_shown(row, host))
    return row, host


def _provider(session: Session, name: str) -> ProviderRecord:
    row = session.scalar(select(ProviderRecord).where(ProviderRecord.name == name))
    if row is None:
        raise NotFound(f"There is no provider {name!r}; `tollhouse providers list` shows them.", param="provider")
    return row


def _check(session: Session, new: NewModel) -> None:
    check_prices(new.input_price, new.output_price, new.context_window, new.max_output)
    if new.unit_price is not None and not 0 <= new.unit_price <= DEAREST_UNIT:
        raise InvalidField("unit-price: it must be from 0 to 1000 USD.", param="unit_price")
    if new.cache_seconds is not None and not 0 <= new.cache_seconds <= LONGEST_SECONDS:
        raise InvalidField(f"cache_seconds: it must be from 0 to {LONGEST_SECONDS}.", param="cache_seconds")
    _check_similarity(session, new)
    if new.upstream_model:
        check_name(new.upstream_model, "upstream_model", 200)
    known = {name: tuple(fallbacks) for name, fallbacks in session.execute(_FALLBACKS)}
    for name in new.fallbacks:
        if name not in known or name == new.name:
            raise InvalidField(f"fallback: there is no other model {name[:200]!r}.", param="fallbacks")
    check_no_loop(new.name, {**known, new.name: tuple(new.fallbacks)})


def _check_similarity(session: Session, new: NewModel) -> None:
    model, least = new.cache_embedding_model, new.cache_similarity
    if least is not None and not 0 < least <= 1:
        raise InvalidField("cache_similarity: it must be above 0, and 1 at most.", param="cache_similarity")
    if model is None:
        if least is not None:
            raise InvalidField(
                "cache_similarity: there is no cache_embedding_model to compare by.", param="cache_similarity"
            )
    elif model == new.name or not is_known(session, model):
        raise InvalidField(
            f"cache_embedding_model: there is no other model {model[:200]!r}.", param="cache_embedding_model"
        )


def _put(row: ModelRecord, new: NewModel, provider: ProviderRecord) -> None:
    row.provider_id, row.upstream_model = provider.id, new.upstream_model or upstream_name(new.name)
    row.input_price, row.output_price, row.unit_price = new.input_price, new.output_price, new.unit_price
    row.context_window, row.max_output, row.fallbacks = new.context_window, new.max_output, list(new.fallbacks)
    row.cache_seconds = new.cache_seconds
    row.cache_embedding_model, row.cache_similarity = new.cache_embedding_model, new.cache_similarity


def _terms(row: ModelRecord, host: str) -> dict[str, Any]:
    """All of a model that can change."""
    return {"provider": host, **{field: getattr(row, field) for field in _FIELDS}}


def _state(row: ModelRecord, host: str) -> dict[str, Any]:
    """What of a model the audit log has."""
    prices = {field: _usd(getattr(row, field)) for field in _PRICES}
    return {"name": row.name, **_terms(row, host), **prices}


def _usd(nanos: int | None) -> str | None:
    return None if nanos is None else usd_from_nanos(nanos)


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
        row.cache_seconds,
        row.cache_embedding_model,
        row.cache_similarity,
        row.created_at,
    )
