"""The running gateway as the command line sees it: the official SDK with a key, and its errors as ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from tollhouse.cli.steady_file import SteadyFile
from tollhouse.domain.errors import Conflict, InvalidField, MissingKey, NotFound, TollhouseError, Unavailable
from tollhouse.settings import Settings, variable

if TYPE_CHECKING:
    from pathlib import Path

    from openai import OpenAI
    from openai.types.chat import ChatCompletionMessageParam

KEY_VARIABLE = "TOLLHOUSE_API_KEY"
NO_CHAT = ("embed", "moderation", "whisper", "tts", "transcribe", "dall-e", "image", "rerank")
"""What the names of models that do not chat have in them; a list of models says no more than names."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    model: str
    content: str
    usage: dict[str, Any] | None


class GatewayClient:
    """Calls a gateway that runs. Close it."""

    def __init__(self, base_url: str, key: str) -> None:
        import openai

        self._base_url = base_url
        # A proxy of the environment is for the world outside: this machine's own addresses need none.
        local = (urlsplit(base_url).hostname or "") in ("127.0.0.1", "::1", "localhost")
        with _translated(base_url):
            self._client: OpenAI = openai.OpenAI(
                base_url=base_url,
                api_key=key,
                max_retries=1,
                http_client=openai.DefaultHttpxClient(trust_env=not local),
            )

    def close(self) -> None:
        self._client.close()

    def default_model(self) -> str:
        """The local model where there is one, else `echo`, else the first that looks as if it could chat."""
        from tollhouse.services.bootstrap import LOCAL_MODEL

        with _translated(self._base_url):
            names = [model.id for model in self._client.models.list().data]
        for name in (LOCAL_MODEL, "echo"):
            if name in names:
                return name
        for name in names:
            if not any(part in name.lower() for part in NO_CHAT):
                return name
        raise NotFound("This key may use no model that can chat: `tollhouse models list` shows those that are here.")

    def answer(self, model: str, messages: "list[ChatCompletionMessageParam]") -> Answer:
        """The whole answer, with the model and the usage that the gateway named."""
        with _translated(self._base_url):
            completion = self._client.chat.completions.create(model=model, messages=messages)
            content = completion.choices[0].message.content or ""
            usage = completion.usage.model_dump(exclude_none=True) if completion.usage else None
        return Answer(completion.model, content, usage)

    def stream(self, model: str, messages: "list[ChatCompletionMessageParam]") -> Iterator[str]:
        """The answer as it comes. Raises Unavailable when it was cut."""
        finished = None
        with _translated(self._base_url):
            events = self._client.chat.completions.create(model=model, messages=messages, stream=True)
            with events:
                for event in events:
                    for choice in event.choices:
                        finished = choice.finish_reason or finished
                        if choice.delta.content:
                            yield choice.delta.content
        if finished is None:
            raise Unavailable("The answer was cut off before its end: try again.")

    def submit_batch(
        self, file: "Path", endpoint: str, window: str, provider_batch: str | None = None
    ) -> dict[str, Any]:
        """Upload the file, piece by piece, and begin a batch of it: as the gateway shows it. Raises Conflict where
        somebody writes to it meanwhile: then nothing is begun.
        """
        with SteadyFile(file) as content:
            try:
                with _translated(self._base_url):
                    whole = cast("IO[bytes]", content)
                    kept = self._client.files.create(file=(file.name, whole), purpose="batch")
            except Unavailable:
                if content.has_changed:
                    raise _written_to() from None
                raise
            with _translated(self._base_url):
                if content.has_changed:
                    self._client.files.delete(kept.id)
                    raise _written_to()
                asked: Any = {"endpoint": endpoint, "completion_window": window}
                if provider_batch is not None:
                    asked["extra_body"] = {"provider_batch": provider_batch}
                return self._client.batches.create(input_file_id=kept.id, **asked).model_dump()

    def batch(self, id: str) -> dict[str, Any]:
        """The batch as the gateway shows it."""
        with _translated(self._base_url):
            return self._client.batches.retrieve(id).model_dump()

    def cancel_batch(self, id: str) -> dict[str, Any]:
        """The batch, of which nothing more is called."""
        with _translated(self._base_url):
            return self._client.batches.cancel(id).model_dump()


def _written_to() -> Conflict:
    return Conflict(
        "file: somebody writes to it while it is uploaded, so its last line may be half of one: submit it when it is "
        "whole, or a copy. Nothing was begun.",
        param="file",
    )


def key_from(name: str) -> str:
    """The key in this variable. MissingKey says how to make one."""
    key = (variable(name) or "").strip()
    if not key:
        raise MissingKey(
            f"{name} is not set: make a key with `tollhouse keys create --name chat` and put it there, in the "
            "environment or in .env."
        )
    return key


def base_url_of(given: str | None, settings: Settings) -> str:
    """The base URL for the SDK, by default that of the gateway on this machine; `/v1` may be left out."""
    from tollhouse.up.run import address

    url = given or address(settings)
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidField("base-url: it must be a URL such as http://127.0.0.1:8000/v1.", param="base-url")
    return url if parts.path.strip("/") else f"{url.rstrip('/')}/v1"


@contextmanager
def _translated(base_url: str) -> Iterator[None]:
    import openai

    try:
        yield
    except openai.APITimeoutError:
        raise Unavailable(f"The gateway at {base_url} did not answer in time: try again.") from None
    except openai.APIConnectionError:
        raise Unavailable(
            f"No gateway answers at {base_url}: start it with `tollhouse up`, or say where it is with --base-url."
        ) from None
    except openai.APIStatusError as error:
        raise _refusal(error, base_url) from None
    except openai.APIError as error:
        raise Unavailable(error.message) from None
    except (openai.OpenAIError, AttributeError, IndexError, TypeError, ValueError):
        raise Unavailable(f"What answers at {base_url} is no gateway: say where it is with --base-url.") from None


def _refusal(error: Any, base_url: str) -> TollhouseError:
    said = error.body.get("message") if isinstance(error.body, dict) else None
    if isinstance(said, str) and said:
        return Unavailable(said)
    return Unavailable(
        f"{base_url} answered with status {error.status_code}: say where the gateway is with --base-url."
    )
