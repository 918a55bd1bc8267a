"""What budgets and limits are set on, as bodies and queries say it: `scope` and `scope_id`."""

from collections.abc import Mapping
from typing import Any

from tollhouse.domain.errors import InvalidField
from tollhouse.domain.principal import ORGANISATION, Scope
from tollhouse.services.money.scopes import Filter


def scope_of(body: Mapping[str, Any]) -> Scope:
    """The scope that a body names. The organisation, of which there is one, needs no id. InvalidField."""
    kind, id = body["scope"], body.get("scope_id")
    if kind == ORGANISATION[0]:
        if id not in (None, ORGANISATION[1]):
            raise InvalidField(f"scope_id: that of the organisation is {ORGANISATION[1]!r}.", param="scope_id")
        return ORGANISATION
    if id is None:
        raise InvalidField("scope_id: this field is required.", param="scope_id")
    return kind, id


def filter_of(query: Mapping[str, Any]) -> Filter:
    """What a query wants listed."""
    return Filter(query.get("scope"), query.get("scope_id"), query.get("team_id"))
