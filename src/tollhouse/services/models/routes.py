"""Routes: how the calls of a model find their way to one of its deployments."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, get_args

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import Conflict, InvalidField, NotFound
from tollhouse.domain.rights import Right
from tollhouse.domain.routes import Sticky, Strategy
from tollhouse.services.audit import note
from tollhouse.services.models.deployment_terms import PLAIN, Terms, check_terms
from tollhouse.services.naming import check_slug
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.records import ModelRecord, RouteRecord

STRATEGIES: tuple[str, ...] = get_args(Strategy)
STICKY: tuple[str, ...] = get_args(Sticky)
TIMEOUTS = ("connect_seconds", "first_byte_seconds", "idle_seconds", "total_seconds")
LONGEST_SECONDS = 86400
MOST_ALIASES = 100


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


Unchanged = Callable[[RouteTerms], None]
"""Given what a route is, inside the transaction that changes it; raises Changed where that is not what was seen."""

_OF_TERMS = frozenset(field.name for field in fields(Terms))


class Routes:
    """Every change is effective in all processes within a second. Models are named by name or id."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, model: str, *, by: Actor = SYSTEM) -> RouteTerms:
        """Raises NotFound."""
        by.require(Right.VIEW_CATALOGUE)
        with self._database.read() as session:
            return _shown(session.get(RouteRecord, model_named(session, model).id))

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
            return self._put(session, model_named(session, model), route, by)

    def change(
        self,
        model: str,
        changes: Mapping[str, Any],
        *,
        by: Actor = SYSTEM,
        unless_changed: Unchanged | None = None,
    ) -> RouteTerms:
        """Set what `changes` has of the fields of RouteTerms and of its `terms`. Raises as `set`."""
        by.require(Right.CHANGE_CATALOGUE)
        with self._database.write() as session:
            announce(session)
            row = model_named(session, model)
            route = _shown(session.get(RouteRecord, row.id))
            if unless_changed is not None:
                unless_changed(route)
            given: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in changes.items()
            }
            terms = {name: given.pop(name) for name in _OF_TERMS & given.keys()}
            return self._put(session, row, replace(route, **given, terms=replace(route.terms, **terms)), by)

    def _put(self, session: Session, model: ModelRecord, route: RouteTerms, by: Actor) -> RouteTerms:
        seconds: dict[str, Any] = {
            field: float(value) for field in TIMEOUTS if (value := getattr(route, field)) is not None
        }
        route = replace(route, aliases=_aliases(route.aliases), **seconds)
        _check(session, model.name, route)
        known = session.get(RouteRecord, model.id)
        before = _flat(_shown(known))
        if known is None:
            known = RouteRecord(model_id=model.id)
            session.add(known)
        for field, value in _flat(route).items():
            setattr(known, field, value)
        now = self._database.now(session)
        note(session, by, "routes.change", model.id, at=now, before=before, after=_flat(route))
        return route


def model_named(session: Session, name: str) -> ModelRecord:
    """The model of this name or id. Raises NotFound."""
    row = session.scalar(select(ModelRecord).where(or_(ModelRecord.name == name, ModelRecord.id == name)))
    if row is None:
        raise NotFound(f"There is no model {name[:200]!r}; `tollhouse models list` shows them.", param="model")
    return row


def _aliases(names: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(dict.fromkeys(check_slug(name, "alias", 200) for name in names))
    except InvalidField as error:
        raise InvalidField(error.message, param="aliases") from None


def _check(session: Session, model: str, route: RouteTerms) -> None:
    for field, value, known in (("strategy", route.strategy, STRATEGIES), ("sticky", route.sticky, STICKY)):
        if value is not None and value not in known:
            raise InvalidField(f"{field}: it must be one of {', '.join(known)}.", param=field)
    for field in TIMEOUTS:
        seconds, option = getattr(route, field), field.replace("_", "-")
        if seconds is not None and not 0.05 <= seconds <= LONGEST_SECONDS:
            raise InvalidField(f"{option}: it must be from 0.05 to {LONGEST_SECONDS}.", param=field)
    check_terms(route.terms)
    names = set(session.scalars(select(ModelRecord.name)))
    _check_aliases(session, model, route.aliases, names)
    for option, fallbacks in (
        ("context-fallback", route.context_fallbacks),
        ("refusal-fallback", route.refusal_fallbacks),
    ):
        for name in fallbacks:
            if name not in names or name == model:
                field = f"{option.replace('-', '_')}s"
                raise InvalidField(f"{option}: there is no other model {name[:200]!r}.", param=field)


def _check_aliases(session: Session, model: str, aliases: Sequence[str], names: set[str]) -> None:
    if len(aliases) > MOST_ALIASES:
        raise InvalidField(f"alias: there may be {MOST_ALIASES} at most.", param="aliases")
    if aliases and model.endswith("*"):
        raise InvalidField("alias: a model whose name ends in * has none.", param="aliases")
    others = select(ModelRecord.name, RouteRecord.aliases).join(RouteRecord, RouteRecord.model_id == ModelRecord.id)
    taken = {alias for name, theirs in session.execute(others) if name != model for alias in theirs}
    for alias in aliases:
        if alias in names or alias in taken:
            raise Conflict(f"The name {alias!r} is taken; choose another alias.", param="aliases")


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
