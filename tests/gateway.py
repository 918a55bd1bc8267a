"""The gateway's application in this process, with a home of its own and the echo provider."""

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from tests.ledgers import booked
from tollhouse.services.models.models import NewModel
from tollhouse.settings import Settings, load
from tollhouse.store.records import LedgerRecord
from tollhouse.web.create_app import create_app
from tollhouse.wiring import Services, prepare

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
EMBEDDINGS = "/v1/embeddings"


def settings_for(home: Path, **changes: Any) -> Settings:
    """Settings that owe nothing to this machine's environment. What fails is tried once, where a test says no more."""
    settings = load({"HOME": str(home), "TOLLHOUSE_HOME": str(home)}, home / ".env")
    return replace(settings, **{"retries": 0, "breaker_failures": 0, **changes})


class Gateway:
    """One application and a key for it. Close it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.key = prepare(settings).first_key or ""
        self.app: Flask = create_app(settings)
        self.services: Services = self.app.extensions["tollhouse"]

    def post(
        self, path: str, body: Any, *, key: str | None = None, headers: Mapping[str, str] | None = None
    ) -> TestResponse:
        """Send and read to the end; the call is settled when this returns."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"authorization": f"Bearer {self.key if key is None else key}", **(headers or {})}
        response = self.app.test_client().post(path, data=data, headers=sent)
        response.get_data()
        response.close()
        return response

    def chat(self, text: str = "hello big world", model: str = "echo", **fields: Any) -> TestResponse:
        return self.post(CHAT, {"model": model, "messages": [{"role": "user", "content": text}], **fields})

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.app.test_client().get(path, headers={"authorization": f"Bearer {self.key}", **headers})

    def key_id(self) -> str:
        return self.services.keys.all()[0].id

    def add_echo(self, name: str, options: str, **fields: Any) -> None:
        """A model of an echo provider that behaves as its options say; effective at once."""
        self.services.providers.add(name, "echo", f"echo:?{options}")
        given = {"input_price": 1_000_000_000, "output_price": 2_000_000_000, "context_window": 10_000, **fields}
        self.services.models.add(NewModel(name, name, "echo", **given))
        self.services.serve().catalogue.refresh()

    def rows(self, expected: int = 1) -> list[LedgerRecord]:
        """The ledger, once it has so many rows and nothing is held."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            rows = booked(self.services.database)
            if len(rows) >= expected and not self.services.serve().ledger.unwritten:
                return rows
            time.sleep(0.01)
        raise AssertionError(f"the ledger has {len(rows)} rows, not {expected}")

    def close(self) -> None:
        self.services.close()
