"""A host whose answer a test writes down byte by byte, behind the whole pipeline and in front of no network."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.gateway import Gateway
from tollhouse.domain.errors import UpstreamError
from tollhouse.domain.ports import Exchange, Outgoing
from tollhouse.domain.routes import Target
from tollhouse.services.models.models import NewModel

JSON = "application/json"
EVENTS = "text/event-stream"
PRESETS = {"chat": "openai", "embeddings": "openai", "messages": "anthropic", "responses": "vllm"}


class Canned:
    """An exchange that gives these pieces, and raises those that are errors."""

    def __init__(self, status: int, content_type: str, pieces: tuple[bytes | UpstreamError, ...]) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {"content-type": content_type}
        self.returned: Mapping[str, str] = {}
        self.closed = False
        self._pieces = list(pieces)

    def read(self) -> bytes:
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, UpstreamError):
            raise piece
        return piece

    def close(self) -> None:
        self.closed = True


class CannedHost:
    """The model `canned`, at a host of the name `acme` that speaks one format; `asked` is what came to it."""

    def __init__(self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, format: str) -> None:
        self.asked: list[bytes] = []
        self.exchanges: list[Canned] = []
        self._answer: tuple[int, str, tuple[bytes | UpstreamError, ...]] = (200, JSON, ())
        gateway.services.providers.add("acme", PRESETS[format], "https://acme.example/v1")
        prices: dict[str, Any] = {"input_price": 10**9, "output_price": 10**9, "context_window": 10_000}
        gateway.services.models.add(NewModel("canned", "acme", "canned", **prices))
        gateway.services.serve().catalogue.refresh()
        monkeypatch.setattr(gateway.services._upstreams, "open", self._open)

    def says(self, *pieces: bytes | UpstreamError, status: int = 200, content_type: str = JSON) -> None:
        """What is answered from now on."""
        self._answer = (status, content_type, pieces)

    def _open(self, target: Target, outgoing: Outgoing) -> Exchange:
        assert target.upstream_model == "canned"
        self.asked.append(outgoing.body)
        self.exchanges.append(Canned(*self._answer))
        return self.exchanges[-1]
