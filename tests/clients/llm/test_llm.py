"""The llm command line stands for programs that are told of a host in their configuration: of an OpenAI-compatible one
by its base URL, of one that speaks Messages by the variables of Anthropic's SDK.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.clients.conftest import Upstream
from tests.running import RunningGateway
from tests.scripted_host.host import CHAT, MESSAGES, ScriptedHost

LLM = str(Path(sys.executable).parent / "llm")
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc000000301010018dd8d"
    "b00000000049454e44ae426082"
)
ALIASES = {CHAT: "claude-sonnet-4-5", MESSAGES: "claude-opus-4-8"}
TOOLS = """
def weather(city: str) -> str:
    "The weather in a city."
    return f"{city} is sunny"

def clock() -> str:
    "The time."
    return "noon"
"""


class CommandLine:
    """`llm` with a home of its own, in which the gateway's model is `gateway`, and `responses` in that format.

    The plugin for Messages knows the models of Anthropic alone, so the gateway's goes by one of their names.
    """

    def __init__(self, home: Path, upstream: Upstream) -> None:
        self.upstream = upstream
        self._home = home
        entry = f"""
- model_id: gateway
  model_name: {upstream.model}
  api_base: {upstream.openai_url}
  api_key_name: gateway
  supports_tools: true
  supports_schema: true
  vision: true
"""
        of_responses = entry.replace("model_id: gateway", "model_id: responses") + "  responses: true\n"
        (home / "extra-openai-models.yaml").write_text(entry + of_responses)
        (home / "keys.json").write_text(json.dumps({"gateway": upstream.key}))

    def __call__(self, *arguments: str) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._home),
            "LLM_USER_PATH": str(self._home),
            "LANG": "C.UTF-8",
            "ANTHROPIC_BASE_URL": self.upstream.url,
            "ANTHROPIC_API_KEY": self.upstream.key,
        }
        done = subprocess.run(
            [LLM, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def key(budgeted_key: str) -> str:
    """Each call starts a program, so that one of the two keys has to do."""
    return budgeted_key


@pytest.fixture(scope="session", autouse=True)
def aliases(running: RunningGateway, host: ScriptedHost) -> None:
    for provider, name in ALIASES.items():
        prices = ("--input-price", "1", "--output-price", "2", "--context-window", "200000")
        running.command("models", "add", name, "--provider", provider, "--upstream-model", provider, *prices)
    time.sleep(1.2)


@pytest.fixture(params=["gateway", "responses", "anthropic"])
def model(request: pytest.FixtureRequest, upstream: Upstream) -> str:
    return f"anthropic/{ALIASES[upstream.model]}" if request.param == "anthropic" else str(request.param)


@pytest.fixture
def llm(tmp_path: Path, upstream: Upstream) -> CommandLine:
    return CommandLine(tmp_path, upstream)


def test_text(llm: CommandLine, model: str) -> None:
    assert llm("-m", model, "-s", "Be brief.", "Grüße, ☃!") == "You said: Grüße, ☃!"


def test_text_of_the_local_model(tmp_path: Path, local: Upstream) -> None:
    assert CommandLine(tmp_path, local)("-m", "gateway", "-o", "max_tokens", "12", "Say hello.")


def test_a_conversation(llm: CommandLine, model: str) -> None:
    llm("-m", model, "one")
    assert llm("-c", "two") == "You said: two"
    assert "one" in str(llm.upstream.host.asked[-1]["messages"]), "what was said before is sent to the host"


@pytest.mark.parametrize("way", [(), ("--no-stream",)])
def test_a_tool_loop(llm: CommandLine, model: str, way: tuple[str, ...]) -> None:
    said = llm("-m", model, "--functions", TOOLS, "The weather and the time?", *way)
    assert said.endswith("The tools say: Paris is sunny; noon.")


def test_parallel_calls(llm: CommandLine, model: str) -> None:
    assert llm("-m", model, "--functions", TOOLS, "Both at once.").endswith("The tools say: Paris is sunny; noon.")


def test_a_schema(llm: CommandLine, model: str) -> None:
    assert json.loads(llm("-m", model, "--schema", "city, degrees int", "The weather?")) == {
        "city": "Paris",
        "degrees": 20,
    }


def test_an_image(llm: CommandLine, model: str, tmp_path: Path) -> None:
    image = tmp_path / "pixel.png"
    image.write_bytes(PIXEL)
    said = llm("-m", model, "What is this?", "-a", str(image))
    assert said == f"You sent image/png of {len(PIXEL)} bytes."
