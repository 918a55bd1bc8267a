import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from anthropic import Anthropic
from openai import OpenAI

from tests.e2e.sdks import Sdk
from tests.running import RunningGateway
from tests.scripted_host.host import CHAT, MESSAGES, ScriptedHost


@pytest.fixture(scope="session")
def running() -> Iterator[RunningGateway]:
    """One gateway for all end-to-end tests that leave it as they found it."""
    with tempfile.TemporaryDirectory(prefix="tollhouse-e2e-", ignore_cleanup_errors=True) as folder:
        gateway = RunningGateway(
            Path(folder) / "home", TOLLHOUSE_WEB_PROCESSES="2", TOLLHOUSE_STALLED_CLIENT_SECONDS="2"
        )
        yield gateway
        gateway.stop()


@pytest.fixture
def openai(running: RunningGateway) -> OpenAI:
    return running.openai()


@pytest.fixture
def anthropic(running: RunningGateway) -> Anthropic:
    return running.anthropic()


@pytest.fixture(scope="session")
def scripted(running: RunningGateway) -> Iterator[ScriptedHost]:
    """A host of both formats, whose model calls tools and answers from what they say."""
    host = ScriptedHost()
    host.introduce(running)
    yield host
    host.close()


@pytest.fixture(params=[CHAT, MESSAGES])
def model(request: pytest.FixtureRequest, scripted: ScriptedHost) -> str:
    """Its model, by a host that speaks the SDK's own format, and by one of the other."""
    return str(request.param)


@pytest.fixture(params=["sync", "async"])
def openai_sdk(request: pytest.FixtureRequest, running: RunningGateway) -> Sdk:
    return Sdk(running, "openai", asynchronous=request.param == "async")


@pytest.fixture(params=["sync", "async"])
def anthropic_sdk(request: pytest.FixtureRequest, running: RunningGateway) -> Sdk:
    return Sdk(running, "anthropic", asynchronous=request.param == "async")
