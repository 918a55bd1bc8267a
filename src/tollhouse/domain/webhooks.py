"""Events that webhooks are told of, and how a delivery goes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

EVENT_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "response.completed": "A response in the background is complete.",
        "response.incomplete": "A response in the background ended before it was complete.",
        "response.failed": "A response in the background failed.",
        "response.cancelled": "A response in the background was cancelled.",
        "batch.completed": "A batch has its results.",
        "batch.failed": "A batch was refused, or stopped.",
        "batch.expired": "A batch's window was over before all of it was called.",
        "batch.cancelled": "A batch was cancelled.",
        "budget.alert": "50, 80 or 100 % of a budget are spent.",
        "key.created": "An API key was made.",
        "key.rotated": "An API key has a new secret.",
        "key.revoked": "An API key was ended.",
        "key.expiring": "An API key ends within a week.",
        "provider.down": "A provider does not answer, or failed so often that it rests; once an hour.",
        "provider.credential_refused": "A provider refuses its credential; once an hour.",
        "webhook.disabled": "Another webhook was disabled, as nothing arrived there.",
    }
)
"""Those of responses and batches have the names and shapes of OpenAI's."""
TEST_EVENT = "webhook.test"
"""Comes when it is asked for, whatever a webhook hears of."""
EVERY = "*"
"""In a list of event types: all, also those that come to be."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, in a team or, where `team_id` is None, to the organisation. Whoever may come to tell the
    same thing twice gives it an `id`: it is told once.
    """

    type: str
    team_id: str | None
    data: Mapping[str, Any]
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receiver answered: a status, and how many seconds it asks to wait before the next attempt."""

    status: int
    retry_after: float | None = None


def hears(event_types: list[str], event_type: str) -> bool:
    """Whether a webhook with this list is told of the event."""
    return event_type in event_types or EVERY in event_types or event_type == TEST_EVENT


def same_id(*parts: str) -> str:
    """The id of an event that is told once, whoever comes to tell it: made of what makes it that event."""
    return f"evt_{hashlib.sha256(repr(parts).encode()).hexdigest()[:26]}"
