"""What goes wrong reaches each SDK as its own class of error, and is tried again where the SDK does so."""

import time
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.e2e.sdks import Call, Sdk
from tests.running import RunningGateway
from tests.scripted_host.host import ScriptedHost

ASKED: list[Any] = [{"role": "user", "content": "Hello."}]
SDKS = {"openai": openai, "anthropic": anthropic}


@pytest.fixture(params=SDKS)
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["sync", "async"])
def sdk(request: pytest.FixtureRequest, running: RunningGateway, vendor: str) -> Sdk:
    return Sdk(running, vendor, asynchronous=request.param == "async")


@pytest.fixture
def failing(scripted: ScriptedHost) -> Iterator[ScriptedHost]:
    yield scripted
    scripted.failures.clear()
    scripted.delay = 0.0


def saying(vendor: str, model: str, **fields: Any) -> Call:
    if vendor == "openai":
        return lambda client: client.chat.completions.create(model=model, messages=ASKED, **fields)
    return lambda client: client.messages.create(model=model, messages=ASKED, max_tokens=100, **fields)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "BadRequestError"),
        (404, "NotFoundError"),
        (422, "UnprocessableEntityError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (503, "InternalServerError"),
    ],
)
def test_what_the_host_answers_is_the_sdks_own_error(
    sdk: Sdk, vendor: str, model: str, failing: ScriptedHost, status: int, kind: str, streamed: bool
) -> None:
    failing.failures.append((status, {}))
    ask = sdk.events if streamed else sdk.result
    with pytest.raises(SDKS[vendor].APIStatusError, match="It fails, as told") as failed:
        ask(saying(vendor, model, stream=streamed))
    assert isinstance(failed.value, getattr(SDKS[vendor], kind))
    # A busy host is one thing in the one dialect, and another in the other.
    assert failed.value.status_code in ((503, 529) if status == 503 else (status,))
    assert failed.value.request_id.startswith("req_")
    assert failed.value.body


def test_a_host_that_does_not_know_our_credential_is_not_the_callers_fault(
    sdk: Sdk, vendor: str, model: str, failing: ScriptedHost
) -> None:
    failing.failures.append((401, {}))
    with pytest.raises(SDKS[vendor].InternalServerError, match="providers check"):
        sdk.result(saying(vendor, model))


def test_bad_requests_name_the_field(running: RunningGateway, sdk: Sdk, vendor: str, model: str) -> None:
    asked = [{"role": "boss", "content": "Hello."}]
    with pytest.raises(SDKS[vendor].BadRequestError) as refused:
        sdk.result(
            lambda client: (
                client.chat.completions.create(model=model, messages=asked)
                if vendor == "openai"
                else client.messages.create(model=model, messages=asked, max_tokens=5)
            )
        )
    assert "messages[0].role" in refused.value.message


def test_a_model_that_is_not_there_and_a_key_that_is_wrong(running: RunningGateway, sdk: Sdk, vendor: str) -> None:
    with pytest.raises(SDKS[vendor].NotFoundError):
        sdk.result(saying(vendor, "scripted-chit"))
    stranger = Sdk(running, vendor, asynchronous=sdk.asynchronous, key="sk-th-no")
    with pytest.raises(SDKS[vendor].AuthenticationError):
        stranger.result(saying(vendor, "echo"))


def test_the_sdk_tries_again_as_often_as_it_was_told(sdk: Sdk, vendor: str, model: str, failing: ScriptedHost) -> None:
    failing.failures += [(429, {"retry-after": "1"}), (503, {})]
    asked = len(failing.asked)
    began = time.monotonic()
    answer = sdk.result(saying(vendor, model), max_retries=2)
    assert answer.id
    assert len(failing.asked) == asked + 3
    assert time.monotonic() - began >= 0.9, "the host's wish is passed on, and kept"


def test_the_sdk_does_not_try_again_what_it_was_told_not_to(
    sdk: Sdk, vendor: str, model: str, failing: ScriptedHost
) -> None:
    failing.failures += [(503, {})]
    asked = len(failing.asked)
    with pytest.raises(SDKS[vendor].InternalServerError):
        sdk.result(saying(vendor, model), max_retries=0)
    assert len(failing.asked) == asked + 1


def test_the_sdks_time_out_ends_the_call(sdk: Sdk, vendor: str, model: str, failing: ScriptedHost) -> None:
    failing.delay = 2.0
    began = time.monotonic()
    with pytest.raises(SDKS[vendor].APITimeoutError):
        sdk.result(saying(vendor, model), timeout=0.5)
    assert time.monotonic() - began < 2
    failing.delay = 0.0
    assert sdk.result(saying(vendor, model)).id
