"""Names of models that lead to others: fallbacks, aliases, by what a cache compares, and that they lead somewhere."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.errors import Conflict, InvalidField
from tollhouse.store.records import ModelRecord, RouteRecord


def check_no_loop(name: str, fallbacks: Mapping[str, Sequence[str]]) -> None:
    """No model may come back to itself. InvalidField shows the way round."""
    ways: list[tuple[str, ...]] = [(name,)]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        for following in fallbacks.get(way[-1], ()):
            if following == name:
                raise InvalidField(
                    f"fallback: it would go round in a loop: {' -> '.join((*way, name))}.", param="fallbacks"
                )
            if following not in seen:
                seen.add(following)
                ways.append((*way, following))


def check_name_is_free(session: Session, name: str) -> None:
    """Raises Conflict where a model has it, by its name or as an alias."""
    if session.scalar(select(ModelRecord.id).where(ModelRecord.name == name)):
        raise Conflict(f"There is a model {name!r} already; choose another name.", param="name")
    if any(name in aliases for aliases in session.scalars(select(RouteRecord.aliases))):
        raise Conflict(f"The name {name!r} is another model's alias; choose another name.", param="name")


def fallback_users(session: Session, name: str) -> list[str]:
    """The other models that fall back on the one of this name, for whatever reason."""
    users = {row.name for row in session.scalars(select(ModelRecord)) if name in row.fallbacks}
    routes = select(ModelRecord.name, RouteRecord).join(RouteRecord, RouteRecord.model_id == ModelRecord.id)
    users |= {
        model
        for model, route in session.execute(routes)
        if name in route.context_fallbacks or name in route.refusal_fallbacks
    }
    return sorted(users - {name})


def is_known(session: Session, name: str) -> bool:
    """Whether calls may ask for it: as a model, an alias, or what a star stands for."""
    names = session.scalars(select(ModelRecord.name)).all()
    if any(name == one or (one.endswith("*") and name.startswith(one[:-1])) for one in names):
        return True
    return any(name in aliases for aliases in session.scalars(select(RouteRecord.aliases)))


def embedding_users(session: Session, name: str) -> list[str]:
    """The other models whose cache compares questions by this one."""
    asked = select(ModelRecord.name).where(ModelRecord.cache_embedding_model == name, ModelRecord.name != name)
    return sorted(session.scalars(asked))
