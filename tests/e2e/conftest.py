import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from anthropic import Anthropic
from openai import OpenAI

from tests.running import RunningGateway


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
