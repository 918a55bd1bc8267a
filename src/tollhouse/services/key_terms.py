"""What a key may be limited to: models, paths, networks; and the tags of its calls."""

import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network
from typing import Any, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.errors import InvalidField
from tollhouse.domain.principal import Priority
from tollhouse.services.naming import check_slug
from tollhouse.store.records import ModelRecord

PRIORITIES: tuple[str, ...] = get_args(Priority)
MOST_ENTRIES = 100
MOST_TAGS = 20
LONGEST_TAG = 64
_PATH = re.compile(r"/v1(/[a-z0-9_-]+)*\Z")


def checked_priority(priority: str | None) -> str:
    """As it is kept; None is the first of them. InvalidField."""
    if priority is not None and priority not in PRIORITIES:
        raise InvalidField(f"priority: it must be one of {', '.join(PRIORITIES)}.", param="priority")
    return priority or PRIORITIES[0]


def checked_terms(session: Session, given: Mapping[str, Any]) -> dict[str, list[str] | None]:
    """Those of models, paths, networks and tags that are given, as they are kept. InvalidField names the field."""
    checks: dict[str, Callable[[Sequence[str]], Sequence[str]]] = {
        "models": lambda names: _models(session, names),
        "paths": lambda names: [_path(name) for name in names],
        "networks": lambda names: [_network(name) for name in names],
        "tags": lambda names: [check_slug(name, "tags", LONGEST_TAG) for name in names],
    }
    terms = {}
    for field, check in checks.items():
        if field not in given:
            continue
        names: Sequence[str] = given[field] or ()
        most = MOST_TAGS if field == "tags" else MOST_ENTRIES
        if len(names) > most:
            raise InvalidField(f"{field}: there may be {most} at most.", param=field)
        terms[field] = sorted(set(check(names))) or None
    return terms


def _models(session: Session, names: Sequence[str]) -> Sequence[str]:
    known = set(session.scalars(select(ModelRecord.name).where(ModelRecord.name.in_(names)))) if names else set()
    for name in names:
        if name not in known:
            raise InvalidField(
                f"model: there is no model {name[:60]!r}; `tollhouse models list` shows them.", param="model"
            )
    return names


def _path(name: str) -> str:
    if not _PATH.match(name):
        raise InvalidField(f"paths: {name[:60]!r} is not a path such as /v1/embeddings.", param="paths")
    return name


def _network(name: str) -> str:
    try:
        return str(ip_network(name.strip()))
    except ValueError:
        raise InvalidField(
            f"networks: {name[:60]!r} is not a network such as 192.0.2.0/24 or 2001:db8::/32.", param="networks"
        ) from None
