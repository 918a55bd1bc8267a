"""A part of a list."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

LONGEST_PAGE = 200


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of a list in the order of its ids. `next` is what to ask `after` for more; None where there is no more."""

    items: Sequence[T]
    next: str | None = None


def page_of(rows: Sequence[T], limit: int, id_of: Callable[[T], str]) -> Page[T]:
    """The page of `limit` rows, where one more was asked for to see whether there is one."""
    return Page(rows[:limit], id_of(rows[limit - 1]) if len(rows) > limit else None)


def every(ask: Callable[[int, str | None], Page[T]]) -> Iterator[T]:
    """All of a list that is read page by page; `ask` is given the limit and what to ask after."""
    page = ask(LONGEST_PAGE, None)
    yield from page.items
    while page.next is not None:
        page = ask(LONGEST_PAGE, page.next)
        yield from page.items
