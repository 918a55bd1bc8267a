"""Settlements and entries as JSON: in the spool, and in the checkpoint of a hold."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from tollhouse.domain.ledger import Attempt, Entry, Settlement
from tollhouse.domain.money import Prices
from tollhouse.domain.usage import Usage


def write_settlement(settlement: Settlement) -> bytes:
    """One line of JSON, without its end."""
    return orjson.dumps(settlement)


def write_entries(entries: Mapping[str, Entry]) -> str:
    """One JSON document with an entry under each name."""
    return orjson.dumps(entries).decode()


def read_settlement(line: bytes) -> Settlement:
    """What `write_settlement` wrote. Raises ValueError, TypeError or KeyError for anything else."""
    document = orjson.loads(line)
    entry = document["entry"]
    return Settlement(document["hold_id"], read_entry(entry) if entry else None, tuple(document["windows"]))


def read_entry(document: dict[str, Any]) -> Entry:
    """An entry from its document."""
    attempt = {**document["attempt"], "started_at": datetime.fromisoformat(document["attempt"]["started_at"])}
    attempt["tags"] = tuple(attempt.get("tags", ()))
    prices = document["prices"]
    return Entry(
        **{
            **document,
            "attempt": Attempt(**attempt),
            "usage": Usage(**document["usage"]),
            "prices": Prices(**prices) if prices else None,
        }
    )
