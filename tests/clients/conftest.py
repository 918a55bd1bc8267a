"""A gateway as a user runs it, the scripted host behind it in both formats, keys with a hard budget and without."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.running import RunningGateway
from tests.scripted_host.host import CHAT, MESSAGES, ScriptedHost

LOCAL = "smollm2-135m"


@dataclass(frozen=True)
class Upstream:
    """What a client is told: a base URL, a key, the name of a model."""

    url: str
    key: str
    model: str
    host: ScriptedHost

    @property
    def openai_url(self) -> str:
        return f"{self.url}/v1"


@pytest.fixture(scope="session")
def running() -> Iterator[RunningGateway]:
    with tempfile.TemporaryDirectory(prefix="tollhouse-clients-", ignore_cleanup_errors=True) as folder:
        gateway = RunningGateway(Path(folder) / "home", TOLLHOUSE_WEB_PROCESSES="1")
        yield gateway
        gateway.stop()


@pytest.fixture(scope="session")
def host(running: RunningGateway) -> Iterator[ScriptedHost]:
    host = ScriptedHost()
    host.introduce(running)
    yield host
    host.close()


@pytest.fixture(scope="session")
def budgeted_key(running: RunningGateway, host: ScriptedHost) -> str:
    key = running.json("keys", "create", "--name", "budgeted")
    running.command("budgets", "set", "--key", key["id"], "--usd", "100", "--period", "day")
    return str(key["key"])


@pytest.fixture(params=["free", "budgeted"])
def key(request: pytest.FixtureRequest, running: RunningGateway, budgeted_key: str) -> str:
    return budgeted_key if request.param == "budgeted" else running.key


@pytest.fixture(params=[CHAT, MESSAGES])
def upstream(request: pytest.FixtureRequest, running: RunningGateway, host: ScriptedHost, key: str) -> Upstream:
    return Upstream(running.url, key, request.param, host)


@pytest.fixture
def local(running: RunningGateway) -> Upstream:
    """The small real model. There is no telling what it says."""
    return Upstream(running.url, running.key, LOCAL, ScriptedHost())


@pytest.fixture(autouse=True)
def no_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    """No client asks its maker's servers, nor takes a key from this machine."""
    for name in [name for name in os.environ if name.startswith(("OPENAI_", "ANTHROPIC_"))]:
        monkeypatch.delenv(name)
