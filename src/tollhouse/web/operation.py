"""What every operation of the management API is: who asks, what they send, what they get, and its documentation."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import partial, wraps
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import aniso8601
from flask import Response, request
from flask_restx import Namespace

from tollhouse.domain.actor import Actor, Person
from tollhouse.domain.errors import Changed, InvalidField, NotFound
from tollhouse.domain.money import nanos_from_usd
from tollhouse.domain.page import Page
from tollhouse.web import idempotency, tokens
from tollhouse.web.gate import services
from tollhouse.web.operation_document import describe
from tollhouse.web.validation import read_body, read_query
from tollhouse.wire import json_text

Document = dict[str, Any]
T = TypeVar("T")

MAKING = (201, 202)
"""Statuses of what makes something."""
CHANGING = ("POST", "PUT", "PATCH", "DELETE")
_BY_ITSELF = ("last_used_at", "spent_usd", "held_usd", "starts_at", "failures", "failing_since")
NOT_OF_THE_STATE = (*_BY_ITSELF, "key", "signing_secret")
"""What changes by itself, or is shown once: an ETag does not tell of it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request once it was checked. An operation that is open to all has nobody in `signed_in`."""

    signed_in: tokens.SignedIn | None
    body: Mapping[str, Any]
    query: Mapping[str, Any]

    @property
    def by(self) -> Actor:
        """Who asks: hand it to the service."""
        return self._known.actor

    @property
    def person(self) -> Person:
        return self._known.person

    @property
    def family_id(self) -> str:
        """What the access token is of."""
        return self._known.family_id

    @property
    def page(self) -> tuple[int, str | None]:
        """`limit` and `after` of the query."""
        return self.query["limit"], self.query.get("after")

    @property
    def address(self) -> str:
        return request.remote_addr or ""

    def moment(self, field: str, place: ZoneInfo | None = None) -> datetime | None:
        """A field of the body or the query that is an ISO 8601 moment; `place` is where one is that does not say it.
        InvalidField names the field.
        """
        text: str | None = self.body.get(field)
        if text is None and field in self.query:
            text = self.query[field].replace(" ", "+")  # as which a plus sign arrives that nobody encoded
        return None if text is None else moment_from(text, field, place)

    def amount(self, field: str) -> int | None:
        """A field of the body or the query that is US dollars as a decimal string, in nano-dollars. InvalidField names
        it.
        """
        return amount_from(self.body.get(field, self.query.get(field)), field)

    @property
    def _known(self) -> tokens.SignedIn:
        if self.signed_in is None:
            raise AssertionError("this operation is open to all")
        return self.signed_in


def operation(
    namespace: Namespace,
    id: str,
    answer: str | None = None,
    *,
    body: str | None = None,
    query: str | None = None,
    many: bool = False,
    tagged: bool = False,
    status: int = 200,
    public: bool = False,
    once: bool | None = None,
    or_cookie: bool = False,
    errors: Sequence[int] = (),
) -> Callable[[Callable[..., Document | Response | None]], Callable[..., Response]]:
    """Make a method of a Resource an operation, called with what was `Asked` before the parts of its path.

    It returns a document after the schema `answer` (`many`: a page of such; None: 204). `body` and `query` name closed
    schemas, `errors` the statuses that are its own. With `tagged`, answers have an ETag; a method that changes
    something hands `unless_changed` to its service. `once` says that it honours an Idempotency-Key: what makes
    something (201, 202) does. `or_cookie`: a refresh token in a cookie will do for who it is. Its docstring's first
    line is the summary.
    """
    repeatable = status in MAKING and not public if once is None else once

    def decorate(view: Callable[..., Document | Response | None]) -> Callable[..., Response]:
        @wraps(view)
        def run(self: Any, **path: str) -> Response:
            # Who it is comes first: nobody else is told what a body must be.
            signed_in = None if public else tokens.signed_in(or_cookie=or_cookie)
            if any("\0" in part for part in path.values()):
                raise NotFound("There is nothing with such an id.")  # which no database can be asked for
            asked = Asked(signed_in, read_body(body) if body else {}, read_query(query) if query else {})
            if repeatable and idempotency.is_asked():
                work = partial(_made, view, self, asked, **path)
                document, again = idempotency.once(asked.by.id, asked.body, status, work)
                response = _respond(document, status, tagged=tagged)
                if again:
                    response.headers["idempotency-replayed"] = "true"
            else:
                response = _respond(view(self, asked, **path), status, tagged=tagged)
            if request.method in CHANGING:
                services().serve().catalogue.hurry(-1)
            return response

        describe(namespace, run, id, answer, body, query, many, tagged, status, public, repeatable, errors)
        return run

    return decorate


def shown(value: Any, *left_out: str) -> Document:
    """A dataclass as JSON: moments in ISO 8601, tuples as lists; `key` where there is one alone."""
    document = {one.name: _plain(getattr(value, one.name)) for one in fields(value) if one.name not in left_out}
    if document.get("key", "") is None:
        del document["key"]
    return document


def shown_page(page: Page[T], show: Callable[[T], Document] = shown) -> Document:
    """A page of a list, and where the next one begins."""
    return {"data": [show(item) for item in page.items], "next": page.next}


def unless_changed(show: Callable[[T], Document] = shown) -> Callable[[T], None] | None:
    """What a service calls with the thing inside the transaction that changes it; None where nothing was asked.

    It raises Changed where the thing is not what `If-Match` says.
    """
    if not request.if_match and "if-match" not in request.headers:
        return None
    wanted = request.if_match

    def check(value: T) -> None:
        if not wanted.contains(_tag(show(value))):
            raise Changed("This was changed since you read it: read it again, then decide.", param="If-Match")

    return check


def amount_from(text: str | None, field: str) -> int | None:
    """US dollars as a decimal string, in nano-dollars. InvalidField names the field."""
    try:
        return None if text is None else nanos_from_usd(text)
    except ValueError as error:
        raise InvalidField(f"{field}: {error}.", param=field) from None


def moment_from(text: str, field: str, place: ZoneInfo | None = None) -> datetime:
    """An ISO 8601 moment with its offset, or a date, which begins in UTC; where `place` is given, dates begin there,
    and no moment needs an offset. InvalidField names the field.
    """
    try:
        if "T" in text:
            moment: datetime = aniso8601.parse_datetime(text)
        else:
            day = aniso8601.parse_date(text)
            moment = datetime(day.year, day.month, day.day, tzinfo=place or UTC)
        if moment.tzinfo is None and place is not None:
            moment = moment.replace(tzinfo=place)
        if moment.tzinfo is None or not 1970 <= moment.year <= 9998:
            raise ValueError
        return moment.astimezone(UTC)
    except (ValueError, NotImplementedError, OverflowError):
        raise InvalidField(
            f"{field}: this must be a moment such as 2030-12-31T18:00:00Z or 2030-12-31T18:00:00+01:00.", param=field
        ) from None


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return list(value) if isinstance(value, (tuple, frozenset)) else value


def _made(view: Callable[..., Document | Response | None], self: Any, asked: Asked, **path: str) -> Document:
    made = view(self, asked, **path)
    assert not isinstance(made, Response)  # noqa: S101 - only documents are kept for who comes again
    return made or {}


def _tag(document: Document) -> str:
    state = {name: value for name, value in document.items() if name not in NOT_OF_THE_STATE}
    return hashlib.sha256(json_text.write(state)).hexdigest()[:32]


def _respond(document: Document | Response | None, status: int, *, tagged: bool) -> Response:
    """For one caller alone: no cache may keep it."""
    if isinstance(document, Response):
        response = document
    elif document is None:
        response = Response(status=204)
        del response.headers["content-type"]  # of nothing
    else:
        response = Response(json_text.write(document), status, content_type="application/json")
        if tagged:
            response.set_etag(_tag(document))
            if request.method == "GET" and request.if_none_match.contains(_tag(document)):
                response = Response(status=304, headers={"etag": response.headers["etag"]})
    response.headers["cache-control"] = "no-store"
    return response
