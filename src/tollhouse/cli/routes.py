"""What `tollhouse models` has of routes: deployments, and how calls choose between them."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, print_json, print_table, usd
from tollhouse.cli.parameters import MOST_OR_OFF, OFF, SECONDS_OR_NONE, USD
from tollhouse.domain.actor import SHELL

if TYPE_CHECKING:
    from tollhouse.services.models.deployments import Deployment
    from tollhouse.services.models.routes import RouteTerms

_F = TypeVar("_F", bound=Callable[..., Any])
_TERMS = ("weight", "priority", "lacks", "rpm", "tpm", "concurrency")
_NONE = "none"


def _of_deployment(function: _F) -> _F:
    """The options of each deployment, be it the model's own or another."""
    for option in (
        click.option("--concurrency", type=MOST_OR_OFF, metavar="N", help="Open calls that it is given at once."),
        click.option("--tpm", type=MOST_OR_OFF, metavar="N", help="Tokens a minute that it is given."),
        click.option("--rpm", type=MOST_OR_OFF, metavar="N", help="Calls a minute that it is given."),
        click.option(
            "--lacks",
            multiple=True,
            metavar="CAPABILITY",
            help="What it cannot do: images, audio, tools, schema; may be repeated.",
        ),
        click.option("--priority", type=int, metavar="N", help="The lowest goes first; 0 by default."),
        click.option("--weight", type=int, metavar="N", help="How often it is first of its priority; 1 by default."),
    ):
        function = option(function)
    return function


@click.command()
@click.argument("name")
@click.option("--provider", required=True, help="The provider that has the model too.")
@click.option("--upstream-model", help="The model's name there; by default as at the model's own provider.")
@click.option("--input-price", type=USD, metavar="USD_PER_MTOK", help="By default the published price.")
@click.option("--output-price", type=USD, metavar="USD_PER_MTOK", help="By default the published price.")
@click.option("--context-window", type=int, metavar="N", help="By default the model's.")
@click.option("--max-output", type=int, metavar="N", help="By default the model's.")
@_of_deployment
@json_option
def deploy(name: str, as_json: bool, **given: Any) -> None:
    """Add another deployment of the model NAME: calls choose between them as `models route` says."""
    with administration() as services:
        from tollhouse.services.models.deployment_terms import Terms
        from tollhouse.services.models.deployments import NewDeployment

        terms = _stated({field: given.pop(field) for field in _TERMS})
        deployment = services.deployments.add(name, NewDeployment(**given, terms=replace(Terms(), **terms)), by=SHELL)
    if as_json:
        print_json(_shown(deployment))
    else:
        click.echo(f"{name} is at {deployment.provider} too ({deployment.id}). See `tollhouse models explain {name}`.")


@click.command()
@click.argument("name")
@click.argument("id")
@json_option
def undeploy(name: str, id: str, as_json: bool) -> None:
    """Take the deployment ID from the model NAME. Calls that are under way go on."""
    with administration() as services:
        services.deployments.remove(id, model=name, by=SHELL)
    if as_json:
        print_json({"id": id, "removed": True})
    else:
        click.echo(f"The deployment {id} of {name} is removed.")


@click.command()
@click.argument("name", required=False)
@json_option
def deployments(name: str | None, as_json: bool) -> None:
    """List the deployments of NAME, or of all models, beside the models' own."""
    with administration() as services:
        found = services.deployments.all(name)
    if as_json:
        print_json([_shown(one) for one in found])
        return
    rows = [
        {
            "id": one.id,
            "model": one.model,
            "provider": one.provider,
            "upstream model": one.upstream_model,
            "weight": one.terms.weight,
            "priority": one.terms.priority,
            "lacks": ", ".join(one.terms.lacks) or None,
        }
        for one in found
    ]
    print_table(
        rows,
        flexible=("model", "upstream model"),
        empty="No deployments beside the models' own: `tollhouse models deploy NAME --provider P` adds one.",
    )


@click.command()
@click.argument("name")
@click.option("--strategy", metavar="S", help="ordered, weighted, least_busy, lowest_latency or cheapest.")
@click.option("--sticky", metavar="BY", help="Calls stay at one deployment by session, user or key; none ends it.")
@click.option("--alias", "aliases", multiple=True, metavar="ALIAS", help="Another name of it; may be repeated.")
@click.option(
    "--context-fallback",
    "context_fallbacks",
    multiple=True,
    metavar="NAME",
    help="The model that gets what is too long for this one; may be repeated.",
)
@click.option(
    "--refusal-fallback",
    "refusal_fallbacks",
    multiple=True,
    metavar="NAME",
    help="The model that gets what this one's provider refuses for its content; may be repeated.",
)
@click.option("--connect-seconds", type=SECONDS_OR_NONE, metavar="S", help="Longest wait for a connection.")
@click.option("--first-byte-seconds", type=SECONDS_OR_NONE, metavar="S", help="Longest wait for a first byte.")
@click.option("--idle-seconds", type=SECONDS_OR_NONE, metavar="S", help="Longest silence in the middle.")
@click.option("--total-seconds", type=SECONDS_OR_NONE, metavar="S", help="Longest time for one attempt.")
@_of_deployment
@json_option
def route(name: str, as_json: bool, **given: Any) -> None:
    """Show how the calls of NAME are routed, or change it: what is not given stays. `none` empties a list, and is the
    setting's time again.

    Weight, priority and what follows are those of the model's own deployment.
    """
    with administration() as services:
        stated = _stated(given)
        found = services.routes.change(name, stated, by=SHELL) if stated else services.routes.of(name)
    if as_json:
        print_json(_shown_route(found))
        return
    for field, value in _shown_route(found).items():
        click.echo(f"{field.replace('_', ' ')}: {_told(value)}")


def _stated(given: dict[str, Any]) -> dict[str, Any]:
    """What was said, as the service takes it."""
    stated: dict[str, Any] = {}
    for field, value in given.items():
        if value is None or value == ():
            continue
        if isinstance(value, tuple):
            stated[field] = () if value == (_NONE,) else value
        elif value == _NONE:
            stated[field] = None
        else:
            stated[field] = None if field in ("rpm", "tpm", "concurrency") and value == OFF else value
    return stated


def _told(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return "none" if value is None else str(value)


def _shown_route(route: "RouteTerms") -> dict[str, Any]:
    return {
        "strategy": route.strategy,
        "sticky": route.sticky,
        "aliases": list(route.aliases),
        "context_fallbacks": list(route.context_fallbacks),
        "refusal_fallbacks": list(route.refusal_fallbacks),
        "connect_seconds": route.connect_seconds,
        "first_byte_seconds": route.first_byte_seconds,
        "idle_seconds": route.idle_seconds,
        "total_seconds": route.total_seconds,
        **route.terms.columns(),
    }


def _shown(one: "Deployment") -> dict[str, Any]:
    return {
        "id": one.id,
        "model": one.model,
        "provider": one.provider,
        "upstream_model": one.upstream_model,
        "input_usd_per_mtok": usd(one.input_price),
        "output_usd_per_mtok": usd(one.output_price),
        "context_window": one.context_window,
        "max_output": one.max_output,
        **one.terms.columns(),
    }
