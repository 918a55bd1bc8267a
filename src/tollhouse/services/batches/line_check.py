"""A line of a batch, checked as its call would be."""

from collections.abc import Set as AbstractSet
from typing import Any

from tollhouse.domain.call import Call
from tollhouse.domain.errors import TollhouseError
from tollhouse.domain.principal import Principal
from tollhouse.domain.routes import Catalogue, Route
from tollhouse.services.batches.lines import WAITING
from tollhouse.services.routing.routing import candidates, route_of
from tollhouse.services.routing.vitals import Watch
from tollhouse.wire.batch import ENDPOINTS, read_line


class LineCheck:
    """Of the lines of one batch: each is read as its call would be, its model looked up once."""

    def __init__(
        self, endpoint: str, principal: Principal, catalogue: Catalogue, before: AbstractSet[str | None] = frozenset()
    ) -> None:
        """`before` are the models of lines that were read before."""
        self._endpoint = endpoint
        self._models = before
        self._principal = principal
        self._catalogue = catalogue
        self._watch = Watch()
        self._routes: dict[str, Route] = {}

    @property
    def model(self) -> str | None:
        """The model of all lines, where it is one."""
        models = {*self._models, *self._routes}
        return models.pop() if len(models) == 1 else None

    def row(self, batch_id: str, number: int, start: int, text: bytes) -> dict[str, Any]:
        """The line's row. Raises TollhouseError."""
        custom_id, body, facts = read_line(text, self._endpoint)
        try:
            route = self._route(facts.model)
            candidates(route, self._principal, Call("", ENDPOINTS[self._endpoint], body, facts), self._watch)
        except TollhouseError as error:
            error.param = f"body.{error.param}"
            raise
        return {
            "batch_id": batch_id,
            "number": number,
            "custom_id": custom_id,
            "start": start,
            "size": len(text),
            "state": WAITING,
            "attempt": 0,
            "failures": 0,
            "deaths": 0,
        }

    def _route(self, model: str) -> Route:
        if model not in self._routes:
            self._routes[model] = route_of(self._catalogue, self._principal, model)
        return self._routes[model]
