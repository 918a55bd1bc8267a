"""The gateway's application in this process, with a home of its own and the echo provider."""

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
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


READ_BY_FIRST_START = (
    "database_url",
    "secret_key",
    "admin_email",
    "admin_password",
    "openai_api_key",
    "anthropic_api_key",
)
"""Settings without which every first start leaves the same in its home, but for what is random."""


def given_home(settings: Settings) -> str:
    """Put what a first start makes into a home that is empty: to make it anew takes longer than most tests.

    The key that was shown then; "" where nothing was put, as the settings or the home say otherwise.
    """
    plain = settings_for(settings.home)
    if any(getattr(settings, name) != getattr(plain, name) for name in READ_BY_FIRST_START):
        return ""
    if settings.home.exists() and any(settings.home.iterdir()):
        return ""
    files, key = _first_start()
    settings.home.mkdir(0o700, parents=True, exist_ok=True)
    for name, content in files.items():
        (settings.home / name).touch(0o600)
        (settings.home / name).write_bytes(content)
    return key


@cache
def _first_start() -> tuple[Mapping[str, bytes], str]:
    with tempfile.TemporaryDirectory(prefix="tollhouse-") as folder:
        home = Path(folder) / "home"
        key = prepare(settings_for(home)).first_key or ""
        return {path.name: path.read_bytes() for path in home.iterdir() if path.is_file()}, key


class Gateway:
    """One application and a key for it. Close it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        key = given_home(settings)
        self.key = prepare(settings).first_key or key
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
