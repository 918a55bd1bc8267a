"""Pages of a list, as OpenAI's clients turn them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tollhouse.domain.errors import InvalidField

MOST = 100


@dataclass(frozen=True, slots=True)
class Page:
    """`after` is the id of the last item that the caller has; None for the first page."""

    limit: int = 20
    ascending: bool = False
    after: str | None = None

    QUERY: ClassVar[Mapping[str, str]] = {
        "limit": f"the most items that come, 1 to {MOST}; 20 where nothing is said",
        "order": "`asc`, or `desc`, the newest first, where nothing is said",
        "after": "the id of the last item that the caller has",
    }

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Page":
        """InvalidField names the part of the query that is wrong."""
        limit, order = query.get("limit", "20"), query.get("order", "desc")
        if not (limit.isascii() and limit.isdigit() and len(limit) < 4 and 1 <= int(limit) <= MOST):
            raise InvalidField(f"limit: a whole number from 1 to {MOST} is required.", param="limit")
        if order not in ("asc", "desc"):
            raise InvalidField("order: one of asc and desc is required.", param="order")
        return cls(int(limit), order == "asc", query.get("after") or None)

    def of(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The page of a whole list, which is oldest first."""
        ordered = list(items if self.ascending else reversed(items))
        start = 0
        if self.after:
            ids = [item["id"] for item in ordered]
            if self.after not in ids:
                raise no_such_item(self.after)
            start = ids.index(self.after) + 1
        return shown(ordered[start : start + self.limit], more=len(ordered) > start + self.limit)


def shown(items: Sequence[Mapping[str, Any]], *, more: bool) -> dict[str, Any]:
    """A page as OpenAI writes it."""
    ends = {"first_id": items[0]["id"], "last_id": items[-1]["id"]} if items else {"first_id": None, "last_id": None}
    return {"object": "list", "data": list(items), **ends, "has_more": more}


def no_such_item(name: str) -> InvalidField:
    """For whoever finds that a list has no such item to go on after."""
    return InvalidField(f"after: there is no item {name[:100]!r} in this list.", param="after")
