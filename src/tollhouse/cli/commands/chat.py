"""`tollhouse chat`."""

import contextlib
import sys
from typing import TYPE_CHECKING

import click

from tollhouse.cli.gateway_client import KEY_VARIABLE, GatewayClient, base_url_of, key_from
from tollhouse.cli.output import json_option, print_json
from tollhouse.cli.text import harmless, printable
from tollhouse.domain.errors import InvalidField, TollhouseError
from tollhouse.settings import load

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam


@click.command("chat")
@click.argument("prompt", required=False)
@click.option("--model", help="By default the local model, else `echo`, else the first that can chat.")
@click.option("--base-url", metavar="URL", help="Where the gateway is; by default on this machine.")
@click.option(
    "--api-key-env", metavar="VAR", default=KEY_VARIABLE, show_default=True, help="The variable that has the API key."
)
@json_option
def command(prompt: str | None, model: str | None, base_url: str | None, api_key_env: str, as_json: bool) -> None:
    """Ask a model through the running gateway: PROMPT, or what is piped in, or a conversation on a terminal."""
    prompt = _prompt(prompt)
    if as_json and prompt is None:
        raise click.UsageError("--json needs a prompt: give it as an argument, or pipe it in.")
    key = key_from(api_key_env)
    url = base_url_of(base_url, load())
    with contextlib.closing(GatewayClient(url, key)) as client:
        model = model or client.default_model()
        if prompt is None:
            _converse(client, model)
        elif as_json:
            answer = client.answer(model, [{"role": "user", "content": prompt}])
            print_json({"model": answer.model, "content": answer.content, "usage": answer.usage})
        else:
            _show_answer(client, model, [{"role": "user", "content": prompt}])


def _prompt(given: str | None) -> str | None:
    """The prompt; None for a conversation."""
    if given is None and sys.stdin.isatty():
        return None
    try:
        prompt = sys.stdin.buffer.read().decode() if given is None or given == "-" else given
        prompt.encode()
    except UnicodeError:
        raise InvalidField("prompt: it is not UTF-8 text.", param="prompt") from None
    if not prompt.strip():
        raise InvalidField("prompt: it is empty; give one as an argument, or pipe it in.", param="prompt")
    return prompt


def _converse(client: GatewayClient, model: str) -> None:
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - gives `input` the arrow keys
    click.echo(f"Talking to {printable(model)}. Ctrl-D ends.", err=True)
    messages: list[ChatCompletionMessageParam] = []
    while True:
        try:
            said = input("> ")
        except EOFError:
            click.echo()
            return
        if not said.strip():
            continue
        messages.append({"role": "user", "content": said})
        try:
            messages.append({"role": "assistant", "content": _show_answer(client, model, messages)})
        except TollhouseError as error:
            messages.pop()
            click.echo(f"Error: {printable(error.message)}", err=True)


def _show_answer(client: GatewayClient, model: str, messages: "list[ChatCompletionMessageParam]") -> str:
    parts = []
    for part in client.stream(model, messages):
        parts.append(part)
        click.echo(harmless(part), nl=False)
    click.echo()
    return "".join(parts)
