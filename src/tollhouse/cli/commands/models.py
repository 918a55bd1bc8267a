"""`tollhouse models`."""

from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.cache import cache
from tollhouse.cli.explain import explain
from tollhouse.cli.output import json_option, moment, print_json, print_table, usd
from tollhouse.cli.parameters import USD
from tollhouse.cli.prices import prices
from tollhouse.cli.routes import deploy, deployments, route, undeploy
from tollhouse.domain.actor import SHELL

if TYPE_CHECKING:
    from tollhouse.services.models.models import Model


@click.group("models")
def command() -> None:
    """Add and list the models that calls may ask for."""


for _one in (deploy, undeploy, deployments, route, prices, cache, explain):
    command.add_command(_one)


@command.command()
@click.argument("name")
@click.option("--provider", required=True, help="The provider that has the model.")
@click.option("--upstream-model", help="The model's name there; by default the same.")
@click.option("--input-price", type=USD, metavar="USD_PER_MTOK", help="By default the published price.")
@click.option("--output-price", type=USD, metavar="USD_PER_MTOK", help="By default the published price.")
@click.option("--unit-price", type=USD, metavar="USD", help="Per image, second of sound, character read, or search.")
@click.option("--context-window", type=int, metavar="N", help="The most tokens of a prompt and its answer.")
@click.option("--max-output", type=int, metavar="N", help="The most tokens of an answer.")
@click.option("--fallback", "fallbacks", multiple=True, metavar="NAME", help="The model to try next; may be repeated.")
@click.option(
    "--cache-seconds", type=int, metavar="N", help="How long its replies are kept to be given again; 0: never."
)
@click.option(
    "--cache-embedding-model",
    metavar="NAME",
    help="By whose vectors similar questions are found; by default none are.",
)
@click.option("--cache-similarity", type=float, metavar="COSINE", help="From which on they are similar; 0.95.")
@json_option
def add(as_json: bool, **given: Any) -> None:
    """Add a model, effective in all processes within a second."""
    with administration() as services:
        from tollhouse.services.models.models import NewModel

        model = services.models.add(NewModel(**given), by=SHELL)
    if as_json:
        print_json(_shown(model))
    else:
        click.echo(f"The model {model.name} is there. Try it: `tollhouse chat --model {model.name}`.")


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all models, by name. Prices are US dollars per million tokens."""
    with administration() as services:
        models = services.models.all()
    if as_json:
        print_json([_shown(model) for model in models])
        return
    rows = [
        {
            "name": model.name,
            "provider": model.provider,
            "upstream model": model.upstream_model,
            "input": usd(model.input_price) or "published",
            "output": usd(model.output_price) or "published",
            "unit": usd(model.unit_price),
            "context": model.context_window,
            "max output": model.max_output,
            "fallbacks": ", ".join(model.fallbacks) or None,
            "cache": model.cache_seconds,
        }
        for model in models
    ]
    print_table(
        rows,
        flexible=("name", "upstream model", "fallbacks"),
        empty="No models yet: `tollhouse models add NAME --provider PROVIDER` adds one.",
    )


@command.command()
@click.argument("name")
@json_option
def remove(name: str, as_json: bool) -> None:
    """Remove the model NAME, with its deployments and prices. Calls that are under way go on; reports keep it."""
    with administration() as services:
        services.models.remove(name, by=SHELL)
    if as_json:
        print_json({"name": name, "removed": True})
    else:
        click.echo(f"The model {name} is removed.")


def _shown(model: "Model") -> dict[str, Any]:
    return {
        "id": model.id,
        "name": model.name,
        "provider": model.provider,
        "upstream_model": model.upstream_model,
        "input_usd_per_mtok": usd(model.input_price),
        "output_usd_per_mtok": usd(model.output_price),
        "usd_per_unit": usd(model.unit_price),
        "context_window": model.context_window,
        "max_output": model.max_output,
        "fallbacks": list(model.fallbacks),
        "cache_seconds": model.cache_seconds,
        "cache_embedding_model": model.cache_embedding_model,
        "cache_similarity": model.cache_similarity,
        "created_at": moment(model.created_at),
    }
