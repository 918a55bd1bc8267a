"""LiteLLM's proxy: one worker, no database, so neither budgets nor a ledger; a master key is checked."""

from bench import peers
from bench.contestants import Contestant, Surroundings
from bench.conversation import MODEL
from bench.nginx import answers
from bench.processes import Child, free_port

MASTER_KEY = "sk-master-0123456789"

CONFIG = """
model_list:
  - model_name: {model}
    litellm_params:
      model: openai/{model}
      api_base: http://127.0.0.1:{port}/v1
      api_key: sk-upstream-0123456789
general_settings:
  master_key: {key}
litellm_settings:
  telemetry: false
"""

SETTINGS = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # from its package, not from the internet
    "LITELLM_TELEMETRY": "False",
    "LITELLM_MODE": "PRODUCTION",  # reads no .env
}


class LiteLLM:
    def __init__(self, given: Surroundings) -> None:
        program = peers.litellm()
        self.label = f"LiteLLM proxy {peers.litellm_version()}"
        self.port = free_port()
        self.headers = {"Authorization": f"Bearer {MASTER_KEY}"}
        self.databases = ()
        folder = given.folder / "litellm"
        folder.mkdir()
        config = folder / "config.yaml"
        config.write_text(CONFIG.format(model=MODEL, port=given.upstream_port, key=MASTER_KEY), encoding="utf-8")
        options = ["--config", config, "--host", "127.0.0.1", "--port", self.port, "--num_workers", "1"]
        self.child = Child("litellm", [program, *options, "--telemetry", "False"], folder, SETTINGS)
        self.child.wait_until(lambda: answers(self.port, "/health/liveliness"), "answer")

    def audit(self, calls: int) -> None:
        """It keeps no account without a database."""

    def stop(self) -> None:
        self.child.stop()


def start(given: Surroundings) -> Contestant:
    return LiteLLM(given)
