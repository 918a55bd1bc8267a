"""Rows of the ledger by chance, and what they add up to by hand."""

import random
from collections.abc import Sequence
from datetime import datetime
from itertools import product
from zoneinfo import ZoneInfo

from tollhouse.domain.identifiers import new_id
from tollhouse.domain.tags import joined
from tollhouse.services.reports.usage_sums import UsageSums
from tollhouse.store.records import LedgerRecord

ENDS = [
    (200, "ok"),
    (200, "ok"),
    (502, "upstream_error"),
    (0, "upstream_error"),
    (0, "client_gone"),
    (0, "process_died"),
]
Name = tuple[str, ...]


def random_row(chance: random.Random, moment: datetime) -> LedgerRecord:
    status, outcome = chance.choice(ENDS)
    return LedgerRecord(
        id=new_id("led"),
        kind=chance.choice(["call", "call", "call", "adjustment"]),
        request_id=new_id("req"),
        attempt=1,
        booked_at=moment,
        started_at=moment,
        key_id=chance.choice("ab"),
        team_id=chance.choice("tu"),
        user_id=chance.choice([None, "v", "w"]),
        tags=joined(chance.choice([(), ("x",), ("x", "y")])),
        end_user=chance.choice([None, "e", "f"]),
        model=chance.choice("mno"),
        provider=chance.choice("pq"),
        upstream_model="m",
        format="chat",
        streamed=False,
        status=status,
        outcome=outcome,
        attempts=1,
        input_tokens=chance.randrange(1000),
        cache_read_tokens=chance.randrange(1000),
        cache_write_tokens=chance.randrange(1000),
        output_tokens=chance.randrange(1000),
        reasoning_tokens=0,
        estimated=False,
        cost=chance.choice([None, chance.randrange(-5, 10**12)]),
        saved=chance.choice([None, None, chance.randrange(10**12)]),
        latency_us=1,
    )


def by_hand(
    rows: list[LedgerRecord], groups: Sequence[str], since: datetime | None, until: datetime | None, timezone: str
) -> dict[Name, UsageSums]:
    sums: dict[Name, UsageSums] = {}
    for row in rows:
        if (since and row.booked_at < since) or (until and row.booked_at >= until):
            continue
        local = row.booked_at.astimezone(ZoneInfo(timezone))
        day = local.date().isoformat()
        failed = (row.status > 0 or row.outcome == "process_died") and row.outcome not in ("ok", "client_gone")
        names = {
            "key": [row.key_id],
            "user": [row.user_id or ""],
            "team": [row.team_id],
            "model": [row.model],
            "provider": [row.provider],
            "tag": row.tags.strip(",").split(","),
            "day": [day],
            "month": [day[:7]],
            "hour": [local.replace(minute=0, second=0, microsecond=0).isoformat()[:16] + local.isoformat()[-6:]],
            "end_user": [row.end_user or ""],
        }
        for name in product(*(names[group] for group in groups)):
            sums.setdefault(name, UsageSums()).add(
                [
                    int(row.kind == "call"),
                    row.input_tokens,
                    row.cache_read_tokens,
                    row.cache_write_tokens,
                    row.output_tokens,
                    row.cost or 0,
                    int(row.cost is None),
                    int(row.saved is not None),
                    row.saved or 0,
                    int(row.kind == "call" and failed),
                ]
            )
    return dict(sorted(sums.items()))
