"""What `/openapi.json` says of one operation that the code does not say already. It stands beside the route."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tollhouse.domain.errors import TollhouseError

JSON = "application/json"
EVENTS = "text/event-stream"

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Operation:
    """`id` and `summary` are for people and for generated clients; `tag` is the group in which it is shown.

    `schema` is the name of a file in `wire/schemas/`; of a call, it is its format's unless another is named.
    `example` is a body that the echo model answers, None where nothing is sent, and `sent_as` its content type.
    `answer` is an example of what comes back, `answered_as` its content types; an event stream is added where the
    schema has `stream`. `path`, `query` and `headers` describe, by their names, what stands in the path, may stand
    after it, and comes back with this operation alone. `errors` are those beside what any request, and any call, has.
    """

    id: str
    summary: str
    tag: str
    schema: str | None = None
    example: Mapping[str, Any] | None = None
    answer: Any = None
    sent_as: str = JSON
    answered_as: tuple[str, ...] = (JSON,)
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[type[TollhouseError], ...] = ()
    description: str = ""


def described(**operations: Operation) -> Callable[[View], View]:
    """Describe a view by method: `@described(GET=Operation(…))`, or `described(POST=…)(InferenceView("chat"))`."""

    def describe(view: View) -> View:
        view.operations = operations  # type: ignore[attr-defined]
        return view

    return describe


def operations_of(view: object) -> Mapping[str, Operation]:
    """By method, what is said of a view; empty where nobody has described it."""
    found: Mapping[str, Operation] = getattr(view, "operations", {})
    return found
