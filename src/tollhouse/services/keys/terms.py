"""What a key may be limited to: models, paths, networks; and the tags of its calls."""

import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv6Network, ip_network
from typing import Any, get_args

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.errors import InvalidField
from tollhouse.domain.principal import Priority
from tollhouse.domain.tags import checked
from tollhouse.store.records import ModelRecord, RouteRecord

PRIORITIES: tuple[str, ...] = get_args(Priority)
MOST_ENTRIES = 100
_MAPPED = IPv6Network("::ffff:0:0/96")
"""Of IPv4, which callers are looked for under as IPv4: in here nobody would be found."""
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
        "tags": lambda names: checked(names, "tags"),
    }
    terms = {}
    for field, check in checks.items():
        if field not in given:
            continue
        names: Sequence[str] = given[field] or ()
        if len(names) > MOST_ENTRIES:
            raise InvalidField(f"{field}: there may be {MOST_ENTRIES} at most.", param=field)
        terms[field] = sorted(set(check(names))) or None
    return terms


def _models(session: Session, names: Sequence[str]) -> Sequence[str]:
    """Names of models, aliases, and what a star stands for: all that may be called."""
    if not names:
        return names
    known = set(session.scalars(select(ModelRecord.name)))
    stars = tuple(name.removesuffix("*") for name in known if name.endswith("*"))
    known.update(*session.scalars(select(RouteRecord.aliases)))
    for name in names:
        if name not in known and not (name.isprintable() and "*" not in name and name.startswith(stars)):
            raise InvalidField(
                f"models: there is no model {name[:60]!r}; `tollhouse models list` shows them.", param="models"
            )
    return names


def _path(name: str) -> str:
    if not _PATH.match(name):
        raise InvalidField(f"paths: {name[:60]!r} is not a path such as /v1/embeddings.", param="paths")
    return name


def _network(name: str) -> str:
    try:
        network = ip_network(name.strip())
        if network.version == 6 and ("%" in name or network.subnet_of(_MAPPED)):
            raise ValueError
        return str(network)
    except ValueError:
        raise InvalidField(
            f"networks: {name[:60]!r} is not a network such as 192.0.2.0/24 or 2001:db8::/32.", param="networks"
        ) from None
