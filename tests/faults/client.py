"""Callers of the gateway, over plain sockets, so that what ends a reply can be told apart."""

import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import count
from typing import Any, Self

MODEL = "scripted"
LEAST_BYTES, STEP_BYTES = 512, 256
"""A body's length tells its call apart: its tokens of input, told or estimated, lead back to the number."""

_numbers = count()


def number_anew() -> None:
    """Begin at 0 again: the higher its number, the longer a call's body."""
    global _numbers  # noqa: PLW0603 - who makes a Plan has no gateway at hand
    _numbers = count()


def size_of(number: int) -> int:
    return LEAST_BYTES + number * STEP_BYTES


def number_of(input_tokens: int) -> int:
    """The call with this input; an estimate is at most STEP_BYTES above the body's length."""
    return (input_tokens - LEAST_BYTES) // STEP_BYTES


@dataclass(frozen=True)
class Plan:
    """What the upstream is to do: `tokens` of output, one `every` so many seconds, after `silent` ones."""

    tokens: int = 3
    every: float = 0.0
    silent: float = 0.0
    number: int = field(default_factory=lambda: next(_numbers))

    @property
    def usage(self) -> dict[str, int]:
        prompt = size_of(self.number)
        return {"prompt_tokens": prompt, "completion_tokens": self.tokens, "total_tokens": prompt + self.tokens}

    @classmethod
    def read(cls, text: str) -> "Plan":
        return cls(**json.loads(text.strip()))

    def body(self, *, stream: bool) -> bytes:
        document: dict[str, Any] = {"model": MODEL, "stream": stream, "messages": [{"role": "user", "content": ""}]}
        content = json.dumps(asdict(self))
        document["messages"][0]["content"] = content
        padding = size_of(self.number) - len(json.dumps(document))
        document["messages"][0]["content"] = content + " " * padding
        return json.dumps(document).encode()


@dataclass
class Answer:
    """How one call went."""

    plan: Plan
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: Exception | None = None
    """What broke the connection, if anything did."""
    seconds: float = 0.0

    @property
    def whole(self) -> bool:
        """A good answer that said by itself that it was at its end."""
        return self.status == 200 and self.error is None and (b"[DONE]" in self.body or b'"usage"' in self.body)

    @property
    def looks_whole(self) -> bool:
        """Whether a client that trusts HTTP would take it for all there is."""
        return self.status == 200 and self.error is None and b'"error"' not in self.body

    @property
    def refused_well(self) -> bool:
        """503, with when to try again, and no later than promised."""
        return self.status == 503 and float(self.headers.get("retry-after", 0)) >= 1 and self.seconds <= 2.5


class Client:
    """Makes calls with one key, each over a connection of its own."""

    def __init__(self, port: int, key: str) -> None:
        self.port, self.key = port, key

    def connect(self, timeout: float = 60) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def call(self, plan: Plan | None = None, *, stream: bool = False, answer: Answer | None = None) -> Answer:
        answer = answer or Answer(plan or Plan())
        connection, began = self.connect(), time.monotonic()
        try:
            send(connection, self.key, answer.plan, stream=stream)
            response = connection.getresponse()
            answer.status = response.status
            answer.headers = {name.lower(): value for name, value in response.getheaders()}
            while piece := response.read1(65_536):
                answer.body += piece
        except (OSError, HTTPException) as error:
            answer.error = error
        finally:
            answer.seconds = time.monotonic() - began
            connection.close()
        return answer

    def calls(self, count: int, *, at_once: int = 4, stream: bool = False) -> list[Answer]:
        with ThreadPoolExecutor(at_once) as threads:
            return list(threads.map(lambda _: self.call(stream=stream), range(count)))

    def get(self, path: str, timeout: float = 10) -> Answer:
        answer, began = Answer(Plan(number=-1)), time.monotonic()
        connection = self.connect(timeout)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            answer.status, answer.body = response.status, response.read()
        except (OSError, HTTPException) as error:
            answer.error = error
        finally:
            answer.seconds = time.monotonic() - began
            connection.close()
        return answer

    def streams(self, count: int, tokens: int, every: float) -> list["Stream"]:
        return [Stream(self, Plan(tokens, every)) for _ in range(count)]


def send(connection: HTTPConnection, key: str, plan: Plan, *, stream: bool) -> None:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json", "connection": "close"}
    connection.request("POST", "/v1/chat/completions", plan.body(stream=stream), headers)


class Stream:
    """A streamed call on a thread of its own."""

    def __init__(self, client: Client, plan: Plan) -> None:
        self.answer = Answer(plan)
        self._thread = threading.Thread(target=client.call, kwargs={"stream": True, "answer": self.answer}, daemon=True)
        self._thread.start()

    @property
    def tokens(self) -> int:
        """Tokens that have come so far."""
        return self.answer.body.count(b'"w "')

    def end(self, seconds: float = 30) -> Answer:
        """The answer, once it has ended however it did."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), "the stream neither goes on nor ends"
        return self.answer


def await_tokens(streams: Sequence[Stream], seconds: float = 20) -> None:
    """Return once each has begun."""
    until = time.monotonic() + seconds
    while waiting := [stream.answer for stream in streams if not stream.tokens]:
        assert time.monotonic() < until, f"{len(waiting)} streams have not begun: {waiting[:3]}"
        time.sleep(0.05)


def ends(streams: Sequence[Stream], seconds: float = 30) -> list[Answer]:
    until = time.monotonic() + seconds
    return [stream.end(max(0.1, until - time.monotonic())) for stream in streams]


class Pulse:
    """Asks a path again and again while something is wrong. `with Pulse(client, "/healthz") as pulse: …`"""

    def __init__(self, client: Client, path: str = "/healthz", every: float = 0.05) -> None:
        self.answers: list[Answer] = []
        self._client, self._path, self._every = client, path, every
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(30)

    @property
    def seconds(self) -> list[float]:
        return sorted(answer.seconds for answer in self.answers)

    @property
    def usual_worst(self) -> float:
        """The slowest of all but one in twenty: the machine that runs the tests has hiccups of its own."""
        return self.seconds[int(len(self.answers) * 0.95)]

    def _beat(self) -> None:
        while not self._stopped.wait(self._every):
            self.answers.append(self._client.get(self._path))
