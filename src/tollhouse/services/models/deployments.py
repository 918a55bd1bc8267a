"""Deployments: the hosts that a model has beside its own, between which its route chooses."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import InvalidField, NotFound
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.money import usd_from_nanos
from tollhouse.domain.page import Page, page_of
from tollhouse.domain.rights import Right
from tollhouse.services.audit import note
from tollhouse.services.models.deployment_terms import PLAIN, Terms, check_prices, check_terms
from tollhouse.services.models.routes import model_named
from tollhouse.services.naming import check_name
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.records import DeploymentRecord, ModelRecord, ProviderRecord

MOST_DEPLOYMENTS = 100


@dataclass(frozen=True, slots=True)
class NewDeployment:
    """A deployment to add: the provider's name, and the rest as in `NewModel`."""

    provider: str
    upstream_model: str | None = None
    input_price: int | None = None
    output_price: int | None = None
    context_window: int | None = None
    max_output: int | None = None
    terms: Terms = PLAIN


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment as it can be shown."""

    id: str
    model: str
    provider: str
    upstream_model: str
    input_price: int | None
    output_price: int | None
    context_window: int | None
    max_output: int | None
    terms: Terms
    created_at: datetime


Unchanged = Callable[[Deployment], None]
"""Given what one is, inside the transaction that changes it; raises Changed where that is not what was seen."""

_PRICES = ("input_price", "output_price")
_OF_TERMS = frozenset(field.name for field in fields(Terms))


class Deployments:
    """Every change is effective in all processes within a second; calls that are under way go on. Models are named by
    name or id.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, model: str, new: NewDeployment, *, by: Actor = SYSTEM) -> Deployment:
        """Another host for the model. Raises NotFound, InvalidField."""
        by.require(Right.CHANGE_CATALOGUE)
        with self._database.write() as session:
            announce(session)  # first of all, for that row lets in one change at a time
            return self._insert(session, model_named(session, model), new, by)

    def change(
        self, id: str, changes: Mapping[str, Any], *, by: Actor = SYSTEM, unless_changed: Unchanged | None = None
    ) -> Deployment:
        """Set what `changes` has of the fields of NewDeployment and of its `terms`; None there is as where nobody has
        said anything. Raises NotFound, InvalidField.
        """
        by.require(Right.CHANGE_CATALOGUE)
        with self._database.write() as session:
            announce(session)
            row, model, host = _found(session, id, unless_changed)
            given: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()
            }
            terms = {name: given.pop(name) for name in _OF_TERMS & given.keys()}
            described = _described(row, host)
            new = replace(described, **given, terms=replace(described.terms, **terms))
            before = _state(row)
            provider = _put(session, row, model, new)
            now = self._database.now(session)
            note(session, by, "deployments.change", id, at=now, before=before, after=_state(row))
            return _shown(row, model.name, provider.name)

    def remove(
        self, id: str, *, model: str | None = None, by: Actor = SYSTEM, unless_changed: Unchanged | None = None
    ) -> None:
        """`model` is whose it has to be, where that is said. Raises NotFound."""
        by.require(Right.CHANGE_CATALOGUE)
        with self._database.write() as session:
            announce(session)
            row, of, _ = _found(session, id, unless_changed)
            if model is not None and model_named(session, model).id != of.id:
                raise _no_deployment(id)
            self._delete(session, row, by)

    def set_all(self, model: str, wanted: Sequence[NewDeployment], *, by: Actor = SYSTEM) -> None:
        """The model's deployments become these. Those that are the same stay what they are, with what is known of how
        they do.
        """
        by.require(Right.CHANGE_CATALOGUE)
        with self._database.write() as session:
            announce(session)
            row = model_named(session, model)
            found = session.execute(_joined().where(DeploymentRecord.model_id == row.id))
            left = [(_described(one, host), one) for one, _, host in found]
            missing = []
            for new in wanted:
                same = next((pair for pair in left if pair[0] == _complete(row, new)), None)
                if same is None:
                    missing.append(new)
                else:
                    left.remove(same)
            for _, gone in left:
                self._delete(session, gone, by)
            session.flush()
            for new in missing:
                self._insert(session, row, new, by)

    def all(self, model: str | None = None) -> list[Deployment]:
        """Of one model or all, oldest first; for the shell. Raises NotFound."""
        asked = _joined()
        with self._database.read() as session:
            if model is not None:
                asked = asked.where(DeploymentRecord.model_id == model_named(session, model).id)
            return [_shown(row, of.name, host) for row, of, host in session.execute(asked)]

    def page(
        self,
        limit: int,
        after: str | None = None,
        *,
        model: str | None = None,
        provider: str | None = None,
        by: Actor = SYSTEM,
    ) -> Page[Deployment]:
        """Oldest first: all, those of a model, those at a provider, both by name."""
        by.require(Right.VIEW_CATALOGUE)
        asked = _joined().limit(limit + 1)
        if model is not None:
            asked = asked.where(ModelRecord.name == model)
        if provider is not None:
            asked = asked.where(ProviderRecord.name == provider)
        if after is not None:
            asked = asked.where(DeploymentRecord.id > after)
        with self._database.read() as session:
            shown = [_shown(row, of.name, host) for row, of, host in session.execute(asked)]
        return page_of(shown, limit, lambda deployment: deployment.id)

    def get(self, id: str, *, by: Actor = SYSTEM) -> Deployment:
        """Raises NotFound."""
        by.require(Right.VIEW_CATALOGUE)
        with self._database.read() as session:
            row, model, host = _found(session, id)
            return _shown(row, model.name, host)

    def _insert(self, session: Session, model: ModelRecord, new: NewDeployment, by: Actor) -> Deployment:
        there = session.scalars(select(DeploymentRecord.id).where(DeploymentRecord.model_id == model.id)).all()
        if len(there) >= MOST_DEPLOYMENTS:
            raise InvalidField(f"model: it may have {MOST_DEPLOYMENTS} deployments at most.", param="model")
        row = DeploymentRecord(id=new_id("dep"), model_id=model.id, created_at=self._database.now(session))
        provider = _put(session, row, model, new)
        session.add(row)
        session.flush()
        note(session, by, "deployments.create", row.id, at=row.created_at, after=_state(row))
        return _shown(row, model.name, provider.name)

    def _delete(self, session: Session, row: DeploymentRecord, by: Actor) -> None:
        note(session, by, "deployments.remove", row.id, at=self._database.now(session), before=_state(row))
        session.delete(row)


def _joined() -> Select[DeploymentRecord, ModelRecord, str]:
    return (
        select(DeploymentRecord, ModelRecord, ProviderRecord.name)
        .join(ModelRecord, ModelRecord.id == DeploymentRecord.model_id)
        .join(ProviderRecord, ProviderRecord.id == DeploymentRecord.provider_id)
        .order_by(DeploymentRecord.id)
    )


def _found(
    session: Session, id: str, unless_changed: Unchanged | None = None
) -> tuple[DeploymentRecord, ModelRecord, str]:
    """The deployment, which is as they saw it, its model, and its provider's name."""
    found = session.execute(_joined().where(DeploymentRecord.id == id)).first()
    if found is None:
        raise _no_deployment(id)
    row, model, host = found
    if unless_changed is not None:
        unless_changed(_shown(row, model.name, host))
    return row, model, host


def _no_deployment(id: str) -> NotFound:
    return NotFound(
        f"There is no deployment {id[:60]!r} of this model; `tollhouse models deployments` shows them.", param="id"
    )


def _put(session: Session, row: DeploymentRecord, model: ModelRecord, new: NewDeployment) -> ProviderRecord:
    """Write what is said into the row, once it was checked; where it is from then on."""
    provider = session.scalar(select(ProviderRecord).where(ProviderRecord.name == new.provider))
    if provider is None:
        raise NotFound(
            f"There is no provider {new.provider[:100]!r}; `tollhouse providers list` shows them.", param="provider"
        )
    new = _complete(model, new)
    check_name(new.upstream_model or "", "upstream_model", 200)
    check_prices(new.input_price, new.output_price, new.context_window, new.max_output)
    check_terms(new.terms)
    row.provider_id, row.upstream_model = provider.id, new.upstream_model or ""
    row.input_price, row.output_price = new.input_price, new.output_price
    row.context_window, row.max_output = new.context_window, new.max_output
    for field, value in new.terms.columns().items():
        setattr(row, field, value)
    return provider


def _complete(model: ModelRecord, new: NewDeployment) -> NewDeployment:
    """What a deployment does not say of its name upstream is as at the model's own host."""
    return replace(new, upstream_model=new.upstream_model or model.upstream_model)


def _described(row: DeploymentRecord, provider: str) -> NewDeployment:
    return NewDeployment(
        provider,
        row.upstream_model,
        row.input_price,
        row.output_price,
        row.context_window,
        row.max_output,
        Terms.of(row),
    )


def _state(row: DeploymentRecord) -> dict[str, Any]:
    """What of a deployment the audit log has."""
    prices = (getattr(row, price) for price in _PRICES)
    return {
        "model_id": row.model_id,
        "provider_id": row.provider_id,
        "upstream_model": row.upstream_model,
        "prices": [None if price is None else usd_from_nanos(price) for price in prices],
        "context_window": row.context_window,
        "max_output": row.max_output,
        **Terms.of(row).columns(),
    }


def _shown(row: DeploymentRecord, model: str, provider: str) -> Deployment:
    said = {field.name: getattr(_described(row, provider), field.name) for field in fields(NewDeployment)}
    return Deployment(id=row.id, model=model, created_at=row.created_at, **said)
