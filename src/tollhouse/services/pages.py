"""Pages of a list, as the vendors' clients turn them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from tollhouse.domain.errors import InvalidField

MOST = 100
MOST_IDS = 1000
MOST_FILES = 10_000


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
        return cls(_limit(query, MOST), _ascending(query), query.get("after") or None)

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


@dataclass(frozen=True, slots=True)
class IdPage:
    """A page as Anthropic's clients ask for it: of the ids after one, or right before one."""

    limit: int = 20
    after: str | None = None
    before: str | None = None

    QUERY: ClassVar[Mapping[str, str]] = {
        "limit": f"of Anthropic's shape: the most items that come, 1 to {MOST_IDS}; 20 where nothing is said",
        "after_id": "of Anthropic's shape: the id of the last item that the caller has",
        "before_id": "of Anthropic's shape: the id of the first item that the caller has; what is before it comes",
    }

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "IdPage":
        """InvalidField names the part of the query that is wrong."""
        after, before = query.get("after_id") or None, query.get("before_id") or None
        if after and before:
            raise InvalidField("before_id: it cannot be said together with after_id.", param="before_id")
        return cls(_limit(query, MOST_IDS), after, before)

    def of(self, ids: Sequence[str]) -> tuple[Sequence[str], bool]:
        """Those on the page, and whether there are more in the direction in which the caller goes."""
        if self.before:
            end = _place(ids, self.before, "before_id")
            start = max(0, end - self.limit)
            return ids[start:end], start > 0
        start = _place(ids, self.after, "after_id") + 1 if self.after else 0
        return ids[start : start + self.limit], len(ids) > start + self.limit


@dataclass(frozen=True, slots=True)
class FilePage:
    """A page of files; `purpose` is None for those of any."""

    limit: int
    ascending: bool
    after: str | None
    purpose: str | None

    QUERY: ClassVar[Mapping[str, str]] = {
        "purpose": "only files that were uploaded for this",
        "limit": f"the most files that come, 1 to {MOST_FILES}, which is so where nothing is said",
        "order": "`asc`, or `desc`, the newest first, where nothing is said",
        "after": "the id of the last file that the caller has",
    }

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "FilePage":
        """InvalidField names the part of the query that is wrong."""
        limit = _limit(query, MOST_FILES, MOST_FILES)
        return cls(limit, _ascending(query), query.get("after") or None, query.get("purpose") or None)


def _limit(query: Mapping[str, str], most: int, usual: int = 20) -> int:
    limit = query.get("limit", str(usual))
    if not (limit.isascii() and limit.isdigit() and len(limit) <= len(str(most)) and 1 <= int(limit) <= most):
        raise InvalidField(f"limit: a whole number from 1 to {most} is required.", param="limit")
    return int(limit)


def _ascending(query: Mapping[str, str]) -> bool:
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise InvalidField("order: one of asc and desc is required.", param="order")
    return order == "asc"


def _place(ids: Sequence[str], name: str, param: str) -> int:
    if name not in ids:
        raise InvalidField(f"{param}: there is no item {name[:100]!r} in this list.", param=param)
    return ids.index(name)


def shown(items: Sequence[Mapping[str, Any]], *, more: bool) -> dict[str, Any]:
    """A page as OpenAI writes it."""
    ends = {"first_id": items[0]["id"], "last_id": items[-1]["id"]} if items else {"first_id": None, "last_id": None}
    return {"object": "list", "data": list(items), **ends, "has_more": more}


def no_such_item(name: str) -> InvalidField:
    """For whoever finds that a list has no such item to go on after."""
    return InvalidField(f"after: there is no item {name[:100]!r} in this list.", param="after")
