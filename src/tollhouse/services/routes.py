"""Routes: how the calls of a model find their way, and the deployments between which they choose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import Conflict, InvalidField, NotFound
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.money import usd_from_nanos
from tollhouse.domain.rights import Right
from tollhouse.domain.routes import Sticky, Strategy
from tollhouse.services.audit import note
from tollhouse.services.deployment_terms import PLAIN, Terms, check_prices, check_terms
from tollhouse.services.naming import check_name, check_slug
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.records import DeploymentRecord, ModelRecord, ProviderRecord, RouteRecord

STRATEGIES: tuple[str, ...] = get_args(Strategy)
STICKY: tuple[str, ...] = get_args(Sticky)
TIMEOUTS = ("connect_seconds", "first_byte_seconds", "idle_seconds", "total_seconds")
LONGEST_SECONDS = 86400
MOST_ALIASES = 100
MOST_DEPLOYMENTS = 100


@dataclass(frozen=True, slots=True)
class RouteTerms:
    """All of a route that can be said; as it is here where nobody has said anything. `terms` are those of the model's
    own deployment; the timeouts are of all, None for the settings'.
    """

    strategy: str = "ordered"
    sticky: str | None = None
    aliases: tuple[str, ...] = ()
    context_fallbacks: tuple[str, ...] = ()
    refusal_fallbacks: tuple[str, ...] = ()
    connect_seconds: float | None = None
    first_byte_seconds: float | None = None
    idle_seconds: float | None = None
    total_seconds: float | None = None
    terms: Terms = PLAIN


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


class Routes:
    """Every change is effective in all processes within a second."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, model: str) -> RouteTerms:
        """Raises NotFound."""
        with self._database.read() as session:
            return _shown(session.get(RouteRecord, _model(session, model).id))

    def all(self) -> dict[str, RouteTerms]:
        """Of the models of which somebody has said something, by name."""
        with self._database.read() as session:
            rows = session.execute(
                select(ModelRecord.name, RouteRecord)
                .join(RouteRecord, RouteRecord.model_id == ModelRecord.id)
                .order_by(ModelRecord.name)
            )
            return {name: _shown(row) for name, row in rows}

    def set(self, model: str, route: RouteTerms, *, by: Actor = SYSTEM) -> RouteTerms:
        """The model's route becomes this. Raises NotFound, Conflict for an alias that is taken, InvalidField."""
        by.require(Right.CHANGE_CATALOGUE)
        with self._database.write() as session:
            announce(session)  # first of all, for that row lets in one change at a time
            row = _model(session, model)
            route = replace(route, aliases=_aliases(route.aliases))
            _check(session, model, route)
            known = session.get(RouteRecord, row.id)
            before = _flat(_shown(known))
            if known is None:
                known = RouteRecord(model_id=row.id)
                session.add(known)
            for field, value in _flat(route).items():
                setattr(known, field, value)
            now = self._database.now(session)
            note(session, by, "routes.change", row.id, at=now, before=before, after=_flat(route))
        return route

    def deploy(self, model: str, new: NewDeployment, *, by: Actor = SYSTEM) -> Deployment:
        """Another host for the model. Raises NotFound, InvalidField."""
        by.require(Right.CHANGE_CATALOGUE)
        with self._database.write() as session:
            announce(session)
            return self._insert(session, _model(session, model), new, by)

    def undeploy(self, model: str, id: str, *, by: Actor = SYSTEM) -> None:
        """Calls that are under way go on. Raises NotFound."""
        by.require(Right.CHANGE_CATALOGUE)
        with self._database.write() as session:
            announce(session)
            row = session.get(DeploymentRecord, id)
            if row is None or row.model_id != _model(session, model).id:
                raise NotFound(
                    f"The model {model!r} has no deployment {id!r}; `tollhouse models deployments {model}` shows them.",
                    param="id",
                )
            self._delete(session, row, by)

    def redeploy(self, model: str, wanted: Sequence[NewDeployment], *, by: Actor = SYSTEM) -> None:
        """The model's deployments become these. Those that are the same stay what they are, with what is known of how
        they do.
        """
        by.require(Right.CHANGE_CATALOGUE)
        with self._database.write() as session:
            announce(session)
            row = _model(session, model)
            left = [(_described(one, provider), one) for one, provider in _deployments(session, row.id)]
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

    def deployments(self, model: str | None = None) -> list[Deployment]:
        """Of one model or all, oldest first: those beside the models' own. Raises NotFound."""
        with self._database.read() as session:
            if model is not None:
                _model(session, model)
            found = session.execute(
                select(DeploymentRecord, ModelRecord.name, ProviderRecord.name)
                .join(ModelRecord, ModelRecord.id == DeploymentRecord.model_id)
                .join(ProviderRecord, ProviderRecord.id == DeploymentRecord.provider_id)
                .order_by(DeploymentRecord.id)
            )
            return [_shown_deployment(row, name, host) for row, name, host in found if model in (None, name)]

    def _insert(self, session: Session, model: ModelRecord, new: NewDeployment, by: Actor) -> Deployment:
        provider = session.scalar(select(ProviderRecord).where(ProviderRecord.name == new.provider))
        if provider is None:
            raise NotFound(
                f"There is no provider {new.provider!r}; `tollhouse providers list` shows them.", param="provider"
            )
        if len(_deployments(session, model.id)) >= MOST_DEPLOYMENTS:
            raise InvalidField(f"provider: a model has {MOST_DEPLOYMENTS} deployments at most.", param="provider")
        new = _complete(model, new)
        check_name(new.upstream_model or "", "upstream-model", 200)
        check_prices(new.input_price, new.output_price, new.context_window, new.max_output)
        check_terms(new.terms)
        row = DeploymentRecord(
            id=new_id("dep"),
            model_id=model.id,
            provider_id=provider.id,
            upstream_model=new.upstream_model or "",
            input_price=new.input_price,
            output_price=new.output_price,
            context_window=new.context_window,
            max_output=new.max_output,
            **new.terms.columns(),
            created_at=self._database.now(session),
        )
        session.add(row)
        session.flush()
        note(session, by, "deployments.create", row.id, at=row.created_at, after=_state(row))
        return _shown_deployment(row, model.name, provider.name)

    def _delete(self, session: Session, row: DeploymentRecord, by: Actor) -> None:
        note(session, by, "deployments.remove", row.id, at=self._database.now(session), before=_state(row))
        session.delete(row)


def _state(row: DeploymentRecord) -> dict[str, Any]:
    """What of a deployment the audit log has."""
    prices = (row.input_price, row.output_price)
    return {
        "model_id": row.model_id,
        "provider_id": row.provider_id,
        "upstream_model": row.upstream_model,
        "prices": [None if price is None else usd_from_nanos(price) for price in prices],
        "context_window": row.context_window,
        "max_output": row.max_output,
        **Terms.of(row).columns(),
    }


def _complete(model: ModelRecord, new: NewDeployment) -> NewDeployment:
    """What a deployment does not say of its name upstream is as at the model's own host."""
    return replace(new, upstream_model=new.upstream_model or model.upstream_model)


def _deployments(session: Session, model_id: str) -> list[tuple[DeploymentRecord, str]]:
    found = session.execute(
        select(DeploymentRecord, ProviderRecord.name)
        .join(ProviderRecord, ProviderRecord.id == DeploymentRecord.provider_id)
        .where(DeploymentRecord.model_id == model_id)
        .order_by(DeploymentRecord.id)
    )
    return [(row, provider) for row, provider in found]


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


def _model(session: Session, name: str) -> ModelRecord:
    row = session.scalar(select(ModelRecord).where(ModelRecord.name == name))
    if row is None:
        raise NotFound(f"There is no model {name!r}; `tollhouse models list` shows them.", param="name")
    return row


def _aliases(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(check_slug(name, "alias", 200) for name in names))


def _check(session: Session, model: str, route: RouteTerms) -> None:
    for field, value, known in (("strategy", route.strategy, STRATEGIES), ("sticky", route.sticky, STICKY)):
        if value is not None and value not in known:
            raise InvalidField(f"{field}: it must be one of {', '.join(known)}.", param=field)
    for field in TIMEOUTS:
        seconds, option = getattr(route, field), field.replace("_", "-")
        if seconds is not None and not 0.05 <= seconds <= LONGEST_SECONDS:
            raise InvalidField(f"{option}: it must be from 0.05 to {LONGEST_SECONDS}.", param=option)
    check_terms(route.terms)
    names = set(session.scalars(select(ModelRecord.name)))
    _check_aliases(session, model, route.aliases, names)
    for field, fallbacks in (
        ("context-fallback", route.context_fallbacks),
        ("refusal-fallback", route.refusal_fallbacks),
    ):
        for name in fallbacks:
            if name not in names or name == model:
                raise InvalidField(f"{field}: there is no other model {name!r}.", param=field)


def _check_aliases(session: Session, model: str, aliases: Sequence[str], names: set[str]) -> None:
    if len(aliases) > MOST_ALIASES:
        raise InvalidField(f"alias: there may be {MOST_ALIASES} at most.", param="alias")
    if aliases and model.endswith("*"):
        raise InvalidField("alias: a model whose name ends in * has none.", param="alias")
    others = select(ModelRecord.name, RouteRecord.aliases).join(RouteRecord, RouteRecord.model_id == ModelRecord.id)
    taken = {alias for name, theirs in session.execute(others) if name != model for alias in theirs}
    for alias in aliases:
        if alias in names or alias in taken:
            raise Conflict(f"The name {alias!r} is taken; choose another alias.", param="alias")


def _flat(route: RouteTerms) -> Mapping[str, Any]:
    own = {field.name: getattr(route, field.name) for field in fields(route) if field.name != "terms"}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in own.items()} | (
        route.terms.columns()
    )


def _shown(row: RouteRecord | None) -> RouteTerms:
    if row is None:
        return RouteTerms()
    return RouteTerms(
        row.strategy,
        row.sticky,
        tuple(row.aliases),
        tuple(row.context_fallbacks),
        tuple(row.refusal_fallbacks),
        row.connect_seconds,
        row.first_byte_seconds,
        row.idle_seconds,
        row.total_seconds,
        Terms.of(row),
    )


def _shown_deployment(row: DeploymentRecord, model: str, provider: str) -> Deployment:
    said = {field.name: getattr(_described(row, provider), field.name) for field in fields(NewDeployment)}
    return Deployment(id=row.id, model=model, **said)
